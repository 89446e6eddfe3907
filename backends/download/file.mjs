// The file of a download: checked, published, thrown away. And what every kind of source shares: its errors and its patience.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CommandError } from '../command.mjs';

/** @typedef {import('../download.mjs').DownloadOptions} DownloadOptions */

/** The next source cannot help: the disk is full or may not be written. */
export class StorageError extends Error {}
export class MismatchError extends Error {}

/**
 * @param {string} path
 * @param {Pick<DownloadOptions, 'bytes' | 'sha256' | 'sha1' | 'verify'>} expected
 */
export async function check(path, { bytes, sha256, sha1, verify }) {
  const size = await sizeOf(path);
  if (bytes !== undefined && size !== bytes) throw new MismatchError(`has ${size} bytes instead of ${bytes}`);
  const hashes = { sha256: createHash('sha256'), sha1: createHash('sha1') };
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hashes.sha256.update(chunk);
    if (!sha256 && sha1) hashes.sha1.update(chunk);
  }
  const digest = hashes.sha256.digest('hex');
  if (sha256 && digest !== sha256.toLowerCase()) throw new MismatchError(`SHA-256 is ${digest} instead of ${sha256}`);
  const digestSha1 = hashes.sha1.digest('hex');
  if (!sha256 && sha1 && digestSha1 !== sha1.toLowerCase())
    throw new MismatchError(`SHA-1 is ${digestSha1} instead of ${sha1}`);
  try {
    await verify?.(path);
  } catch (error) {
    throw new MismatchError(reasonOf(error));
  }
  return { sha256: digest, bytes: size };
}

/**
 * Synced before the rename, so that a power cut leaves the old state or the whole file.
 * @param {string} path
 * @param {string} target
 */
export async function publish(path, target) {
  const file = await open(path, 'r+').catch(rethrowStorage);
  await file.sync().finally(() => file.close());
  await rename(path, target).catch(rethrowStorage);
  const folder = await open(dirname(target), 'r');
  await folder
    .sync()
    .catch(() => {})
    .finally(() => folder.close());
}

/** @param {string} part */
export async function discard(part) {
  await rm(part, { force: true });
  await rm(`${part}.json`, { force: true });
}

/** @param {string} path */
export async function sizeOf(path) {
  return (await stat(path).catch(() => ({ size: 0 }))).size;
}

/**
 * @typedef {{ signal: AbortSignal, expectWithin(timeoutMs: number, reason: string): void, stop(): void }} Watchdog
 * Aborts when the caller does, or when what is expected does not come in time.
 * @param {DownloadOptions} options
 * @returns {Watchdog}
 */
export function createWatchdog({ signal }) {
  const controller = new AbortController();
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const onAbort = () => controller.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    expectWithin(timeoutMs, reason) {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(new Error(`${reason} for ${timeoutMs / 1000} s`)), timeoutMs);
    },
    stop() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}

/**
 * @param {unknown} error
 * @returns {never}
 */
export function rethrowStorage(error) {
  throw new StorageError(`The download cannot be stored: ${reasonOf(error)}`);
}

/** @param {unknown} error */
export function reasonOf(error) {
  if (error instanceof CommandError) return error.said.slice(0, 3).join(' ') || error.message;
  if (!(error instanceof Error)) return String(error);
  // fetch says only "fetch failed"; the reason is its cause.
  const { cause } = error;
  return cause instanceof Error ? cause.message || String('code' in cause ? cause.code : cause.name) : error.message;
}
