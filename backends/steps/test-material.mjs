// What only the tests need: the vendors' SDKs, installed apart from the server, and a recording of real speech.
import { join } from 'node:path';
import { sizeOf } from '../download/file.mjs';
import { buildFolder, downloadStep } from './context.mjs';
import { ensureDependencies } from './dependencies.mjs';
import { SetupError } from './terminal.mjs';

/** Public-domain speech that comes with the engine's source. */
const SPEECH = {
  bytes: 352_078,
  sha256: '59dfb9a4acb36fe2a2affc14bacbee2920ff435cb13cc314a08c13f66ba7860e',
  sources: [
    { url: 'https://github.com/ggml-org/whisper.cpp/raw/v1.9.1/samples/jfk.wav' },
    { npmPackage: 'nodejs-whisper@0.3.1', member: 'package/cpp/whisper.cpp/bindings/go/samples/jfk.wav' },
  ],
};

/** The type check reads them too. @param {import('./context.mjs').Context} context */
export async function ensureSdks(context) {
  await ensureDependencies({ ...context, root: join(context.root, 'compat-tests') }, "vendors' SDKs");
}

/** @param {import('./context.mjs').Context} context */
export async function ensureSpeech(context) {
  const target = join(buildFolder(context), 'test-audio', 'jfk.wav');
  if ((await sizeOf(target)) !== SPEECH.bytes) {
    await downloadStep(context, 'recorded speech', { target, ...SPEECH }).catch((error) => {
      throw new SetupError(`The tests need recorded speech. ${error.message} Try again: npm test`);
    });
  }
  context.terminal.done('recorded speech');
}
