// One holder at a time across processes, by a file beside what it guards. A holder that died is noticed at once on the same
// host (its process, and every process group it named, is gone); anywhere else by a heartbeat that stopped.
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';

const HEARTBEAT_MS = 5_000;
/** Watched by the waiter itself, so that a clock that differs or a laptop that slept steals nothing. */
const SILENCE_MAX_MS = 60_000;
const POLL_MS = 300;

/**
 * @typedef {{ host: string, processId: number, processGroups: number[], token: string }} Holder
 * @typedef {{ keep(processGroup: number): void }} Lock
 */

/** Locks held here: our own process id in a file proves nothing after a container restarted. */
const heldTokens = new Set();

/**
 * Runs `task` while holding the lock. `keep` names a group that must also be gone before another may take over.
 * @template T
 * @param {string} path
 * @param {{ signal?: AbortSignal | undefined, onWait?: ((holder: Holder | undefined) => void) | undefined }} options
 * @param {(lock: Lock) => Promise<T>} task
 * @returns {Promise<T>}
 */
export async function withLock(path, { signal, onWait }, task) {
  /** @type {Holder} */
  const holder = { host: hostname(), processId: process.pid, processGroups: [], token: randomUUID() };
  await mkdir(dirname(path), { recursive: true });
  heldTokens.add(holder.token);
  try {
    await acquire(path, holder, signal, onWait);
    const heartbeat = setInterval(() => utimes(path, new Date(), new Date()).catch(() => {}), HEARTBEAT_MS);
    heartbeat.unref();
    try {
      return await task({
        keep(processGroup) {
          holder.processGroups.push(processGroup);
          // At once: the group lives already, and we may be killed any moment.
          writeFileSync(path, JSON.stringify(holder));
        },
      });
    } finally {
      clearInterval(heartbeat);
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
function isGone({ host, processId, processGroups, token }) {
  if (host !== hostname()) return false;
  const isOursNoMore = processId === process.pid && !heldTokens.has(token);
  return (isOursNoMore || !isAlive(processId)) && !processGroups.some((group) => isAlive(-group));
}

/** @param {number} processId negative for a group @returns {boolean} */
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
    return Array.isArray(holder?.processGroups) ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
