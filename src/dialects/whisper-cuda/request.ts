// The form of a whisper-cuda service → a job to be accepted. Whoever gets the recording hands it on or releases it; on every
// refusal it is released here.
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { readCachePolicy } from '../../http/cache-control.ts';
import { collectFields, type FieldKind, type FormField } from '../../http/form-fields.ts';
import { readMultipart, shownFilename } from '../../http/multipart.ts';
import { namingField } from '../../http/named-field.ts';
import type { NewJob } from '../../jobs/job.ts';
import type { ModelListing } from '../../transcribe/recorded.ts';
import { languageCode } from '../../transcript/languages.ts';
import type { Recording } from '../../transcript/recording.ts';
import type { DialectServices } from '../dialect.ts';
import { type TranscribeFields, transcribeFields } from './schema.ts';

/** What answers say again that a job does not keep by itself. */
export const jobDetails = z.object({
  /** As the caller wrote it. */
  language: z.string(),
});

export type CudaRequest = Pick<NewJob, 'source' | 'filename' | 'transcription' | 'webhook'> & {
  details: z.infer<typeof jobDetails>;
};

export interface Upload {
  headers: Headers;
  body: Readable;
}

type Services = Pick<DialectServices, 'transcriber' | 'jobs' | 'limits' | 'enabledModels'>;
type Judged = Pick<CudaRequest, 'transcription' | 'webhook' | 'details'>;

const KINDS: ReadonlyMap<string, FieldKind> = new Map([
  ['model', 'text'],
  ['callback_url', 'text'],
  ['language', 'text'],
]);
/** In the refusal of another. */
const MODELS_NAMED_MAX = 50;

export async function readRequest(
  { headers, body }: Upload,
  services: Services,
  signal: AbortSignal,
): Promise<CudaRequest> {
  const { transcriber, limits } = services;
  const form = await readMultipart(body, headers, {
    bytesMax: limits.uploadBytesMax,
    idleMs: limits.uploadIdleMs,
    signal,
    fileField: 'file',
    // What came before the recording is judged before the recording is read; what comes after it, after.
    async onFile(part, stream, before) {
      const { model, callback_url, language } = readFields(before);
      readLanguage(language);
      if (callback_url !== undefined) checkCallback(callback_url, services);
      if (model !== undefined) await findModel(model, services);
      return { ...(await transcriber.receive(stream, signal, part.bytesMax)), filename: shownFilename(part) };
    },
  });
  const recording = form.file;
  try {
    const judged = await judge(form.fields, recording, headers, services);
    return { ...judged, source: recording as Recording, filename: recording?.filename ?? null };
  } catch (thrown) {
    await recording?.release();
    throw thrown;
  }
}

async function judge(
  form: readonly FormField[],
  recording: Recording | undefined,
  headers: Headers,
  services: Services,
): Promise<Judged> {
  const { model, callback_url: url, language } = readFields(form);
  if (!recording || model === undefined || url === undefined) {
    throw missingFields({ file: recording, model, callback_url: url });
  }
  if (recording.bytes === 0) throw new GatewayError('field-invalid', 'The file is empty.', { field: 'file' });
  checkCallback(url, services);
  const listing = await findModel(model, services);
  const isLanguageGiven = form.some(([name, value]) => name === 'language' && value.trim() !== '');
  return {
    transcription: {
      model,
      options: {
        task: 'transcribe',
        language: fitLanguage(readLanguage(language), isLanguageGiven, listing),
        prompt: null,
        temperature: 0,
      },
      cache: readCachePolicy(headers.get('cache-control')),
      channel: null,
      raw: null,
      withoutLeadingSilence: true,
    },
    webhook: { url, method: 'POST' },
    details: { language },
  };
}

function checkCallback(url: string, { jobs }: Services): void {
  namingField('callback_url', () => jobs.checkWebhook(url));
}

function readFields(form: readonly FormField[]): TranscribeFields {
  return transcribeFields.parse(collectFields(form, KINDS));
}

function missingFields(given: Record<string, unknown>): GatewayError {
  const missing = Object.entries(given).filter(([, value]) => value === undefined);
  return new GatewayError('field-missing', `Field required: ${missing.map(([name]) => name).join(', ')}.`);
}

function readLanguage(input: string): string | null {
  const code = languageCode(input);
  if (code !== undefined) return code;
  throw new GatewayError('field-invalid', `Unsupported language: ${input}.`, { field: 'language' });
}

/** Where nobody named one, the default is no reason to refuse a model that knows one language only. */
function fitLanguage(code: string | null, isGiven: boolean, { id, languages }: ModelListing): string | null {
  if (code === null || languages.includes(code)) return code;
  const [only] = languages;
  if (!isGiven && only !== undefined && languages.length === 1) return only;
  throw new GatewayError('option-unsupported', `The model '${id}' does not know the language '${code}'.`, {
    field: 'language',
  });
}

async function findModel(
  asked: string,
  { transcriber: { models }, enabledModels }: Pick<Services, 'transcriber' | 'enabledModels'>,
): Promise<ModelListing> {
  const enabled = await enabledModels();
  const listing = enabled === null || enabled.includes(asked) ? await models.find(asked) : undefined;
  if (listing) return listing;
  const listings = enabled
    ? await Promise.all(enabled.slice(0, MODELS_NAMED_MAX).map((name) => models.find(name)))
    : (await models.list()).filter(({ id, installed, servedBy }) => installed && id === servedBy);
  const names = listings.flatMap((known) => (known ? [known.id] : [])).slice(0, MODELS_NAMED_MAX);
  throw new GatewayError(
    'model-unknown',
    `The model '${asked}' is not enabled. Enabled: ${names.join(', ') || 'none'}.`,
    { field: 'model' },
  );
}
