// What a recording's chunks came out as in an earlier run of it, found by how they are decoded.
import { type CacheKeyParts, chunkKey } from '../cache/key.ts';
import type { ChunkFinal } from '../transcript/event.ts';
import type { Chunk } from '../transcript/recording.ts';
import type { DecodingOptions } from '../transcript/request.ts';
import type { ChunkMemory } from './chunk-memory.ts';

export interface KnownChunks {
  recall(chunk: Chunk, options: DecodingOptions): ChunkFinal | undefined;
  keep(chunk: Chunk, options: DecodingOptions, final: ChunkFinal): void;
}

export function knownChunks(
  memory: ChunkMemory,
  recording: Omit<CacheKeyParts, 'options'>,
  signal: AbortSignal,
): KnownChunks {
  const keyOf = (chunk: Chunk, options: DecodingOptions) => chunkKey({ ...recording, options }, chunk);
  return {
    recall(chunk, options) {
      const known = memory.recall(keyOf(chunk, options));
      if (known || options.language === null) return known;
      // It was decoded before the recording's language was known, and taken for that language: that text was kept, and is now.
      const unasked = memory.recall(keyOf(chunk, { ...options, language: null }));
      return unasked?.language === options.language ? unasked : undefined;
    },
    keep(chunk, options, final) {
      // Others may go on with the run that the memory's owner has left.
      if (!signal.aborted) memory.keep(keyOf(chunk, options), final);
    },
  };
}
