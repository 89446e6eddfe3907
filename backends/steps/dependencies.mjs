// npm packages, as the package-lock.json in the context's root says.
import { existsSync, realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { CommandError, findProgram } from '../command.mjs';
import { explain, runStep } from './context.mjs';
import { findMissing, installPrograms } from './programs.mjs';
import { SetupError } from './terminal.mjs';

/** What compiles a native package where no prebuilt one can be had. */
const COMPILERS = /** @type {const} */ (['python3', 'make', 'c++']);

/**
 * @typedef {import('./context.mjs').Context} Context
 * @typedef {Record<string, { version?: string, optional?: boolean, dev?: boolean, devOptional?: boolean }>} LockedPackages
 */

/**
 * @param {Context} context
 * @param {string} [label]
 */
export async function ensureDependencies(context, label = 'dependencies') {
  if (!(await areInstalled(context))) {
    await install(context, label);
    if (!(await areInstalled(context))) {
      throw new SetupError('npm left packages out. Install scripts must be allowed: npm ci --ignore-scripts=false');
    }
  }
  context.terminal.done(label);
}

/**
 * npm writes the lock file inside node_modules last, so its absence means an interrupted run. Versions are compared, not
 * times: a checkout touches files.
 * @param {Context} context
 */
async function areInstalled({ root, mode }) {
  const wanted = await readPackages(join(root, 'package-lock.json'));
  const installed = await readPackages(join(root, 'node_modules', '.package-lock.json')).catch(() => undefined);
  if (!installed) return false;
  // Put there by an install script, so the package alone does not prove it.
  if (wanted['node_modules/node'] && !existsSync(join(root, 'node_modules', '.bin', 'node'))) return false;
  return Object.entries(wanted).every(([path, { version, optional, dev, devOptional }]) => {
    // A container image holds no development packages; starting needs none.
    const isNeeded = path !== '' && !optional && !devOptional && !(dev && mode === 'start');
    return !isNeeded || (installed[path]?.version === version && existsSync(join(root, path, 'package.json')));
  });
}

/**
 * @param {string} path
 * @returns {Promise<LockedPackages>}
 */
async function readPackages(path) {
  return JSON.parse(await readFile(path, 'utf8')).packages;
}

/**
 * @param {Context} context
 * @param {string} label
 */
async function install(context, label) {
  const environment = npmEnvironment(context);
  if (!findProgram('npm', environment)) {
    throw new SetupError(
      'npm is not on the PATH. Install Node.js with npm (https://nodejs.org/en/download), then run this again.',
    );
  }
  const attempt = () => runStep(context, `${label}: npm ci`, 'npm', ['ci', '--loglevel=error'], { environment });
  const sentence = `The npm packages could not be installed (see above). When that is mended: npm ci --prefix ${context.root}`;
  try {
    await attempt();
  } catch (error) {
    const mustCompile = error instanceof CommandError && error.said.some((line) => line.includes('gyp'));
    const missing = mustCompile ? findMissing(COMPILERS, context.environment) : [];
    if (missing.length === 0) throw explain(context, error, sentence);
    context.terminal.note(`a package must be compiled, and ${missing.join(', ')} is missing`);
    await installPrograms(context, missing);
    await attempt().catch((again) => {
      throw explain(context, again, sentence);
    });
  }
}

/**
 * The system's own Node and npm: the packages being replaced are no place to run from. Where the headers of that Node are
 * installed beside it, native packages need not download them.
 * @param {Context} context
 */
function npmEnvironment({ environment }) {
  const folders = (environment.PATH ?? '').split(delimiter);
  const systemFolders = folders.filter((folder) => !folder.endsWith(join('node_modules', '.bin')));
  const systemEnvironment = { ...environment, PATH: systemFolders.join(delimiter) };
  const node = findProgram('node', systemEnvironment);
  const prefix = node && dirname(dirname(realpathSync(node)));
  if (!prefix || environment.npm_config_nodedir || !existsSync(join(prefix, 'include', 'node', 'node.h'))) {
    return systemEnvironment;
  }
  return { ...systemEnvironment, npm_config_nodedir: prefix };
}
