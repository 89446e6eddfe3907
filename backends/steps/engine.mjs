// The program that runs models: one that is there already, else our own build, which is renewed when the machine changed.
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { arch, cpus } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { buildEngine, ENGINE_VERSION } from '../whisper-server/build.mjs';
import { builtEngine, locateEngine } from '../whisper-server/locate.mjs';
import { buildFolder, downloadStep, explain } from './context.mjs';
import { findCudaCompiler, gpuMemoryMb, gpuModels, isCpuAsked } from './graphics.mjs';
import { ensurePrograms } from './programs.mjs';
import { SetupError } from './terminal.mjs';

/**
 * @typedef {import('./context.mjs').Context} Context
 * @typedef {'cuda' | 'cpu'} Flavour
 * @typedef {{ version: string, flavour: Flavour, machine: string }} Stamp what was built, and for which processor and GPUs
 */

/**
 * @param {Context} context
 * @returns {Promise<'gpu' | 'cpu'>} what models will run on
 */
export async function ensureEngine(context) {
  const { root, environment, terminal } = context;
  const engine = locateEngine(root, environment);
  if (environment.WHISPER_SERVER_BIN && !engine) {
    throw new SetupError(
      `WHISPER_SERVER_BIN=${environment.WHISPER_SERVER_BIN} is no program that can be run. Correct it, or use our own build: env -u WHISPER_SERVER_BIN npm ${context.mode}`,
    );
  }
  if (engine && engine.origin !== 'build') {
    terminal.done(`engine: ${engine.path} (from ${engine.origin === 'PATH' ? 'the PATH' : engine.origin})`);
    return (await gpuMemoryMb(environment)).length > 0 ? 'gpu' : 'cpu';
  }
  const flavour = await ensureBuild(context, engine ? await readStamp(root) : undefined);
  terminal.done(`engine: whisper.cpp ${ENGINE_VERSION} for ${flavour === 'cuda' ? 'NVIDIA GPUs (CUDA)' : 'the CPU'}`);
  return flavour === 'cuda' && !isCpuAsked(environment) ? 'gpu' : 'cpu';
}

/**
 * @param {Context} context
 * @param {Stamp | undefined} stamp
 * @returns {Promise<Flavour>}
 */
async function ensureBuild(context, stamp) {
  const isCurrent = stamp?.version === ENGINE_VERSION && stamp.machine === (await describeMachine(stamp.flavour));
  // A CUDA build serves the CPU too, and asking the driver for its GPUs may take a second.
  if (isCurrent && stamp.flavour === 'cuda') return 'cuda';
  const cudaCompiler = await findUsefulCudaCompiler(context);
  const flavour = cudaCompiler ? 'cuda' : 'cpu';
  if (!isCurrent || stamp.flavour !== flavour) await build(context, cudaCompiler);
  return flavour;
}

/**
 * @param {Context} context
 * @returns {Promise<string | undefined>} nvcc, where there is a GPU to compile for
 */
async function findUsefulCudaCompiler({ environment, terminal }) {
  if ((await gpuMemoryMb(environment)).length === 0) return undefined;
  const compiler = findCudaCompiler(environment);
  if (!compiler) {
    terminal.warn(
      'THIS MACHINE HAS AN NVIDIA GPU BUT NO CUDA COMPILER (nvcc): THE ENGINE RUNS ON THE CPU, MANY TIMES SLOWER.',
    );
    terminal.warn(
      'Install the CUDA toolkit (https://developer.nvidia.com/cuda-downloads) and start again. DEVICES=cpu silences this.',
    );
  }
  return compiler;
}

/**
 * @param {Context} context
 * @param {string | undefined} cudaCompiler
 */
async function build(context, cudaCompiler) {
  const { root, environment, terminal, keepLock } = context;
  /** @type {Flavour} */
  const flavour = cudaCompiler ? 'cuda' : 'cpu';
  const stamp = { version: ENGINE_VERSION, flavour, machine: await describeMachine(flavour) };
  await ensurePrograms(context, ['tar', 'c++', 'make', 'cmake']);
  terminal.note(
    cudaCompiler
      ? `building whisper.cpp ${ENGINE_VERSION} WITH CUDA (${cudaCompiler}); this takes up to 20 minutes, once`
      : `building whisper.cpp ${ENGINE_VERSION} FOR THE CPU; this takes a minute or two, once`,
  );
  const output = builtEngine(root);
  const folder = join(buildFolder(context), 'whisper-server');
  await rm(stampPath(root), { force: true });
  let bar = /** @type {import('./terminal.mjs').Bar | undefined} */ (undefined);
  try {
    await buildEngine({
      folder,
      output,
      cudaCompiler,
      portable: false,
      machine: stamp.machine,
      environment,
      onSpawn: keepLock,
      fetchSource: (options) => downloadStep(context, 'engine source', options),
      warn: terminal.warn,
      onProgress(fraction) {
        bar ??= terminal.bar('building the engine');
        bar.update({ fraction });
      },
    });
  } catch (error) {
    const log = relative(root, join(folder, 'build.log'));
    const otherwise = cudaCompiler ? ` Or run it on the CPU: DEVICES=cpu npm ${context.mode}` : '';
    throw explain(
      context,
      error,
      `The engine could not be built (${log} has it all). When that is mended: npm ${context.mode}.${otherwise}`,
    );
  } finally {
    bar?.end();
  }
  await writeStamp(root, stamp);
}

/** @param {Flavour} flavour */
async function describeMachine(flavour) {
  // Native instructions may not run on another processor, nor CUDA code on another kind of GPU.
  return [arch(), cpus()[0]?.model ?? '', ...(flavour === 'cuda' ? await gpuModels() : [])].join(' / ');
}

/** @param {string} root */
const stampPath = (root) => join(dirname(builtEngine(root)), 'stamp.json');

/**
 * @param {string} root
 * @returns {Promise<Stamp | undefined>}
 */
async function readStamp(root) {
  try {
    return JSON.parse(await readFile(stampPath(root), 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * @param {string} root
 * @param {Stamp} stamp
 */
async function writeStamp(root, stamp) {
  const path = stampPath(root);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, JSON.stringify(stamp));
  await rename(`${path}.new`, path);
}
