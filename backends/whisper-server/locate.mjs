// Where the engine is. Setup and the gateway ask here, so both mean the same program.
import { join, resolve } from 'node:path';
import { findProgram } from '../command.mjs';

/** @param {string} root the repository */
export const builtEngine = (root) => join(root, 'build', 'whisper-server', 'whisper-server');

/**
 * WHISPER_SERVER_BIN, else `whisper-server` on the PATH, else our own build.
 * @param {string} root the repository
 * @param {NodeJS.ProcessEnv} environment
 * @returns {{ path: string, origin: 'WHISPER_SERVER_BIN' | 'PATH' | 'build' } | undefined}
 */
export function locateEngine(root, environment) {
  if (environment.WHISPER_SERVER_BIN) {
    const path = findProgram(environment.WHISPER_SERVER_BIN, environment);
    return path === undefined ? undefined : { path: resolve(path), origin: 'WHISPER_SERVER_BIN' };
  }
  const onPath = findProgram('whisper-server', environment);
  if (onPath) return { path: onPath, origin: 'PATH' };
  const built = findProgram(builtEngine(root), environment);
  return built === undefined ? undefined : { path: built, origin: 'build' };
}
