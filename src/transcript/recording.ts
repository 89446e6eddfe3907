// One submitted audio, before and after decoding.
import type { Stored } from '../lib/stored.ts';

/** The bytes as they came. `release` gives up what holds them; whoever holds the recording last calls it. */
export interface Recording {
  stored: Stored;
  sha256: string;
  bytes: number;
  release(): Promise<void>;
}

export const RAW_ENCODINGS = ['linear16', 'linear32', 'alaw', 'mulaw', 'amr-nb', 'amr-wb', 'g729'] as const;

/** What a caller says of audio without a header. A header that is there is believed more. */
export interface RawFormat {
  encoding: (typeof RAW_ENCODINGS)[number];
  sampleRate: number;
  channels: number;
}

/** Which sound of a recording is meant, and how its bytes are read. */
export interface AudioSelection {
  /** One channel by itself, counted from 0; null mixes all of them down. */
  channel: number | null;
  /** Null where only audio with a header will do. */
  raw: RawFormat | null;
  /** Begins half a second before the first sound; times count from there. */
  withoutLeadingSilence?: boolean;
}

/** More than any recording of speech has; each is decoded and transcribed by itself. */
export const CHANNELS_MAX = 20;

export const PCM_SAMPLE_RATE = 16_000;
export const PCM_BYTES_PER_MS = (PCM_SAMPLE_RATE * 2) / 1000;

/** A stretch of 16 kHz mono signed 16-bit little-endian samples, and which bytes they are of what is stored. */
export interface Chunk {
  stored: Stored;
  byteOffset: number;
  byteLength: number;
  /** Where the stretch begins in the recording. */
  startMs: number;
  durationMs: number;
  /** How much of its beginning the chunk before it holds, too: 0 or absent unless the cut had to be made inside speech. */
  overlapBeforeMs?: number;
}

/** A chunk in which somebody speaks, and where, in the recording's time. */
export interface VoicedChunk extends Chunk {
  voice: { startMs: number; endMs: number }[];
}

/** A recording that is being decoded, in chunks of what is worth an engine's time. */
export interface SplitAudio {
  /** Each as soon as it is decided, in order. None where nobody speaks. Throws what decoding failed with. */
  chunks: AsyncIterable<VoicedChunk>;
  /** Of the whole recording, silence included. Rejects as decoding does. */
  durationMs: Promise<number>;
  /** Ends the decoding and deletes what it wrote. */
  release(): Promise<void>;
}
