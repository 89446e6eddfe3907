// Obtains whisper.cpp's source at one version and builds its server from it. Setup calls `buildEngine`; the container
// images run this file: node backends/whisper-server/build.mjs --output FILE [--cuda] [--portable] [--architectures LIST]
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CommandError, findProgram, run } from '../command.mjs';
import { download } from '../download.mjs';

export const ENGINE_VERSION = '1.9.1';

const AUTHORS_ARCHIVE = `https://github.com/ggml-org/whisper.cpp/archive/refs/tags/v${ENGINE_VERSION}.tar.gz`;

/**
 * The pinned copy first: the authors publish no checksum, and their archive may be packed anew at any time.
 * @type {import('../download.mjs').Source[]}
 */
const SOURCES = [
  {
    npmPackage: 'nodejs-whisper@0.3.1',
    tarballSha256: '92041caf2b26c74b7f489fedf37bd093f216eebd61df512045ec2d19d0531d37',
  },
  { url: AUTHORS_ARCHIVE },
];
/** Where the source lies in either. */
const FOLDERS = ['package/cpp/whisper.cpp', `whisper.cpp-${ENGINE_VERSION}`];

const VERSION_LINE = `project("whisper.cpp" VERSION ${ENGINE_VERSION})`;

/** One compiler of CUDA templates takes about this much. */
const JOB_BYTES = 2 * 1024 ** 3;

/**
 * @typedef {object} BuildOptions
 * @property {string} folder where source, objects and log are kept, so that an interrupted build goes on
 * @property {string} output path of the finished program; appears whole or not at all
 * @property {string | undefined} cudaCompiler path of nvcc; without it the engine runs on the CPU
 * @property {boolean} portable for machines other than this one
 * @property {string} machine what the objects are for; those of another machine are not gone on with
 * @property {string | undefined} [architectures] CUDA architectures; those of this machine's GPUs when not given
 * @property {NodeJS.ProcessEnv} environment
 * @property {((options: import('../download.mjs').DownloadOptions) => Promise<{ source: string }>) | undefined} [fetchSource]
 * @property {(sentence: string) => void} warn
 * @property {(fraction: number) => void} [onProgress]
 * @property {(processGroup: number) => void} [onSpawn]
 */

/** @param {BuildOptions} options */
export async function buildEngine(options) {
  const source = await obtainSource(options);
  await mkdir(options.folder, { recursive: true });
  const log = createWriteStream(join(options.folder, 'build.log'));
  try {
    const program = await compile(source, options, log);
    await install(program, options);
    await removeObjects(options.folder);
  } finally {
    log.end();
  }
}

/**
 * @param {BuildOptions} options
 * @returns {Promise<string>} the folder of the unpacked source
 */
async function obtainSource({ folder, fetchSource = download, warn, environment, onSpawn }) {
  const source = join(folder, `source-${ENGINE_VERSION}`);
  if (await isSource(source)) return source;
  const archive = join(folder, `source-${ENGINE_VERSION}.tar.gz`);
  const { source: origin } = await fetchSource({ target: archive, sources: SOURCES, verify: verifyArchive });
  if (origin === AUTHORS_ARCHIVE) {
    warn(
      `The engine's source comes from ${new URL(origin).host} and is not pinned by a checksum: only its version is checked. The pinned copy could not be had.`,
    );
  }
  const unpacked = `${source}.unpacking`;
  await rm(unpacked, { recursive: true, force: true });
  await mkdir(unpacked);
  await run('tar', ['-xzf', archive, '-C', unpacked], { env: environment, ...(onSpawn && { onSpawn }) });
  await rm(source, { recursive: true, force: true });
  for (const inner of FOLDERS) await rename(join(unpacked, inner), source).catch(() => {});
  await rm(unpacked, { recursive: true, force: true });
  await rm(archive);
  return source;
}

/** @param {string} archive */
async function verifyArchive(archive) {
  let isPinned = false;
  for (const inner of FOLDERS) {
    const onLine = (/** @type {string} */ line) => {
      isPinned ||= line.includes(VERSION_LINE);
    };
    await run('tar', ['-xzOf', archive, `${inner}/CMakeLists.txt`], { onLine }).catch(() => {});
  }
  if (!isPinned) throw new Error(`the archive does not hold whisper.cpp ${ENGINE_VERSION}`);
}

/** @param {string} folder */
async function isSource(folder) {
  const text = await readFile(join(folder, 'CMakeLists.txt'), 'utf8').catch(() => '');
  return text.includes(VERSION_LINE);
}

/**
 * An interrupted build goes on where it was. When that fails, a file that was being written then may be at fault: once more, from nothing.
 * @param {string} source
 * @param {BuildOptions} options
 * @param {import('node:stream').Writable} log
 */
async function compile(source, options, log) {
  const purpose = createHash('sha256').update(`${options.cudaCompiler}\n${options.machine}`).digest('hex').slice(0, 8);
  const objects = join(options.folder, `objects-${purpose}`);
  const isFresh = !existsSync(objects);
  try {
    return await make(source, objects, options, log);
  } catch (error) {
    if (isFresh) throw error;
    await rm(objects, { recursive: true, force: true });
    return make(source, objects, options, log);
  }
}

/**
 * @param {string} source
 * @param {string} objects
 * @param {BuildOptions} options
 * @param {import('node:stream').Writable} log
 * @returns {Promise<string>} path of the program
 */
async function make(source, objects, { cudaCompiler, portable, architectures, environment, onProgress, onSpawn }, log) {
  const definitions = [
    'CMAKE_BUILD_TYPE=Release',
    // One file to install, whatever the folder.
    'BUILD_SHARED_LIBS=OFF',
    'WHISPER_BUILD_TESTS=OFF',
    'GGML_CCACHE=OFF',
    `GGML_NATIVE=${portable ? 'OFF' : 'ON'}`,
    // NCCL joins GPUs; an engine has one, and should not need that library where it happens to be installed.
    ...(cudaCompiler ? ['GGML_CUDA=ON', `CMAKE_CUDA_COMPILER=${cudaCompiler}`, 'GGML_CUDA_NCCL=OFF'] : []),
    ...(cudaCompiler && architectures ? [`CMAKE_CUDA_ARCHITECTURES=${architectures}`] : []),
  ];
  const onLine = (/** @type {string} */ line) => {
    log.write(`${line}\n`);
    const percent = /^\[ *(\d+)%\]/.exec(line)?.[1];
    if (percent) onProgress?.(Number(percent) / 100);
  };
  const settings = { env: environment, onLine, ...(onSpawn && { onSpawn }) };
  const flags = definitions.map((definition) => `-D${definition}`);
  await run('cmake', ['-S', source, '-B', objects, '-G', 'Unix Makefiles', ...flags], settings);
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / JOB_BYTES)));
  await run('cmake', ['--build', objects, '--target', 'whisper-server', '--parallel', String(jobs)], settings);
  const program = join(objects, 'bin', 'whisper-server');
  // A linker that was killed leaves a file that looks built. An image is built where there is no driver to load.
  if (!portable) await run(program, ['--help'], { env: environment });
  return program;
}

/**
 * @param {string} program
 * @param {BuildOptions} options
 */
async function install(program, { output, environment }) {
  await mkdir(dirname(output), { recursive: true });
  const staged = `${output}.new`;
  await copyFile(program, staged);
  if (findProgram('strip', environment)) await run('strip', [staged], { env: environment }).catch(() => {});
  await rename(staged, output);
}

/** They take more room than everything else together. @param {string} folder */
async function removeObjects(folder) {
  const names = (await readdir(folder)).filter((name) => name.startsWith('objects-'));
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

async function main() {
  const { values } = parseArgs({
    options: {
      output: { type: 'string' },
      cuda: { type: 'boolean', default: false },
      portable: { type: 'boolean', default: false },
      architectures: { type: 'string' },
    },
  });
  if (!values.output) throw new Error('--output FILE is missing');
  const cudaCompiler = values.cuda ? findProgram('nvcc', process.env) : undefined;
  if (values.cuda && !cudaCompiler) throw new Error('nvcc is not on the PATH');
  const folder = await mkdtemp(join(tmpdir(), 'whisper-server-'));
  let saidPercent = -1;
  await buildEngine({
    folder,
    output: resolve(values.output),
    cudaCompiler,
    portable: values.portable ?? false,
    machine: 'any',
    architectures: values.architectures,
    environment: process.env,
    warn: console.warn,
    onProgress(fraction) {
      const percent = Math.floor(fraction * 10) * 10;
      if (percent > saidPercent) console.log(`building whisper-server: ${percent} %`);
      saidPercent = Math.max(saidPercent, percent);
    },
  });
  await rm(folder, { recursive: true });
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    for (const line of error instanceof CommandError ? error.said : []) console.error(line);
    console.error(`whisper-server was not built: ${error.message}`);
    process.exitCode = 1;
  });
}
