// A file that the server can do without: asked for once, and not again for a day when it cannot be had.
import { basename, join } from 'node:path';
import { sizeOf } from '../download/file.mjs';
import { buildFolder, downloadStep } from './context.mjs';
import { readUnavailable, rememberUnavailable } from './unavailable.mjs';

/** Short, because nobody should wait for it. */
const STALL_TIMEOUT_MS = 30_000;

/**
 * @typedef {object} OptionalFile
 * @property {string} label
 * @property {string} path in the build folder
 * @property {number} bytes
 * @property {string} sha256
 * @property {import('../download.mjs').Source[]} sources
 * @property {string} without what is so without it
 */

/**
 * @param {import('./context.mjs').Context} context
 * @param {OptionalFile} file
 */
export async function ensureOptionalFile(context, { label, path, bytes, sha256, sources, without }) {
  const target = join(buildFolder(context), path);
  const name = basename(path);
  const memory = join(buildFolder(context), 'unavailable.json');
  if ((await sizeOf(target)) === bytes) return context.terminal.done(label);
  // An image is built to take these along, so there they are asked for.
  if (context.mode !== 'image' && (await readUnavailable(memory))[name]) {
    return context.terminal.warn(
      `${without}: ${name} could not be downloaded. It is tried again in a day, or with: node backends/setup.mjs image`,
    );
  }
  try {
    await downloadStep(context, label, { target, bytes, sha256, sources, stallTimeoutMs: STALL_TIMEOUT_MS });
    context.terminal.done(label);
  } catch (error) {
    await rememberUnavailable(memory, [name]);
    context.terminal.warn(`${without}: ${error instanceof Error ? error.message : error}`);
  }
}
