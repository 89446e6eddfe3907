// How much voice there is in a stretch of audio, by energy. It stands in for the engine's no-speech probability where that
// one is stale (see DESIGN.md). It is no speech detector: loud music that comes and goes counts as voice.
import { levelsOf } from '../transcript/levels.ts';
import { PCM_BYTES_PER_MS } from '../transcript/recording.ts';

const FRAME_MS = 20;
const FRAME_BYTES = FRAME_MS * PCM_BYTES_PER_MS;
/** -50 dB of full scale: quieter is silence whatever surrounds it. */
const VOICE_LEVEL_MIN = 0.003;
/** Voice stands 6 dB above the noise; a steady noise never stands that far above itself. */
const VOICE_OVER_NOISE = 2;
/** The quietest tenth of the chunk is taken for its noise. */
const NOISE_SHARE = 0.1;
/** Speech anywhere in a segment makes it speech: its loudest second is what counts. */
const SPAN_FRAMES = 1_000 / FRAME_MS;

/** What is kept of a chunk's sound: how loud each 20 ms are, and from where on that is voice. */
export interface Loudness {
  levels: number[];
  threshold: number;
}

export function loudnessIn(samples: Buffer): Loudness {
  return loudnessOf(levelsOf(samples, FRAME_BYTES));
}

export function loudnessOf(levels: number[]): Loudness {
  const noise = levels.toSorted((a, b) => a - b)[Math.floor(levels.length * NOISE_SHARE)] ?? 0;
  return { levels, threshold: Math.max(VOICE_LEVEL_MIN, noise * VOICE_OVER_NOISE) };
}

/** 1 − the share of voiced frames in the loudest second between two times, counted from the beginning of the chunk. */
export function noSpeechProbability({ levels, threshold }: Loudness, startMs: number, endMs: number): number {
  const first = Math.floor(startMs / FRAME_MS);
  const span = levels.slice(first, Math.max(first + 1, Math.ceil(endMs / FRAME_MS)));
  if (span.length === 0) return 1;

  const windowFrames = Math.min(SPAN_FRAMES, span.length);
  let voiced = 0;
  let voicedMax = 0;
  for (const [index, level] of span.entries()) {
    if (level >= threshold) voiced += 1;
    const leaving = span[index - windowFrames];
    if (leaving !== undefined && leaving >= threshold) voiced -= 1;
    voicedMax = Math.max(voicedMax, voiced);
  }
  return 1 - voicedMax / windowFrames;
}
