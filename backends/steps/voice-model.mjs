// The model that hears where somebody speaks. Long recordings are cut where nobody does, and silence is never transcribed.
// Silero's sixth: it hears speech that the fifth does not.
import { ensureOptionalFile } from './optional-file.mjs';

/** @param {import('./context.mjs').Context} context */
export async function ensureVoiceModel(context) {
  await ensureOptionalFile(context, {
    label: 'voice activity model',
    path: 'voice/silero_vad_v6.onnx',
    bytes: 2_327_524,
    sha256: '1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3',
    sources: [{ npmPackage: '@ricky0123/vad-web@0.0.31', member: 'package/dist/silero_vad_v6.onnx' }],
    without: 'Speech is told from silence by loudness alone',
  });
}
