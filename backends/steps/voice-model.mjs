// The model that hears where somebody speaks. Long recordings are cut where nobody does, and silence is never transcribed.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buildFolder, downloadStep } from './context.mjs';

/** Silero's sixth: it hears speech that the fifth does not. */
const VOICE_MODEL = {
  bytes: 2_327_524,
  sha256: '1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3',
  sources: [{ npmPackage: '@ricky0123/vad-web@0.0.31', member: 'package/dist/silero_vad_v6.onnx' }],
};

/** No reason not to start: without it, loudness decides. @param {import('./context.mjs').Context} context */
export async function ensureVoiceModel(context) {
  const target = join(buildFolder(context), 'voice', 'silero_vad_v6.onnx');
  const present = await stat(target).catch(() => undefined);
  try {
    if (present?.size !== VOICE_MODEL.bytes)
      await downloadStep(context, 'voice activity model', { target, ...VOICE_MODEL });
    context.terminal.done('voice activity model');
  } catch (error) {
    context.terminal.warn(
      `Speech is told from silence by loudness alone: ${error instanceof Error ? error.message : error}`,
    );
  }
}
