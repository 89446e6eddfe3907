// Guesses the only chunk of a short recording when somebody was heard in it and the rest is still to be heard: where it begins is known
// by then, where it ends is told by loudness. So an engine begins at once. Whether the guess was right shows when all was heard.
import { readRange } from '../lib/stored.ts';
import { levelsOf } from '../transcript/levels.ts';
import { type EarlyChunk, PCM_BYTES_PER_MS } from '../transcript/recording.ts';
import { type CutSettings, FRAME_MS, SILENCE_FRAMES_MAX } from './cut.ts';
import type { GrowingFile } from './growing-file.ts';
import { FRAME_BYTES } from './hearing.ts';
import { LoudnessDetector } from './loudness.ts';

/** Kept behind the last sound, twice what a chunk keeps behind its last voice: voices fade below what loudness tells. */
const FADING_FRAMES = Math.round(448 / FRAME_MS);

/** Of a recording that is written to its end. Undefined where there will be several chunks. */
export async function guessChunk(
  file: GrowingFile,
  startFrame: number,
  { CHUNK_SECONDS_MAX }: Pick<CutSettings, 'CHUNK_SECONDS_MAX'>,
): Promise<EarlyChunk | undefined> {
  // A recording of as many frames as the longest chunk is cut in two, wherever that may be.
  const bytesMax = (Math.floor((CHUNK_SECONDS_MAX * 1_000) / FRAME_MS) - 1) * FRAME_BYTES;
  const byteLengthMax = Math.min(file.byteLength ?? Number.POSITIVE_INFINITY, bytesMax + 1);
  const samples = Buffer.concat(await Array.fromAsync(readRange(file.stored, file.byteOffset, byteLengthMax)));
  if (samples.length > bytesMax) return undefined;
  const endFrame = endOfSound(levelsOf(samples, FRAME_BYTES), startFrame);
  if (endFrame === undefined) return undefined;
  const startMs = startFrame * FRAME_MS;
  const byteLength = Math.min(endFrame * FRAME_BYTES, samples.length - (samples.length % 2)) - startFrame * FRAME_BYTES;
  const durationMs = byteLength / PCM_BYTES_PER_MS;
  return {
    chunk: {
      stored: file.stored,
      byteOffset: file.byteOffset + startFrame * FRAME_BYTES,
      byteLength,
      startMs,
      durationMs,
    },
    covers(first) {
      const voiceEndMs = first.voice.at(-1)?.endMs ?? 0;
      const beyondMs = startMs + durationMs - voiceEndMs;
      // So much without voice may be in any chunk; with more the engine would have more to invent text in.
      return first.startMs === startMs && beyondMs >= 0 && beyondMs <= SILENCE_FRAMES_MAX * FRAME_MS;
    },
  };
}

/** Undefined where a silence between two sounds ends a chunk. */
function endOfSound(levels: number[], startFrame: number): number | undefined {
  const detector = new LoudnessDetector();
  let last = startFrame;
  for (const [frame, level] of levels.entries()) {
    if (!detector.hasVoice(level) || frame < startFrame) continue;
    if (frame - last > SILENCE_FRAMES_MAX) return undefined;
    last = frame;
  }
  return last + 1 + FADING_FRAMES;
}
