// What could not be had is not asked for again for a day, so that a start without a network is quick.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

const UNAVAILABLE_MS = 24 * 60 * 60_000;

/**
 * @param {string} path where it is remembered
 * @returns {Promise<Record<string, number>>} name → when it could not be had, less than a day ago
 */
export async function readUnavailable(path) {
  try {
    /** @type {Record<string, number>} */
    const remembered = JSON.parse(await readFile(path, 'utf8'));
    return Object.fromEntries(Object.entries(remembered).filter(([, atMs]) => Date.now() - atMs < UNAVAILABLE_MS));
  } catch {
    return {};
  }
}

/**
 * @param {string} path
 * @param {Iterable<string>} names
 */
export async function rememberUnavailable(path, names) {
  const now = Object.fromEntries([...names].map((name) => [name, Date.now()]));
  if (Object.keys(now).length === 0) return;
  const before = await readUnavailable(path);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, JSON.stringify({ ...before, ...now }));
  await rename(`${path}.new`, path);
}
