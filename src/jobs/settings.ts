import { z } from 'zod';
import { env } from '../lib/env.ts';

export const jobsSettings = z.object({
  CALLBACKS_WAITING_MAX: env
    .integer(1000, { min: 1 })
    .describe('How many requests with a callback may wait for their transcript; beyond that they are refused.'),
  CALLBACK_BYTES_MAX: env
    .integer(16 * 1024 ** 3, { min: 1 })
    .describe('Disk space that the recordings of these requests may take, in bytes.'),
  CALLBACK_RUNS_MAX: env.integer(4, { min: 1 }).describe('How many of them are worked on at a time.'),
});

export type JobsSettings = z.infer<typeof jobsSettings>;
