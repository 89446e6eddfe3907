// One submitted audio, before and after decoding.

/** The bytes as they came, in the spool. `release` deletes the file; whoever holds the recording last calls it. */
export interface Recording {
  path: string;
  sha256: string;
  bytes: number;
  release(): Promise<void>;
}

export const PCM_SAMPLE_RATE = 16_000;
export const PCM_BYTES_PER_MS = (PCM_SAMPLE_RATE * 2) / 1000;

/** A stretch of 16 kHz mono signed 16-bit little-endian samples inside a file. */
export interface Chunk {
  path: string;
  byteOffset: number;
  byteLength: number;
  /** Where the stretch begins in the recording. */
  startMs: number;
  durationMs: number;
}

/** A recording decoded whole. `release` deletes what decoding wrote (nothing when the upload was such PCM already). */
export interface DecodedAudio extends Chunk {
  release(): Promise<void>;
}
