// One holder at a time across processes, by a file beside what it guards. A holder that died is noticed at once on the same
// host (its process, and every child it named, is gone); anywhere else by a heartbeat that stopped.
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';

const HEARTBEAT_MS = 5_000;
/** Watched by the waiter itself, so that a clock that differs or a laptop that slept steals nothing. */
const SILENCE_MAX_MS = 60_000;
const POLL_MS = 300;

/**
 * @typedef {{ host: string, processIds: number[], token: string }} Holder
 * @typedef {{ keep(processId: number): void }} Lock
 */

/** Locks held here: our own process id in a file proves nothing after a container restarted. */
const heldTokens = new Set();

/**
 * Runs `task` while holding the lock. `keep` names a child that must also be gone before another may take over.
 * @template T
 * @param {string} path
 * @param {{ signal?: AbortSignal | undefined, onWait?: ((holder: Holder | undefined) => void) | undefined }} options
 * @param {(lock: Lock) => Promise<T>} task
 * @returns {Promise<T>}
 */
export async function withLock(path, { signal, onWait }, task) {
  /** @type {Holder} */
  const holder = { host: hostname(), processIds: [process.pid], token: randomUUID() };
  await mkdir(dirname(path), { recursive: true });
  heldTokens.add(holder.token);
  try {
    await acquire(path, holder, signal, onWait);
    const heartbeat = setInterval(() => utimes(path, new Date(), new Date()).catch(() => {}), HEARTBEAT_MS);
    heartbeat.unref();
    let written = Promise.resolve();
    try {
      return await task({
        keep(processId) {
          holder.processIds.push(processId);
          const content = JSON.stringify(holder);
          written = written.then(() => writeFile(path, content)).catch(() => {});
        },
      });
    } finally {
      clearInterval(heartbeat);
      await written;
      if ((await readHolder(path))?.token === holder.token) await rm(path, { force: true });
    }
  } finally {
    heldTokens.delete(holder.token);
  }
}

/**
 * @param {string} path
 * @param {Holder} holder
 * @param {AbortSignal | undefined} signal
 * @param {((holder: Holder | undefined) => void) | undefined} onWait
 */
async function acquire(path, holder, signal, onWait) {
  let heartbeatMs = 0;
  let seenAtMs = performance.now();
  for (;;) {
    signal?.throwIfAborted();
    try {
      await writeFile(path, JSON.stringify(holder), { flag: 'wx' });
      return;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const other = await readHolder(path);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: heartbeatMs }));
    if (mtimeMs !== heartbeatMs) {
      heartbeatMs = mtimeMs;
      seenAtMs = performance.now();
    }
    const silent = performance.now() - seenAtMs > SILENCE_MAX_MS;
    if (silent || (other && isGone(other))) {
      await takeAway(path, other);
      continue;
    }
    onWait?.(other);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Renamed first: of two waiters only one gets the file, and it can see whether it took the dead one's or a newer one.
 * @param {string} path
 * @param {Holder | undefined} dead
 */
async function takeAway(path, dead) {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const taken = await readHolder(aside);
  if (taken && taken.token !== dead?.token) {
    await writeFile(path, JSON.stringify(taken), { flag: 'wx' }).catch(() => {});
  }
  await rm(aside, { force: true });
}

/** @param {Holder} holder */
function isGone(holder) {
  if (holder.host !== hostname()) return false;
  return holder.processIds.every((processId) =>
    processId === process.pid ? !heldTokens.has(holder.token) : !isAlive(processId),
  );
}

/** @param {number} processId */
function isAlive(processId) {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * @param {string} path
 * @returns {Promise<Holder | undefined>} undefined also while another process is writing it
 */
async function readHolder(path) {
  try {
    const holder = JSON.parse(await readFile(path, 'utf8'));
    return Array.isArray(holder?.processIds) ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
