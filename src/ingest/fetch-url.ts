// Owns the way from a caller's URL to a recording: the request, its redirects, its bounds, and what is said when the other
// server fails. Which addresses may be asked is the guard's business, the bytes are the spool's.
import { STATUS_CODES } from 'node:http';
import { Readable } from 'node:stream';
import { Agent, type Dispatcher, request } from 'undici';
import { GatewayError, type RemoteFault } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { SafeUrl, UrlGuard } from '../lib/safe-url.ts';
import type { Recording } from '../transcript/recording.ts';
import type { IngestSettings } from './settings.ts';

const CONNECT_MS_MAX = 10_000;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface FetchUrlParts {
  settings: IngestSettings;
  guard: UrlGuard;
  receive(upload: Readable, signal: AbortSignal): Promise<Recording>;
  clock: Clock;
}

/** Throws `url-invalid`, `url-forbidden`, `url-unreachable`, and what receiving an upload throws. */
export type FetchUrl = (url: string, signal: AbortSignal) => Promise<Recording>;

export function createFetchUrl({ settings, guard, receive, clock }: FetchUrlParts): FetchUrl {
  const idleMs = settings.UPLOAD_IDLE_SECONDS * 1000;

  return async (url, signal) => {
    signal.throwIfAborted();
    const deadline = new AbortController();
    const cancelDeadline = clock.after(settings.URL_FETCH_SECONDS_MAX * 1000, () =>
      deadline.abort(unreachable({ kind: 'invalid-data' }, 'took too long')),
    );
    const either = AbortSignal.any([signal, deadline.signal]);
    // Of its own, so that no connection outlives the fetch. HTTP/2 gains nothing for one file.
    const agent = new Agent({
      allowH2: false,
      headersTimeout: idleMs,
      bodyTimeout: idleMs,
      connect: { lookup: guard.lookup, timeout: CONNECT_MS_MAX },
    });
    // A request whose connection is still being made does not hear its signal.
    const stop = () => void agent.destroy();
    either.addEventListener('abort', stop);
    try {
      const asking = { guard, redirectsMax: settings.URL_REDIRECTS_MAX, agent, signal: either };
      const response = await follow(guard.check(url), asking);
      refuseBadAnswer(response, settings.UPLOAD_BYTES_MAX);
      return await receive(Readable.from(remoteBytes(response.body)), either);
    } catch (error) {
      either.throwIfAborted(); // whatever broke in consequence
      if (error instanceof GatewayError && error.code === 'audio-too-short') {
        throw unreachable({ kind: 'invalid-data' }, 'sent nothing', error);
      }
      throw error;
    } finally {
      cancelDeadline();
      either.removeEventListener('abort', stop);
      stop();
    }
  };
}

interface Asking {
  guard: UrlGuard;
  redirectsMax: number;
  agent: Agent;
  signal: AbortSignal;
}

/** Asks `target` and wherever it sends us, each checked like the first. */
async function follow(target: SafeUrl, asking: Asking): Promise<Dispatcher.ResponseData> {
  for (let redirects = 0; ; redirects += 1) {
    const response = await ask(target, asking);
    const { location } = response.headers;
    if (!REDIRECTS.has(response.statusCode) || typeof location !== 'string') return response;
    response.body.destroy();
    if (redirects === asking.redirectsMax) {
      throw unreachable({ kind: 'too-many-redirects' }, `redirected more than ${redirects} times`);
    }
    target = checkRedirect(location, target, asking.guard);
  }
}

function checkRedirect(location: string, from: SafeUrl, guard: UrlGuard): SafeUrl {
  try {
    const { url, authorization } = guard.check(location, from.url);
    // Credentials stay with the server they were meant for.
    const isSameServer = url.origin === from.url.origin;
    return { url, authorization: authorization ?? (isSameServer ? from.authorization : undefined) };
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'url-invalid') throw error;
    throw unreachable({ kind: 'invalid-data' }, 'redirected to what is no URL', error); // the caller's own URL was one
  }
}

async function ask({ url, authorization }: SafeUrl, { agent, signal }: Asking): Promise<Dispatcher.ResponseData> {
  const headers: Record<string, string> = {
    accept: '*/*',
    'accept-encoding': 'identity', // a compressed answer would be stored as it came: its size could not be bounded
    'user-agent': 'whispergate',
  };
  if (authorization !== undefined) headers.authorization = authorization;
  try {
    const response = await request(url, { dispatcher: agent, signal, headers });
    response.body.on('error', () => {}); // of a body that nobody reads; unheard, it would end the process
    return response;
  } catch (error) {
    if (error instanceof GatewayError) throw error; // the guard's, from the look-up
    throw unreachable({ kind: 'invalid-data' }, 'could not be reached', error);
  }
}

function refuseBadAnswer({ statusCode, headers }: Dispatcher.ResponseData, bytesMax: number): void {
  const status = `${statusCode} ${STATUS_CODES[statusCode] ?? ''}`.trim();
  if (statusCode >= 500) throw unreachable({ kind: 'server-error', status }, `answered ${status}`);
  if (statusCode >= 400) throw unreachable({ kind: 'client-error', status }, `answered ${status}`);
  if (statusCode >= 300) throw unreachable({ kind: 'invalid-data' }, `answered ${status}`);
  if (Number(headers['content-length']) > bytesMax) {
    throw new GatewayError('body-too-large', `The file is larger than ${bytesMax} bytes.`);
  }
}

/** Marks the other server's failures as its own, so that they cannot be taken for those of our disk. */
async function* remoteBytes(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    throw unreachable({ kind: 'invalid-data' }, 'broke off', error);
  }
}

function unreachable(remoteFault: RemoteFault, whatItDid: string, cause?: unknown): GatewayError {
  return new GatewayError('url-unreachable', `The server of the URL ${whatItDid}.`, { remoteFault, cause });
}
