// Makes a bare machine ready: `node backends/setup.mjs start` before the server starts, `test` before the tests run, `check`
// before the check, `bench` before the benches; `image` fetches only what a container image takes along. Each step is skipped
// when already true and may be interrupted anywhere. Plain JavaScript without dependencies, because it is what installs them,
// on any Node from 18 on.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stopRunning } from './command.mjs';
import { withLock } from './lock.mjs';
import { ensureBenchModels, ensureBenchTools } from './steps/bench-material.mjs';
import { ensureDependencies } from './steps/dependencies.mjs';
import { ensureDocsPage } from './steps/docs-page.mjs';
import { ensureEngine } from './steps/engine.mjs';
import { ensureDefaultModel, ensureTestModels } from './steps/models.mjs';
import { ensureFfmpeg } from './steps/programs.mjs';
import { createTerminal, SetupError } from './steps/terminal.mjs';
import { ensureSdks, ensureSpeech } from './steps/test-material.mjs';
import { ensureVoiceModel } from './steps/voice-model.mjs';

const NODE_MAJOR_MIN = 18;

/** What people type to get each mode. */
const COMMANDS = {
  start: 'npm start',
  test: 'npm test',
  check: 'npm run check',
  bench: 'npm run bench',
  image: 'node backends/setup.mjs image',
};

const terminal = createTerminal(process.stdout);
const root = dirname(dirname(fileURLToPath(import.meta.url)));

async function main() {
  const mode = askedMode();
  if (!mode)
    throw new SetupError(`Run: node backends/setup.mjs start (or ${Object.keys(COMMANDS).slice(1).join(', or ')})`);
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
    throw new SetupError(
      `Node ${process.versions.node} is too old. Install Node ${NODE_MAJOR_MIN} or newer: https://nodejs.org/en/download`,
    );
  }
  if (process.platform === 'win32') throw new SetupError('Windows is not supported. Run it inside WSL: wsl --install');
  await withLock(join(root, 'build', 'setup.lock'), { onWait: sayOnce() }, ({ keep }) =>
    setUp({ root, mode, environment: process.env, terminal, keepLock: keep }),
  );
}

/** @param {import('./steps/context.mjs').Context} context */
async function setUp(context) {
  if (context.mode === 'image') return ensureSmallFiles(context);
  await ensureDependencies(context);
  if (context.mode === 'check') return ensureSdks(context);
  await ensureFfmpeg(context);
  const device = await ensureEngine(context);
  if (context.mode === 'test') {
    await ensureTestModels(context);
    await ensureSdks(context);
    await ensureSpeech(context);
  } else if (context.mode === 'bench') {
    await ensureTestModels(context);
    await ensureBenchModels(context, device);
    await ensureBenchTools(context);
    await ensureSpeech(context);
  } else {
    await ensureDefaultModel(context, device);
  }
  await ensureSmallFiles(context);
}

/** What the server can do without. @param {import('./steps/context.mjs').Context} context */
async function ensureSmallFiles(context) {
  await ensureVoiceModel(context);
  await ensureDocsPage(context);
}

/** @returns {import('./steps/context.mjs').Context['mode'] | undefined} */
function askedMode() {
  const modes = /** @type {(keyof typeof COMMANDS)[]} */ (Object.keys(COMMANDS));
  return modes.find((mode) => mode === process.argv[2]);
}

function sayOnce() {
  let isSaid = false;
  return (/** @type {import('./lock.mjs').Holder | undefined} */ holder) => {
    if (!isSaid) terminal.note(`waiting for another setup (process ${holder?.processId ?? 'unknown'}) to end`);
    isSaid = true;
  };
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.once(signal, () => {
    stopRunning();
    terminal.fail(`Interrupted. Run it again to go on: ${COMMANDS[askedMode() ?? 'start']}`);
    process.exit(1);
  });
}

main().catch((error) => {
  terminal.fail(error instanceof SetupError ? error.message : `Setup failed: ${error?.message ?? error}`);
  process.exitCode = 1;
});
