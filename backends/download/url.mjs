// A file at an HTTP address: received in pieces, gone on with after an interruption.
import { open, readFile, writeFile } from 'node:fs/promises';
import {
  check,
  createWatchdog,
  discard,
  MismatchError,
  publish,
  reasonOf,
  rethrowStorage,
  StorageError,
  sizeOf,
} from './file.mjs';

/** Enough for a slow handshake and two redirects; short, because an unreachable host should cost little. */
const ANSWER_TIMEOUT_MS = 10_000;
const STALL_TIMEOUT_MS = 30_000;
/** Tries of one address; each but the first happens only when the one before brought something new. */
const ATTEMPTS_MAX = 5;
/** How long a host that could not be reached is left alone: setup asks it once, a long-lived gateway may ask again later. */
const HOST_REST_MS = 4 * 60_000;
/** Where the caller knows no size. */
const BYTES_MAX = 16 * 1024 ** 3;

/** @typedef {import('../download.mjs').DownloadOptions} DownloadOptions */
/** @typedef {import('./file.mjs').Watchdog} Watchdog */

/** Host → until when it is left alone. @type {Map<string, number>} */
const restingHosts = new Map();

/** The host answered, and asking it again will not help. */
class RefusedError extends Error {}

/**
 * @param {import('../download.mjs').UrlSource} source
 * @param {string} target
 * @param {DownloadOptions} options
 */
export async function fromUrl(source, target, options) {
  const part = `${target}.part`;
  const expected = { ...options, sha256: source.sha256 ?? options.sha256 };
  for (;;) {
    const resumed = await receive(source.url, part, expected);
    try {
      const digest = await check(part, expected);
      await publish(part, target);
      return digest;
    } catch (error) {
      // The piece from an earlier run may have been the bad one: the same source gets one clean try.
      if (!(error instanceof MismatchError) || !resumed) throw error;
    } finally {
      await discard(part);
    }
  }
}

/**
 * Brings the part to its full length, asking again for the rest as long as each answer brings some.
 * @param {string} url
 * @param {string} part
 * @param {DownloadOptions} options
 * @returns {Promise<boolean>} whether bytes of an earlier call were kept
 */
async function receive(url, part, options) {
  const { host } = new URL(url);
  if ((restingHosts.get(host) ?? 0) > performance.now()) throw new RefusedError(`${host} could not be reached before`);
  const keptBytes = await resumableBytes(url, part, options);
  for (let attempt = 1; ; attempt++) {
    const before = await sizeOf(part);
    try {
      await transfer(url, part, options);
      return keptBytes > 0;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof RefusedError || error instanceof StorageError) throw error;
      if (attempt === ATTEMPTS_MAX || (await sizeOf(part)) <= before) throw error;
    }
  }
}

/**
 * @param {string} url
 * @param {string} part
 * @param {DownloadOptions} options
 */
async function transfer(url, part, options) {
  const offset = await resumableBytes(url, part, options);
  if (offset > 0 && offset === options.bytes) return;
  const validator = offset > 0 ? (await readOrigin(part))?.validator : undefined;
  const watchdog = createWatchdog(options);
  try {
    const response = await ask(url, offset, validator, options, watchdog);
    if (response.status === 416 && offset > 0) {
      // The whole file is here already, or it became shorter; without a checksum only a new copy tells.
      await discard(part);
      return await transfer(url, part, options);
    }
    const { start, totalBytes } = placeOf(response, offset);
    if (options.bytes !== undefined && totalBytes !== undefined && totalBytes !== options.bytes) {
      throw new RefusedError(`offers ${totalBytes} bytes instead of ${options.bytes}`);
    }
    await store(response, { url, part, start, totalBytes: totalBytes ?? options.bytes, options, watchdog });
  } finally {
    watchdog.stop();
  }
}

/**
 * @param {string} url
 * @param {number} offset
 * @param {string | undefined} validator
 * @param {DownloadOptions} options
 * @param {Watchdog} watchdog
 */
async function ask(url, offset, validator, options, watchdog) {
  /** @type {Record<string, string>} */
  const headers = { 'accept-encoding': 'identity', 'user-agent': 'whispergate-setup' };
  if (offset > 0) headers.range = `bytes=${offset}-`;
  if (offset > 0 && validator) headers['if-range'] = validator;
  watchdog.expectWithin(options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS, 'no answer');
  const fetchImplementation = options.fetch ?? globalThis.fetch;
  try {
    return await fetchImplementation(url, { headers, redirect: 'follow', signal: watchdog.signal });
  } catch (error) {
    options.signal?.throwIfAborted();
    const { host } = new URL(url);
    restingHosts.set(host, performance.now() + HOST_REST_MS);
    throw new RefusedError(
      `${host} cannot be reached: ${reasonOf(watchdog.signal.aborted ? watchdog.signal.reason : error)}`,
    );
  }
}

/**
 * Where the answer's body belongs in the file.
 * @param {Response} response
 * @param {number} offset
 */
function placeOf(response, offset) {
  const lengthHeader = response.headers.get('content-length');
  const lengthBytes = lengthHeader === null ? undefined : Number(lengthHeader);
  if (response.status === 200) return { start: 0, totalBytes: lengthBytes };
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  if (response.status === 206 && Number(range?.[1]) === offset) {
    return { start: offset, totalBytes: range?.[2] === '*' ? undefined : Number(range?.[2]) };
  }
  throw new RefusedError(`HTTP ${response.status}`);
}

/**
 * @param {Response} response
 * @param {{ url: string, part: string, start: number, totalBytes: number | undefined, options: DownloadOptions, watchdog: Watchdog }} place
 */
async function store(response, { url, part, start, totalBytes, options, watchdog }) {
  if (!response.body) throw new RefusedError('answered without a body');
  const etag = response.headers.get('etag');
  const validator = etag && !etag.startsWith('W/') ? etag : (response.headers.get('last-modified') ?? undefined);
  if (start === 0) await discard(part);
  await writeFile(`${part}.json`, JSON.stringify({ url, validator })).catch(rethrowStorage);
  const file = await open(part, 'a').catch(rethrowStorage);
  let receivedBytes = start;
  try {
    watchdog.expectWithin(options.stallTimeoutMs ?? STALL_TIMEOUT_MS, 'stalled');
    for await (const chunk of /** @type {AsyncIterable<Uint8Array>} */ (/** @type {unknown} */ (response.body))) {
      receivedBytes += chunk.length;
      if (receivedBytes > (totalBytes ?? BYTES_MAX)) throw new RefusedError('sends more bytes than it should');
      await file.appendFile(chunk).catch(rethrowStorage);
      watchdog.expectWithin(options.stallTimeoutMs ?? STALL_TIMEOUT_MS, 'stalled');
      options.onProgress?.({ receivedBytes, totalBytes, source: url });
    }
  } catch (error) {
    throw watchdog.signal.aborted ? watchdog.signal.reason : error;
  } finally {
    await file.close();
  }
  if (totalBytes !== undefined && receivedBytes < totalBytes)
    throw new Error(`ended after ${receivedBytes} of ${totalBytes} bytes`);
}

/**
 * How much of an earlier part may be kept: all of it when it came from the same address and either the server can say
 * whether the file is still the same, or a checksum will.
 * @param {string} url
 * @param {string} part
 * @param {DownloadOptions} options
 */
async function resumableBytes(url, part, options) {
  const origin = await readOrigin(part);
  const size = await sizeOf(part);
  const checkable = origin?.validator ?? options.sha256 ?? options.sha1;
  if (origin?.url === url && checkable && size <= (options.bytes ?? BYTES_MAX)) return size;
  await discard(part);
  return 0;
}

/**
 * @param {string} part
 * @returns {Promise<{ url: string, validator?: string } | undefined>}
 */
async function readOrigin(part) {
  try {
    return JSON.parse(await readFile(`${part}.json`, 'utf8'));
  } catch {
    return undefined;
  }
}
