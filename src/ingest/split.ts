// Turns samples into chunks, each as soon as it is decided, while the rest may still be decoded. Joins what is heard
// (voice-activity.ts) with what is decided (cut.ts), and frames with bytes; owns neither the file nor the decisions.
import { Readable } from 'node:stream';
import { PCM_BYTES_PER_MS, type VoicedChunk } from '../transcript/recording.ts';
import { type Cut, type CutSettings, Cutter, FRAME_MS, type Frame } from './cut.ts';
import { type GrowingFile, readBlocks } from './growing-file.ts';
import { FRAME_BYTES } from './hearing.ts';
import type { Listener, VoiceActivity } from './voice-activity.ts';

/** Four seconds at a time, which takes 3 ms: a short clip is heard between two blocks of long recordings. */
const BLOCK_BYTES = 128 * FRAME_BYTES;
/** Two are with who hears them, one of them heard while the other's answer is on its way; a third so that it is our turn again. */
const ASKED_MAX = 3;
/**
 * Chunks decided and not yet asked for: enough for every device of a large machine to find its next one. Hearing a long
 * recording to its end at once would take the processors from whatever else is running, for minutes, and gain nobody anything.
 */
const CHUNKS_WAITING_MAX = 16;

/**
 * A recording without voice has no chunk. Throws what the file's writer failed with, as soon as it comes to it.
 * To be iterated or never touched; leaving the iteration ends the work.
 */
export function splitIntoChunks(
  file: GrowingFile,
  voiceActivity: Pick<VoiceActivity, 'listen'>,
  settings: CutSettings,
  signal: AbortSignal,
): AsyncIterable<VoicedChunk> {
  const chunks = decide(file, voiceActivity, settings, signal);
  return Readable.from(chunks, { highWaterMark: CHUNKS_WAITING_MAX });
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
    for await (const heard of hearBlocks(file, listener, signal)) {
      bytes = heard.bytes;
      for (const frame of heard.frames) {
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

interface Heard {
  frames: Frame[];
  /** Of the recording, up to the end of these frames. */
  bytes: number;
}

/** Asks about one block while another is being heard, and waits for none that is still to be decoded. */
async function* hearBlocks(file: GrowingFile, listener: Listener, signal: AbortSignal): AsyncGenerator<Heard> {
  const blocks = readBlocks(file, BLOCK_BYTES);
  const asked: Promise<Heard>[] = [];
  let bytes = 0;
  try {
    let next: Promise<IteratorResult<Buffer>> | undefined = take(blocks);
    while (next || asked.length > 0) {
      const step = await Promise.race([...asked.slice(0, 1), ...(next && asked.length < ASKED_MAX ? [next] : [])]);
      signal.throwIfAborted();
      if ('frames' in step) {
        asked.shift();
        yield step;
      } else if (step.done) {
        next = undefined;
      } else {
        bytes += step.value.length - (step.value.length % 2);
        const end = bytes;
        const heard = listener.hear(wholeFrames(step.value)).then((frames) => ({ frames, bytes: end }));
        heard.catch(() => {}); // only the first that was asked is waited for, and the others may fail with it
        asked.push(heard);
        next = take(blocks);
      }
    }
  } finally {
    // Not waited for: it ends when more is decoded, or nothing more will be.
    blocks.return(undefined).catch(() => {});
  }
}

/** While as much is asked about as may be, nobody waits for the next, nor for its failure. */
function take(blocks: AsyncGenerator<Buffer>): Promise<IteratorResult<Buffer>> {
  const next = blocks.next();
  next.catch(() => {});
  return next;
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
    stored: file.stored,
    byteOffset: file.byteOffset + startByte,
    byteLength,
    startMs: startFrame * FRAME_MS,
    durationMs: byteLength / PCM_BYTES_PER_MS,
    ...(overlapFrames > 0 && { overlapBeforeMs: overlapFrames * FRAME_MS }),
    voice: voice.map((span) => ({ startMs: span.startFrame * FRAME_MS, endMs: span.endFrame * FRAME_MS })),
  };
}
