import { z } from 'zod';
import { env } from '../lib/env.ts';

export const jobsSettings = z.object({
  JOBS_WAITING_MAX: env
    .integer(10_000, { min: 1 })
    .describe('How many jobs, requests with a callback among them, may wait or run; further ones are refused.'),
  JOB_BYTES_MAX: env
    .integer(16 * 1024 ** 3, { min: 1 })
    .describe('Disk space that the recordings of these jobs may take, in bytes.'),
  JOBS_RUNNING_MAX: env.integer(4, { min: 1 }).describe('How many jobs are worked on at a time.'),
  JOB_SECONDS_MAX: env
    .integer(86_400, { min: 1 })
    .describe('How long after it was accepted a job may still wait for a model, for memory or for disk space.'),
  JOB_RETENTION_SECONDS: env
    .integer(604_800)
    .describe('How long a job that has ended is kept, its transcript included.'),
  JOBS_KEPT_MAX: env
    .integer(100_000, { min: 1 })
    .describe('How many jobs that have ended are kept; beyond that the oldest are forgotten early.'),
});

export type JobsSettings = z.infer<typeof jobsSettings>;
