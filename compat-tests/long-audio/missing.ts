// What a machine may lack that long recordings are tested with; each an answer to why it is not, or undefined.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../gateway.ts';

const VOICE_MODEL = 'build/voice/silero_vad_v6.onnx';

/** Synthesises speech of known text. */
export function missingVoice(): string | undefined {
  try {
    execFileSync('espeak-ng', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'espeak-ng is not installed. Run: apt-get install espeak-ng';
  }
}

/** Without it the gateway tells speech from silence by loudness, and takes music for speech. */
export function missingVoiceModel(): string | undefined {
  return existsSync(join(ROOT, VOICE_MODEL))
    ? undefined
    : `there is no ${VOICE_MODEL}. Run: node backends/setup.mjs test`;
}
