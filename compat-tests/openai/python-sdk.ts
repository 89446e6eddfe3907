// The Python that runs the vendors' Python SDKs: a virtual environment of its own, made on the first run.
import { execFile } from 'node:child_process';
import { copyFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../gateway.ts';

const run = promisify(execFile);
const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');
const ENVIRONMENT = join(ROOT, 'build/compat-python');
/** Written last, so that an installation cut short is made again. */
const INSTALLED = join(ENVIRONMENT, 'requirements.txt');
const PYTHON = join(ENVIRONMENT, 'bin/python');

/** The interpreter's path, or the reason why this machine has none. A failing installation throws: that is no reason to skip. */
export async function preparePython(): Promise<{ python: string } | { missing: string }> {
  const [wanted, installed] = await Promise.all(
    [REQUIREMENTS, INSTALLED].map((path) => readFile(path, 'utf8').catch(() => undefined)),
  );
  if (installed === wanted) return { python: PYTHON };
  try {
    await run('python3', ['-c', 'import sys, venv, ensurepip; assert sys.version_info >= (3, 10)']);
  } catch {
    return { missing: 'python3 (3.10 or later) with venv and pip is not on this machine' };
  }
  await rm(ENVIRONMENT, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', ENVIRONMENT]);
  await run(PYTHON, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS]);
  await copyFile(REQUIREMENTS, INSTALLED);
  return { python: PYTHON };
}
