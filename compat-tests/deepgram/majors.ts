// Every major of the `@deepgram/sdk` package that programs in use are built on, each behind the same few calls: majors 3
// and 4 hand back what 5 throws, and have other names for everything.
import type { Readable } from 'node:stream';
import { createClient as createClient3 } from 'deepgram3';
import { createClient as createClient4 } from 'deepgram4';
import { DeepgramClient as Client5 } from 'deepgram5';
import type { ListenBody, ModelEntry } from './shapes.ts';

export type Options = Record<string, unknown>;
export type Credential = { key: string } | { accessToken: string };

export interface Client {
  transcribeFile(audio: Buffer | Readable, options?: Options): Promise<ListenBody>;
  transcribeUrl(url: string, options?: Options): Promise<ListenBody>;
  callBack(audio: Buffer, callback: string, options?: Options): Promise<{ request_id: string }>;
  models(): Promise<{ stt: ModelEntry[] }>;
  model(uuid: string): Promise<ModelEntry>;
  grant(): Promise<{ access_token: string; expires_in: number }>;
}

export interface Major {
  major: number;
  connect(url: string, credential: Credential): Client;
}

/** What majors 3 and 4 share. Their types name options that not all cases have. */
interface EarlyClient {
  listen: {
    prerecorded: Record<
      'transcribeFile' | 'transcribeUrl',
      (source: unknown, options?: Options) => Promise<Outcome>
    > & {
      transcribeFileCallback(source: unknown, callback: URL, options?: Options): Promise<Outcome>;
    };
  };
  models: { getAll(): Promise<Outcome>; getModel(uuid: string): Promise<Outcome> };
  auth: { grantToken(): Promise<Outcome> };
}
interface Outcome {
  result: unknown;
  error: Error | null;
}

function early(client: EarlyClient): Client {
  const { prerecorded } = client.listen;
  return {
    transcribeFile: (audio, options) => resultOf(prerecorded.transcribeFile(audio, options)),
    transcribeUrl: (url, options) => resultOf(prerecorded.transcribeUrl({ url }, options)),
    callBack: (audio, callback, options) =>
      resultOf(prerecorded.transcribeFileCallback(audio, new URL(callback), options)),
    models: () => resultOf(client.models.getAll()),
    model: (uuid) => resultOf(client.models.getModel(uuid)),
    grant: () => resultOf(client.auth.grantToken()),
  };
}

async function resultOf<Result>(outcome: Promise<Outcome>): Promise<Result> {
  const { result, error } = await outcome;
  if (error) throw error;
  return result as Result;
}

function connect3(url: string, credential: Credential): Client {
  if (!('key' in credential)) throw new Error('Major 3 knows keys only.');
  return early(createClient3(credential.key, { global: { url } }) as unknown as EarlyClient);
}

function connect4(url: string, credential: Credential): Client {
  const options = { ...credential, global: { url } };
  return early(createClient4(options as never) as unknown as EarlyClient);
}

function connect5(url: string, credential: Credential): Client {
  const client = new Client5({
    ...('key' in credential ? { apiKey: credential.key } : credential),
    baseUrl: url,
  } as never);
  const { media } = client.listen.v1;
  return {
    transcribeFile: (audio, options = {}) => media.transcribeFile(audio, options) as Promise<unknown> as never,
    transcribeUrl: (url, options = {}) => media.transcribeUrl({ url, ...options }) as Promise<unknown> as never,
    callBack: (audio, callback, options = {}) =>
      media.transcribeFile(audio, { callback, ...options }) as Promise<unknown> as never,
    models: () => client.manage.v1.models.list() as Promise<unknown> as never,
    model: (uuid) => client.manage.v1.models.get(uuid) as Promise<unknown> as never,
    grant: () => client.auth.v1.tokens.grant() as Promise<unknown> as never,
  };
}

export const MAJORS: Major[] = [
  { major: 3, connect: connect3 },
  { major: 4, connect: connect4 },
  { major: 5, connect: connect5 },
];
