// Runs other programs for setup: finds them, drains their output, keeps some of it for error messages.
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, sep } from 'node:path';
import { createInterface } from 'node:readline';

/** Some programs say what went wrong first, others last. */
const HEAD_LINES = 8;
const TAIL_LINES = 20;

/** Process groups to end with us. A group each, because a program's own children must end with it: npm's would go on writing. */
const groups = new Set();

export class CommandError extends Error {
  /**
   * @param {string} message
   * @param {string[]} said the first and last lines that the program printed
   */
  constructor(message, said) {
    super(message);
    this.said = said;
  }
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {{
 *   cwd?: string,
 *   env?: NodeJS.ProcessEnv,
 *   signal?: AbortSignal | undefined,
 *   outputTo?: number,
 *   onLine?: (line: string) => void,
 *   onSpawn?: (processGroup: number) => void,
 * }} [options] `outputTo`: a file descriptor for stdout, instead of reading it as lines
 * @returns {Promise<string[]>} the first and last lines printed
 */
export function run(program, args, { cwd, env, signal, outputTo, onLine, onSpawn } = {}) {
  return new Promise((resolve, reject) => {
    /** @type {string[]} */
    const said = [];
    const stdio = /** @type {import('node:child_process').StdioOptions} */ (['ignore', outputTo ?? 'pipe', 'pipe']);
    const child = spawn(program, args, { cwd, env, stdio, detached: true });
    const group = child.pid;
    if (group) {
      groups.add(group);
      onSpawn?.(group);
    }
    const onAbort = () => stopGroup(group);
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const settle = () => {
      groups.delete(group);
      signal?.removeEventListener('abort', onAbort);
    };
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on('line', (line) => {
        if (line.trim() !== '') said.push(line);
        if (said.length > HEAD_LINES + TAIL_LINES) said.splice(HEAD_LINES, 1);
        onLine?.(line);
      });
    }
    child.once('error', (error) => {
      settle();
      reject(signal?.aborted ? signal.reason : new CommandError(`${program}: ${error.message}`, said));
    });
    child.once('close', (code, signalName) => {
      settle();
      if (signal?.aborted) reject(signal.reason);
      else if (code === 0) resolve(said);
      else reject(new CommandError(`${program} ended with ${code === null ? signalName : `exit code ${code}`}`, said));
    });
  });
}

export function stopRunning() {
  for (const group of groups) stopGroup(group);
}

/** @param {number | undefined} group */
function stopGroup(group) {
  try {
    if (group) process.kill(-group, 'SIGTERM');
  } catch {
    // It ended meanwhile.
  }
}

/**
 * @param {string} program a name to look up on the PATH, or a path
 * @param {NodeJS.ProcessEnv} environment
 * @returns {string | undefined} the path of the program, if it can be run
 */
export function findProgram(program, environment) {
  if (isAbsolute(program) || program.includes(sep)) return isRunnable(program) ? program : undefined;
  const folders = (environment.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, program)).find(isRunnable);
}

/** @param {string} path */
function isRunnable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
