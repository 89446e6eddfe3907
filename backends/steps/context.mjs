// What every step of setup gets.
import { join } from 'node:path';
import { CommandError, run } from '../command.mjs';
import { download } from '../download.mjs';
import { megabytes, SetupError } from './terminal.mjs';

/**
 * @typedef {object} Context
 * @property {string} root the repository
 * @property {'start' | 'test' | 'check' | 'bench' | 'image'} mode
 * @property {NodeJS.ProcessEnv} environment
 * @property {import('./terminal.mjs').Terminal} terminal
 * @property {(processGroup: number) => void} keepLock names a process group that must be gone before another setup may begin
 */

/**
 * Runs a program behind a bar that counts the seconds.
 * @param {Context} context
 * @param {string} label
 * @param {string} program
 * @param {string[]} args
 * @param {{ environment?: NodeJS.ProcessEnv }} [options]
 */
export async function runStep({ root, environment, terminal, keepLock }, label, program, args, options = {}) {
  const bar = terminal.bar(label);
  try {
    return await run(program, args, { cwd: root, env: options.environment ?? environment, onSpawn: keepLock });
  } finally {
    bar.end();
  }
}

/**
 * Downloads behind a progress bar.
 * @param {Context} context
 * @param {string} label
 * @param {import('../download.mjs').DownloadOptions} options
 */
export async function downloadStep({ terminal }, label, options) {
  const bar = terminal.bar(label);
  try {
    return await download({
      ...options,
      onProgress({ receivedBytes, totalBytes, source }) {
        const from = source.startsWith('http') ? new URL(source).host : source;
        const detail = `${megabytes(receivedBytes)}${totalBytes ? ` of ${megabytes(totalBytes)}` : ''} from ${from}`;
        bar.update({ fraction: totalBytes ? receivedBytes / totalBytes : undefined, detail, receivedBytes });
      },
    });
  } finally {
    bar.end();
  }
}

/**
 * Shows what went wrong, then gives the sentence that says what to do.
 * @param {Context} context
 * @param {unknown} error
 * @param {string} sentence
 */
export function explain({ terminal }, error, sentence) {
  const lines = error instanceof CommandError ? [...error.said, error.message] : [String(error)];
  for (const line of lines) terminal.note(line);
  return new SetupError(sentence);
}

/** @param {Context} context */
export const buildFolder = ({ root }) => join(root, 'build');
