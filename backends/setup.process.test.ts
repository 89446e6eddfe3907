// Runs setup as people do, in a folder of its own, on a machine made of stand-ins: the PATH holds only what a test puts there.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { arch, cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findProgram } from './command.mjs';
import { spawnForTest } from './spawn-for-test.ts';

const BORROWED = ['sh', 'tar', 'gzip', 'cat', 'cp', 'mkdir', 'sleep', 'uname'];
const WEIGHTS = Buffer.from('lmgg and then the weights');

let root: string;
let programs: string;
let server: Server;
let base: string;
/** Addresses asked for. */
let asked: string[];
/** What lies at an address; weights lie at every other. */
let files: Map<string, Buffer>;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'setup-'));
  programs = join(root, 'machine', 'bin');
  await mkdir(programs, { recursive: true });
  for (const name of BORROWED) await symlink(String(findProgram(name, process.env)), join(programs, name));
  await writeProgram('node', `exec ${process.execPath} "$@"`);
  for (const name of ['ffmpeg', 'whisper-server']) await writeProgram(name, 'exit 0');
  await writeProgram('npm', 'echo npm was asked for "$@" >> npm.log; exit 1');
  await cp(import.meta.dirname, join(root, 'backends'), { recursive: true });

  asked = [];
  files = new Map();
  server = createServer((request, response) => {
    asked.push(String(request.url));
    if (request.url?.startsWith('/missing')) response.writeHead(404).end();
    else response.end(files.get(String(request.url)) ?? WEIGHTS);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  await writeJson('package-lock.json', { packages: { '': {}, 'node_modules/a': { version: '1.0.0' } } });
  await writeInstalled();
  await writeCatalogue({ best: '/best', good: '/good', small: '/small' });
  // Spares every test the voice activity model, the page's script, the SDKs and the recording.
  await writeFileIn('build/voice/silero_vad_v6.onnx', Buffer.alloc(2_327_524));
  await writeFileIn('build/docs/scalar.js', Buffer.alloc(4_353_277));
  await writeJson('compat-tests/package-lock.json', { packages: { '': {} } });
  await writeJson('compat-tests/node_modules/.package-lock.json', { packages: {} });
  await writeFileIn('build/test-audio/jfk.wav', Buffer.alloc(352_078));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(root, { recursive: true, force: true });
});

async function writeFileIn(path: string, content: string | Buffer) {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}
const writeJson = (path: string, content: unknown) => writeFileIn(path, JSON.stringify(content));

async function writeProgram(name: string, script: string) {
  await writeFile(join(programs, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(programs, name), 0o755);
}

async function writeInstalled() {
  await writeJson('node_modules/.package-lock.json', { packages: { 'node_modules/a': { version: '1.0.0' } } });
  await writeJson('node_modules/a/package.json', {});
  await writeFileIn('node_modules/.bin/node', '');
}

/** Runs before setup does. */
const withScript = (script: string) => ({
  NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(script)}`,
});
const withMemoryMb = (memoryMb: number) => withScript(`process.constrainedMemory = () => ${memoryMb * 2 ** 20}`);

async function writeCatalogue(paths: Record<string, string>, memoryMb: Record<string, number> = {}) {
  const models = Object.fromEntries(
    Object.entries({ ...paths, huge: '/huge' }).map(([name, path]) => [
      name,
      { bytes: WEIGHTS.length, memoryMb: 1000, sources: [{ url: base + path }] },
    ]),
  );
  for (const [name, figure] of Object.entries({ huge: 50_000, ...memoryMb })) {
    Object.assign(models[name] ?? {}, { memoryMb: figure });
  }
  await writeJson('src/models/catalogue.json', {
    models,
    defaults: { gpu: ['huge', 'best', 'good'], cpu: ['good', 'small'] },
    tests: ['small', 'good'],
    aliases: { 'whisper-1': 'default', nice: 'good' },
  });
}

function setUp(mode = 'start', environment: NodeJS.ProcessEnv = {}) {
  return spawnForTest(process.execPath, ['backends/setup.mjs', mode], {
    cwd: root,
    env: { PATH: programs, HOME: root, ...environment },
  });
}

/** Runs to its end; a failure is one sentence on the last line, and no stack. */
async function expectFailure(sentence: RegExp, mode?: string, environment?: NodeJS.ProcessEnv) {
  const { code, lines } = await setUp(mode, environment).ended;
  expect(code).toBe(1);
  expect(lines.at(-1)).toMatch(sentence);
  expect(lines.join('\n')).not.toMatch(/^\s+at /m);
  return lines;
}

async function expectSuccess(mode?: string, environment?: NodeJS.ProcessEnv) {
  const { code, lines } = await setUp(mode, environment).ended;
  expect(lines.join('\n')).not.toContain('✗');
  expect(code).toBe(0);
  return lines;
}

const npmCalls = async () => (await readFile(join(root, 'npm.log'), 'utf8')).trim().split('\n').length;

const installedModels = async () =>
  (await readdir(join(root, 'models'))).filter((name) => name.endsWith('.bin')).sort();

describe('steps', () => {
  test('each says one line, and a second run does nothing again', async () => {
    await writeFileIn('models/ggml-good.bin', WEIGHTS);
    const startedAtMs = performance.now();
    const lines = await expectSuccess();
    expect(lines).toEqual([
      '✓ dependencies',
      '✓ ffmpeg',
      `✓ engine: ${join(programs, 'whisper-server')} (from the PATH)`,
      '✓ model: good',
      '✓ voice activity model',
      '✓ docs page',
    ]);
    expect(performance.now() - startedAtMs).toBeLessThan(2000);
    expect(asked).toEqual([]);
    expect(existsSync(join(root, 'npm.log'))).toBe(false);
    expect(existsSync(join(root, 'build', 'setup.lock'))).toBe(false);
  });

  test('an unknown one is refused', async () => {
    await expectFailure(/^✗ Run: node backends\/setup\.mjs start/, 'begin');
  });

  test('without the page script or the voice activity model the server may start; a day long they are not asked for', async () => {
    for (const folder of ['docs', 'voice']) await rm(join(root, 'build', folder), { recursive: true });
    const warnings = async () => (await expectSuccess()).filter((line) => line.startsWith('!'));
    const missing = 'could not be downloaded: npm package';
    expect(await warnings()).toEqual([
      expect.stringContaining(`Speech is told from silence by loudness alone: silero_vad_v6.onnx ${missing}`),
      expect.stringContaining(`/docs stays without its page: scalar.js ${missing}`),
    ]);
    const again = 'could not be downloaded. It is tried again in a day, or with: node backends/setup.mjs image';
    expect(await warnings()).toEqual([
      `! Speech is told from silence by loudness alone: silero_vad_v6.onnx ${again}`,
      `! /docs stays without its page: scalar.js ${again}`,
    ]);
    expect(await npmCalls()).toBe(2);
    await expectSuccess('image');
    expect(await npmCalls()).toBe(4);
    const dayAgoMs = Date.now() - 25 * 60 * 60_000;
    await writeJson('build/unavailable.json', { 'silero_vad_v6.onnx': Date.now(), 'scalar.js': dayAgoMs });
    await warnings();
    expect(await npmCalls()).toBe(5);
  });

  test('an image takes along what needs no machine', async () => {
    await rm(join(root, 'node_modules'), { recursive: true });
    expect(await expectSuccess('image')).toEqual(['✓ voice activity model', '✓ docs page']);
  });

  test('a check needs packages and nothing of the machine', async () => {
    await rm(join(programs, 'ffmpeg'));
    await rm(join(programs, 'whisper-server'));
    expect(await expectSuccess('check')).toEqual(['✓ dependencies', "✓ vendors' SDKs"]);
    await rm(join(root, 'compat-tests', 'node_modules'), { recursive: true });
    await expectFailure(/npm ci --prefix .*compat-tests$/, 'check');
  });

  test('two at once take turns, and one that is stopped hands over', async () => {
    await rm(join(root, 'node_modules'), { recursive: true });
    await writeProgram('npm', 'sleep 60 & echo $! > sleep.pid; wait');
    const first = setUp('check');
    await first.saying(/npm ci/);
    const second = setUp();
    await second.saying(/waiting for another setup/);
    await writeInstalled();
    const sleeper = Number(readFileSync(join(root, 'sleep.pid'), 'utf8'));
    first.kill('SIGTERM');
    const { code, lines } = await first.ended;
    expect(code).toBe(1);
    expect(lines.at(-1)).toBe('✗ Interrupted. Run it again to go on: npm run check');
    expect((await second.ended).code).toBe(0);
    // npm's own children end with it: they would write into what the next run replaces.
    expect(() => process.kill(sleeper, 0)).toThrow('ESRCH');
  });

  test('after a kill, what npm still writes is waited for', async () => {
    await rm(join(root, 'node_modules'), { recursive: true });
    await writeProgram('npm', 'echo > started; sleep 1; echo done > npm.log; exit 1');
    const first = setUp();
    await expect.poll(() => existsSync(join(root, 'started'))).toBe(true);
    first.kill('SIGKILL');
    await first.ended;
    const second = setUp();
    await second.saying(/dependencies: npm ci/);
    expect(existsSync(join(root, 'npm.log'))).toBe(true);
    second.kill('SIGKILL');
    await second.ended;
  });
});

describe('dependencies', () => {
  const install = 'mkdir -p node_modules/.bin node_modules/a; cp package-lock.json node_modules/.package-lock.json';
  const npm = (then: string) => `echo "$@ nodedir=$npm_config_nodedir path=$PATH" >> npm.log; ${then}`;
  const works = `${install}; echo > node_modules/.bin/node; echo {} > node_modules/a/package.json`;

  const incomplete: Record<string, () => Promise<void>> = {
    'nothing is installed': () => rm(join(root, 'node_modules'), { recursive: true }),
    'npm was interrupted': () => rm(join(root, 'node_modules', '.package-lock.json')),
    'a package is gone': () => rm(join(root, 'node_modules', 'a'), { recursive: true }),
    'the lock file changed': () =>
      writeJson('package-lock.json', { packages: { 'node_modules/a': { version: '2.0.0' } } }),
  };
  for (const [name, spoil] of Object.entries(incomplete)) {
    test(`are installed when ${name}`, async () => {
      await spoil();
      await writeProgram('npm', npm(works));
      await expectSuccess();
      await expectSuccess();
      const calls = (await readFile(join(root, 'npm.log'), 'utf8')).trim().split('\n');
      expect(calls.length).toBe(1);
      expect(calls[0]).toMatch(/^ci --loglevel=error/);
    });
  }

  test('an optional or development package may be absent from a start', async () => {
    await writeJson('package-lock.json', {
      packages: {
        'node_modules/b': { version: '1.0.0', optional: true },
        'node_modules/c': { version: '1.0.0', dev: true },
      },
    });
    await expectSuccess();
    await expectFailure(/npm ci --prefix .*$/, 'test');
  });

  test('that must be compiled get their compiler first', async () => {
    await rm(join(root, 'node_modules'), { recursive: true });
    await writeProgram('npm', 'echo npm error gyp ERR! find Python >&2; exit 1');
    await writeProgram('apk', 'exit 1');
    await expectFailure(/python3 and make and c\+\+ are missing\. Run: sudo apk add python3 make build-base$/);
  });

  test("come from the system's npm, with the headers beside the system's Node", async () => {
    await rm(join(root, 'node_modules'), { recursive: true });
    await writeFileIn('machine/include/node/node.h', '');
    await writeProgram('npm', npm(works));
    await expectSuccess('start', { PATH: `${join(root, 'node_modules', '.bin')}:${programs}` });
    const call = await readFile(join(root, 'npm.log'), 'utf8');
    expect(call).toContain(`nodedir=${join(root, 'machine')} path=${programs}\n`);
  });

  test('that cannot be had end with what npm said', async () => {
    await rm(join(root, 'node_modules'), { recursive: true });
    await writeProgram('npm', 'echo npm error code E404 >&2; exit 1');
    const lines = await expectFailure(/The npm packages could not be installed.*: npm ci --prefix .*$/);
    expect(lines.join('\n')).toContain('npm error code E404');
  });

  test('that npm installed without their scripts end with the command that runs them', async () => {
    await rm(join(root, 'node_modules'), { recursive: true });
    await writeProgram('npm', install);
    await expectFailure(/npm ci --ignore-scripts=false$/);
  });
});

describe('programs', () => {
  test('of an unknown system are named', async () => {
    await rm(join(programs, 'ffmpeg'));
    await expectFailure(/^✗ ffmpeg is missing\. Install ffmpeg with your package manager\.$/);
  });

  test('of another package manager come with its command', async () => {
    await rm(join(programs, 'ffmpeg'));
    await writeProgram('dnf', 'exit 1');
    await expectFailure(/^✗ ffmpeg is missing\. Run: sudo dnf install -y ffmpeg-free$/);
  });

  test('that apt cannot install come with its command', async () => {
    await rm(join(programs, 'ffmpeg'));
    await writeProgram('apt-get', 'echo E: no such package >&2; exit 100');
    await expectFailure(/Run: sudo apt-get update && sudo apt-get install -y ffmpeg$/);
  });

  test('FFMPEG_BIN is taken as it is, and must be a program', async () => {
    await rm(join(programs, 'ffmpeg'));
    await writeProgram('other', 'exit 0');
    expect(await expectSuccess('start', { FFMPEG_BIN: join(programs, 'other') })).toContain('✓ ffmpeg');
    expect(await expectSuccess('start', { FFMPEG_BIN: 'other' })).toContain('✓ ffmpeg');
    await expectFailure(/^✗ FFMPEG_BIN=another is no program that can be run\. .*env -u FFMPEG_BIN npm test$/, 'test', {
      FFMPEG_BIN: 'another',
    });
  });
});

describe('models', () => {
  test('the default is fetched, once', async () => {
    expect(await expectSuccess()).toContain('✓ model: good');
    await expectSuccess();
    expect(asked).toEqual(['/good']);
  });

  test('one that cannot be had is replaced out loud, not asked for again for a day, and tried again when named', async () => {
    await writeCatalogue({ good: '/missing', small: '/small' });
    const first = (await expectSuccess()).join('\n');
    expect(first).toContain("! the model 'good' cannot be had. ggml-good.bin could not be downloaded: ");
    expect(first).toContain('HTTP 404');
    expect(first).toContain("using 'small', which understands less. To try 'good' again: DEFAULT_MODEL=good npm start");
    expect(asked).toEqual(['/missing', '/small']);

    const second = await expectSuccess();
    expect(second).toContain('✓ model: small (instead of good; DEFAULT_MODEL=good npm start tries that again)');
    expect(asked.length).toBe(2);

    await expectFailure(/^✗ DEFAULT_MODEL=good cannot be had\. .*env -u DEFAULT_MODEL npm start$/, 'start', {
      DEFAULT_MODEL: 'good',
    });
    expect(asked.length).toBe(3);

    await writeJson('models/.unavailable.json', { good: Date.now() - 25 * 60 * 60_000 });
    await expectSuccess();
    expect(asked.length).toBe(4);
  });

  test('when none can be had nothing is remembered', async () => {
    await writeCatalogue({ good: '/missing', small: '/missing/too' });
    await expectFailure(/^✗ No model could be had\. .*Try again: npm start/);
    await expectFailure(/^✗ No model could be had\./);
    expect(asked.length).toBe(4);
  });

  test('DEFAULT_MODEL names one of the catalogue, an alias, or a file of the user', async () => {
    expect(await expectSuccess('start', { DEFAULT_MODEL: 'small' })).toContain('✓ model: small');
    expect(await expectSuccess('start', { DEFAULT_MODEL: 'nice' })).toContain('✓ model: good');
    for (const DEFAULT_MODEL of ['whisper-1', 'OpenAI/Whisper-1', 'openai/whisper-good', 'ggml-good.bin', ' ']) {
      expect(await expectSuccess('start', { DEFAULT_MODEL })).toContain('✓ model: good');
    }
    await writeFileIn('models/ggml-whisper-small.bin', WEIGHTS);
    for (const DEFAULT_MODEL of ['whisper-small', 'ggml-whisper-small.bin']) {
      expect(await expectSuccess('start', { DEFAULT_MODEL })).toContain('✓ model: whisper-small');
    }
    await writeFileIn('elsewhere/ggml-mine.bin', WEIGHTS);
    const mine = { DEFAULT_MODEL: 'mine', MODELS_DIR: 'elsewhere' };
    expect(await expectSuccess('start', mine)).toContain('✓ model: mine');
    await expectFailure(/^✗ DEFAULT_MODEL=mine is not a known model.*Known: best, good, small, huge\.$/, 'start', {
      DEFAULT_MODEL: 'mine',
    });
  });

  test('a damaged file is fetched again, and one that is no model never appears', async () => {
    await writeFileIn('models/ggml-good.bin', 'half');
    await expectSuccess();
    expect((await readFile(join(root, 'models', 'ggml-good.bin'))).equals(WEIGHTS)).toBe(true);
    WEIGHTS.write('html');
    try {
      const lines = await expectFailure(/cannot be had.*it is no ggml file/, 'start', { DEFAULT_MODEL: 'small' });
      expect(lines.join('\n')).not.toContain('✓ model');
    } finally {
      WEIGHTS.write('lmgg');
    }
    expect(await installedModels()).toEqual(['ggml-good.bin']);
  });

  test('a GPU gets the best that fits its memory; DEVICES=cpu leaves it out', async () => {
    await writeProgram('nvidia-smi', 'echo 24564; echo 8192');
    expect(await expectSuccess()).toContain('✓ model: best');
    expect(await expectSuccess('start', { DEVICES: 'cpu:0,cpu:1' })).toContain('✓ model: good');
    // Also when a larger one lies there already.
    await writeCatalogue({ best: '/best', good: '/good', small: '/small' }, { best: 24_565 });
    expect(await expectSuccess()).toContain('✓ model: good');
    await writeCatalogue({ best: '/best', good: '/good' }, { best: 24_565, good: 30_000 });
    await expectFailure(
      /^✗ The smallest default model needs 24565 MB of memory, and the largest GPU has 24564 MB\. Leave it out: DEVICES=cpu/,
    );
  });

  test('a GPU without memory of its own has that of the system', async () => {
    await writeProgram('nvidia-smi', "echo '[N/A]'");
    await writeCatalogue({ best: '/best', good: '/good' }, { best: 3000 });
    expect(await expectSuccess('start', withMemoryMb(3000))).toContain('✓ model: best');
    expect(await expectSuccess('start', withMemoryMb(2999))).toContain('✓ model: good');
  });

  test("a CPU gets the best that fits the container's memory", async () => {
    expect(await expectSuccess('start', withMemoryMb(1000))).toContain('✓ model: good');
    await writeCatalogue({ good: '/good', small: '/small' }, { small: 400 });
    expect(await expectSuccess('start', withMemoryMb(999))).toContain('✓ model: small');
    await expectFailure(
      /^✗ The smallest default model needs 400 MB of memory, and this machine has 399 MB\.$/,
      'start',
      withMemoryMb(399),
    );
  });

  test('the tests get theirs, all of them', async () => {
    expect(await expectSuccess('test')).toContain('✓ models: small, good');
    expect(await installedModels()).toEqual(['ggml-good.bin', 'ggml-small.bin']);
    await rm(join(root, 'models'), { recursive: true });
    await writeCatalogue({ good: '/missing', small: '/small' });
    await expectFailure(/^✗ The tests need the model 'good'\. .*Try again: npm test$/, 'test');
  });
});

describe('test material', () => {
  test("the vendors' SDKs are installed in their own folder", async () => {
    await writeJson('compat-tests/package-lock.json', { packages: { 'node_modules/sdk': { version: '1.0.0' } } });
    await writeProgram('npm', 'pwd > npm.log; exit 1');
    const lines = await expectFailure(/npm ci --prefix .*compat-tests$/, 'test');
    expect(lines.join('\n')).toContain("vendors' SDKs");
    expect(await readFile(join(root, 'compat-tests', 'npm.log'), 'utf8')).toMatch(/compat-tests\n$/);
  });

  test('is not needed to start', async () => {
    await rm(join(root, 'compat-tests'), { recursive: true });
    await rm(join(root, 'build', 'test-audio'), { recursive: true });
    await expectSuccess('start');
  });
});

describe('engine', () => {
  const built = () => join(root, 'build', 'whisper-server', 'whisper-server');
  const builds = async () => (await readFile(join(root, 'cmake.log'), 'utf8').catch(() => '')).split('\n').slice(0, -1);
  const machine = [arch(), cpus()[0]?.model ?? ''].join(' / ');

  /** A compiler whose engines say what they were built with. */
  async function writeToolchain() {
    for (const name of ['c++', 'make']) await writeProgram(name, 'exit 0');
    await writeProgram(
      'cmake',
      `case "$1" in
-S) mkdir -p "$4/bin"; echo "$@" >> cmake.log;;
--build) echo "[ 50%] Building"; echo "#!/bin/sh" > "$2/bin/whisper-server"; ${findProgram('chmod', process.env)} +x "$2/bin/whisper-server";;
esac`,
    );
    await writeFileIn('build/whisper-server/source-1.9.1/CMakeLists.txt', 'project("whisper.cpp" VERSION 1.9.1)');
  }

  beforeEach(() => rm(join(programs, 'whisper-server')));

  test('WHISPER_SERVER_BIN is taken as it is, and must be a program', async () => {
    await writeProgram('other', 'exit 0');
    const other = join(programs, 'other');
    expect(await expectSuccess('start', { WHISPER_SERVER_BIN: 'other' })).toContain(
      `✓ engine: ${other} (from WHISPER_SERVER_BIN)`,
    );
    await chmod(other, 0o644);
    await expectFailure(/^✗ WHISPER_SERVER_BIN=.*other is no program that can be run\./, 'start', {
      WHISPER_SERVER_BIN: other,
    });
  });

  test('is built for the CPU once, and again for another version or machine', async () => {
    await writeToolchain();
    expect(await expectSuccess()).toContain('✓ engine: whisper.cpp 1.9.1 for the CPU');
    await expectSuccess();
    expect((await builds()).length).toBe(1);
    expect((await builds())[0]).not.toContain('GGML_CUDA');
    expect(await readdir(join(root, 'build', 'whisper-server'))).toEqual(
      expect.arrayContaining(['build.log', 'source-1.9.1', 'stamp.json', 'whisper-server']),
    );
    for (const stamp of [
      { version: '1.9.0', machine },
      { version: '1.9.1', machine: 'another' },
    ]) {
      const before = (await builds()).length;
      await writeJson('build/whisper-server/stamp.json', { ...stamp, flavour: 'cpu' });
      await expectSuccess();
      expect((await builds()).length).toBe(before + 1);
    }
  });

  test('on a GPU without nvcc warns out loud, and is built with CUDA once there is one', async () => {
    await writeToolchain();
    await writeProgram('nvidia-smi', 'echo 24564');
    const first = (await expectSuccess()).join('\n');
    expect(first).toContain('NVIDIA GPU BUT NO CUDA COMPILER (nvcc)');
    expect(first).toContain('FOR THE CPU');
    expect(first).toContain('✓ model: good');
    expect((await expectSuccess('start', { DEVICES: 'cpu' })).join('\n')).not.toContain('NVIDIA');

    const cuda = join(root, 'cuda');
    await writeFileIn('cuda/bin/nvcc', '#!/bin/sh\n');
    await chmod(join(cuda, 'bin', 'nvcc'), 0o755);
    const second = (await expectSuccess('start', { CUDA_HOME: cuda })).join('\n');
    expect(second).toContain('WITH CUDA');
    expect(second).toContain('✓ engine: whisper.cpp 1.9.1 for NVIDIA GPUs (CUDA)');
    expect(second).toContain('✓ model: best');
    expect((await builds()).at(-1)).toContain(
      `-DGGML_CUDA=ON -DCMAKE_CUDA_COMPILER=${cuda}/bin/nvcc -DGGML_CUDA_NCCL=OFF`,
    );

    // Neither the CPU being asked for nor a silent driver throws a CUDA build away.
    await writeProgram('nvidia-smi', 'exit 9');
    await rm(join(root, 'models'), { recursive: true });
    expect(await expectSuccess('start', { CUDA_HOME: cuda })).toContain('✓ model: good');
    await expectSuccess('start', { DEVICES: 'cpu' });
    expect((await builds()).length).toBe(2);
  });

  test('that was half built is built again from nothing when it cannot be gone on with', async () => {
    await writeToolchain();
    const cmake = await readFile(join(programs, 'cmake'), 'utf8');
    await writeProgram('cmake', `mkdir -p "$4"; echo half > "$4/half"; exit 1`);
    const lines = await expectFailure(/The engine could not be built .*When that is mended: npm start\.$/);
    expect(lines.join('\n')).toContain('cmake ended with exit code 1');
    expect(existsSync(built())).toBe(false);
    await writeFile(join(programs, 'cmake'), cmake.replace('-S)', '-S) test -e "$4/half" && exit 1;'));
    await expectSuccess();
    expect(existsSync(built())).toBe(true);
  });

  test('whose source cannot be had says where it was looked for', async () => {
    await writeToolchain();
    await rm(join(root, 'build', 'whisper-server'), { recursive: true });
    const environment = withScript("globalThis.fetch = () => Promise.reject(Error('offline'))");
    const lines = (await expectFailure(/The engine could not be built/, 'start', environment)).join('\n');
    expect(lines).toMatch(/npm package nodejs-whisper@0\.3\.1 .*github\.com cannot be reached: offline/);
  });

  test("is built from the pinned source, else from the authors' archive, out loud", async () => {
    await writeToolchain();
    const folder = join(root, 'build', 'whisper-server');
    await rename(join(folder, 'source-1.9.1'), join(root, 'whisper.cpp-1.9.1'));
    execFileSync('tar', ['-czf', 'engine.tar.gz', 'whisper.cpp-1.9.1'], { cwd: root });
    // What npm brings is the right version and the wrong file.
    await writeProgram('npm', 'echo "$2" >> npm.log; cp engine.tar.gz "$4/engine.tgz"');
    const github = withScript(
      `const ask = fetch; globalThis.fetch = (url, options) => ask(url.replace('https://github.com', '${base}'), options)`,
    );
    files.set('/ggml-org/whisper.cpp/archive/refs/tags/v1.9.1.tar.gz', await readFile(join(root, 'engine.tar.gz')));
    const lines = await expectSuccess('start', github);
    expect(await readFile(join(root, 'npm.log'), 'utf8')).toBe('nodejs-whisper@0.3.1\n');
    expect(lines).toContain(
      "! The engine's source comes from github.com and is not pinned by a checksum: only its version is checked. The pinned copy could not be had.",
    );
    expect(lines).toContain('✓ engine: whisper.cpp 1.9.1 for the CPU');
  });
});
