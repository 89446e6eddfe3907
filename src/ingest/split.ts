// Turns samples on disk into chunks, each as soon as it is decided, while the rest may still be decoded. Joins what is heard
// (voice-activity.ts) with what is decided (cut.ts), and frames with bytes; owns neither the file nor the decisions.
import { Readable } from 'node:stream';
import { PCM_BYTES_PER_MS, type VoicedChunk } from '../transcript/recording.ts';
import { type Cut, type CutSettings, Cutter, FRAME_MS } from './cut.ts';
import { type GrowingFile, readBlocks } from './growing-file.ts';
import { FRAME_BYTES, type VoiceActivity } from './voice-activity.ts';

/** One second at a time: a short clip is heard between two blocks of long recordings. */
const BLOCK_BYTES = 32 * FRAME_BYTES;
/**
 * Chunks decided and not yet asked for. So many that a recording is heard to its end whatever the pace of its
 * transcription, and makes room for others; each is a few numbers.
 */
const CHUNKS_WAITING_MAX = 4_096;

/**
 * A recording without voice has no chunk. Throws what the file's writer failed with, as soon as it did.
 * To be iterated or never touched; leaving the iteration ends the work.
 */
export function splitIntoChunks(
  file: GrowingFile,
  voiceActivity: Pick<VoiceActivity, 'listen'>,
  settings: CutSettings,
  signal: AbortSignal,
): AsyncIterable<VoicedChunk> {
  return Readable.from(decide(file, voiceActivity, settings, signal), { highWaterMark: CHUNKS_WAITING_MAX });
}

async function* decide(
  file: GrowingFile,
  voiceActivity: Pick<VoiceActivity, 'listen'>,
  settings: CutSettings,
  signal: AbortSignal,
): AsyncGenerator<VoicedChunk> {
  const listener = await voiceActivity.listen(signal);
  try {
    const cutter = new Cutter(settings);
    let bytes = 0;
    for await (const block of readBlocks(file, BLOCK_BYTES)) {
      signal.throwIfAborted();
      bytes += block.length - (block.length % 2);
      for (const frame of await listener.hear(wholeFrames(block))) {
        const cut = cutter.push(frame);
        if (cut) yield toChunk(file, cut, bytes);
      }
    }
    const last = cutter.end();
    if (last) yield toChunk(file, last, bytes);
  } finally {
    listener.close();
  }
}

/** The last block of a recording may end within a frame, or within a sample. */
function wholeFrames(block: Buffer): Buffer {
  const missing = (FRAME_BYTES - (block.length % FRAME_BYTES)) % FRAME_BYTES;
  return missing === 0
    ? block
    : Buffer.concat([block.subarray(0, block.length - (block.length % 2)), Buffer.alloc(missing + (block.length % 2))]);
}

function toChunk(file: GrowingFile, { startFrame, endFrame, overlapFrames, voice }: Cut, bytes: number): VoicedChunk {
  const startByte = startFrame * FRAME_BYTES;
  const byteLength = Math.min(endFrame * FRAME_BYTES, bytes) - startByte;
  return {
    path: file.path,
    byteOffset: file.byteOffset + startByte,
    byteLength,
    startMs: startFrame * FRAME_MS,
    durationMs: byteLength / PCM_BYTES_PER_MS,
    ...(overlapFrames > 0 && { overlapBeforeMs: overlapFrames * FRAME_MS }),
    voice: voice.map((span) => ({ startMs: span.startFrame * FRAME_MS, endMs: span.endFrame * FRAME_MS })),
  };
}
