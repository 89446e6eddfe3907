// How much is remembered, and for how long.
import { z } from 'zod';
import { env } from '../lib/env.ts';

const HUNDRED_YEARS_SECONDS = 100 * 365 * 24 * 3600;

export const cacheSettings = z.object({
  CACHE: env
    .flag(true)
    .describe('Whether finished transcripts are kept and given again for the same audio and options.'),
  CACHE_MEMORY_BYTES: env
    .integer(64 * 1024 * 1024)
    .describe('How much of the cache is held in memory, counted as JSON; 0 holds none.'),
  CACHE_DISK_BYTES: env
    .integer(1024 * 1024 * 1024)
    .describe('How large the cache file may grow before its oldest transcripts are deleted; 0 writes none.'),
  CACHE_AGE_SECONDS: env
    .integer(30 * 24 * 3600, { min: 1, max: HUNDRED_YEARS_SECONDS })
    .describe('How long a transcript stays in the cache.'),
});

export type CacheSettings = z.infer<typeof cacheSettings>;
