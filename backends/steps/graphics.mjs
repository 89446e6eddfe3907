// What setup must know of NVIDIA GPUs: whether there are any, their memory, and whether CUDA code can be compiled.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram, run } from '../command.mjs';
import { systemMemoryMb } from './memory.mjs';

/**
 * Memory of each GPU in MB; none where DEVICES leaves the GPUs out.
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Promise<number[]>}
 */
export async function gpuMemoryMb(environment) {
  if (isCpuAsked(environment)) return [];
  const program = findProgram('nvidia-smi', environment) ?? findProgram('/usr/lib/wsl/lib/nvidia-smi', environment);
  if (!program) return [];
  const query = ['--query-gpu=memory.total', '--format=csv,noheader,nounits'];
  const lines = await run(program, query, { env: environment }).catch(() => []);
  // A GPU that shares the system's memory has no figure of its own.
  const figures = lines.map((line) => (line.includes('N/A') ? systemMemoryMb() : Number(line)));
  return figures.filter((memoryMb) => memoryMb > 0);
}

/** @param {NodeJS.ProcessEnv} environment */
export function isCpuAsked({ DEVICES = '' }) {
  const devices = DEVICES.split(',').filter((name) => name.trim() !== '');
  return devices.length > 0 && devices.every((name) => /^cpu\b/.test(name.trim()));
}

/** @param {NodeJS.ProcessEnv} environment */
export function findCudaCompiler(environment) {
  const folders = [environment.CUDA_HOME, environment.CUDA_PATH, '/usr/local/cuda'];
  const candidates = folders.filter((folder) => folder).map((folder) => join(String(folder), 'bin', 'nvcc'));
  return findProgram('nvcc', environment) ?? candidates.find((path) => findProgram(path, environment));
}

/** The GPUs' names as the driver's files tell them: without starting a program, and empty where there are no such files. */
export async function gpuModels() {
  const folder = '/proc/driver/nvidia/gpus';
  if (!existsSync(folder)) return [];
  const information = await Promise.all(
    (await readdir(folder)).map((name) => readFile(join(folder, name, 'information'), 'utf8').catch(() => '')),
  );
  return information.map((text) => /^Model:\s*(.*)$/m.exec(text)?.[1] ?? '').sort();
}
