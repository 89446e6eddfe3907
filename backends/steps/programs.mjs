// Programs that come from the operating system: found, installed where that needs no password, or asked for.
import { readFile } from 'node:fs/promises';
import { findProgram, run } from '../command.mjs';
import { explain, runStep } from './context.mjs';
import { SetupError } from './terminal.mjs';

/**
 * @typedef {import('./context.mjs').Context} Context
 * @typedef {'ffmpeg' | 'c++' | 'make' | 'cmake' | 'python3' | 'tar'} Program
 * @typedef {{ program: string, install: string, packages?: Partial<Record<Program, string>> }} PackageManager
 */

/** The first one found is the machine's. A program whose package has its own name needs no entry. */
/** @type {PackageManager[]} */
const PACKAGE_MANAGERS = [
  {
    program: 'apt-get',
    install: 'sudo apt-get update && sudo apt-get install -y',
    packages: { 'c++': 'g++' },
  },
  {
    program: 'dnf',
    install: 'sudo dnf install -y',
    packages: { ffmpeg: 'ffmpeg-free', 'c++': 'gcc-c++' },
  },
  {
    program: 'pacman',
    install: 'sudo pacman -S --needed',
    packages: { 'c++': 'gcc', python3: 'python' },
  },
  { program: 'zypper', install: 'sudo zypper install -y', packages: { 'c++': 'gcc-c++' } },
  { program: 'apk', install: 'sudo apk add', packages: { 'c++': 'build-base' } },
  { program: 'brew', install: 'brew install', packages: { 'c++': 'gcc', python3: 'python' } },
];

/** Another apt at work (a fresh cloud machine updates itself) is waited for. */
const APT_LOCK_SECONDS = 300;

/**
 * @param {readonly Program[]} programs
 * @param {NodeJS.ProcessEnv} environment
 */
export function findMissing(programs, environment) {
  return programs.filter((program) => !findProgram(program, environment));
}

/** @param {Context} context */
export async function ensureFfmpeg(context) {
  const { environment, mode, terminal } = context;
  if (!environment.FFMPEG_BIN) await ensurePrograms(context, ['ffmpeg']);
  else if (!findProgram(environment.FFMPEG_BIN, environment)) {
    throw new SetupError(
      `FFMPEG_BIN=${environment.FFMPEG_BIN} is no program that can be run. Correct it, or use the system's: env -u FFMPEG_BIN npm ${mode}`,
    );
  }
  terminal.done('ffmpeg');
}

/**
 * @param {Context} context
 * @param {readonly Program[]} programs
 */
export async function ensurePrograms(context, programs) {
  const missing = findMissing(programs, context.environment);
  if (missing.length > 0) await installPrograms(context, missing);
}

/**
 * @param {Context} context
 * @param {readonly Program[]} missing
 */
export async function installPrograms(context, missing) {
  const { environment } = context;
  const manager = PACKAGE_MANAGERS.find(({ program }) => findProgram(program, environment));
  const packages = [...new Set(missing.map((program) => manager?.packages?.[program] ?? program))];
  const names = missing.join(' and ');
  const isAre = missing.length === 1 ? 'is' : 'are';
  if (!manager)
    throw new SetupError(`${names} ${isAre} missing. Install ${packages.join(' ')} with your package manager.`);
  const command = `${manager.install} ${packages.join(' ')}`;
  if (manager.program !== 'apt-get' || process.getuid?.() !== 0 || !(await isDebian())) {
    throw new SetupError(`${names} ${isAre} missing. Run: ${command}`);
  }
  try {
    await installWithApt(context, packages);
  } catch (error) {
    throw explain(context, error, `${names} could not be installed (see above). Run: ${command}`);
  }
  const still = findMissing(missing, environment);
  if (still.length > 0) throw new SetupError(`${still.join(' and ')} ${isAre} still missing. Run: ${command}`);
}

/**
 * @param {Context} context
 * @param {string[]} packages
 */
async function installWithApt(context, packages) {
  const environment = { ...context.environment, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', `DPkg::Lock::Timeout=${APT_LOCK_SECONDS}`];
  // An install that was cut short leaves packages half configured, and apt then refuses everything.
  await run('dpkg', ['--configure', '-a'], { env: environment, onSpawn: context.keepLock }).catch(() => {});
  // A list that cannot be refreshed may still do.
  await runStep(context, 'apt-get update', 'apt-get', [...wait, 'update'], { environment }).catch(() => {});
  const install = [...wait, 'install', '-y', '--no-install-recommends', ...packages];
  await runStep(context, `apt-get install ${packages.join(' ')}`, 'apt-get', install, { environment });
}

async function isDebian() {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(release);
}
