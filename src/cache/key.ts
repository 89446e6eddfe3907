// Owns the name under which a result is kept: equal keys mean that the engine would produce the same transcript.
import { hash } from 'node:crypto';
import type { AudioSelection, Chunk } from '../transcript/recording.ts';
import type { DecodingOptions } from '../transcript/request.ts';

/** Raised when `Transcript` or the way it is made changes, so that what was kept before is never found again. */
export const TRANSCRIPT_VERSION = 3;

export interface CacheKeyParts {
  /** SHA-256 of the recording as it was sent. */
  audioSha256: string;
  /** Which sound of it. */
  selection: AudioSelection;
  /** SHA-256 of the model file: two names for the same weights share their results. */
  modelDigest: string;
  options: DecodingOptions;
  /** The engine's name and version, with whatever of its settings changes what it writes. */
  engine: string;
}

export function cacheKey(parts: CacheKeyParts): string {
  return hash('sha256', JSON.stringify([TRANSCRIPT_VERSION, ...canonical(parts)]));
}

/** Of what the engine writes for one chunk, in one decoding of it. */
export function chunkKey(parts: CacheKeyParts, { startMs, byteLength }: Chunk): string {
  // Not by where its samples lie: the same ones may be decoded to another place the next time.
  return hash('sha256', JSON.stringify([TRANSCRIPT_VERSION, ...canonical(parts), startMs, byteLength]));
}

function canonical({ audioSha256, selection, modelDigest, options, engine }: CacheKeyParts): unknown[] {
  // Taken generically, so that an option added tomorrow is part of the key without anybody remembering it here.
  const given = Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  const { channel, raw, withoutLeadingSilence } = selection;
  const sound = [
    channel,
    raw && [raw.encoding, raw.sampleRate, raw.channels],
    ...(withoutLeadingSilence ? [true] : []),
  ];
  return [engine, modelDigest, audioSha256, sound, given];
}
