import { z } from 'zod';
import { env } from '../../lib/env.ts';

export const jobsApiSettings = z.object({
  STRICT_MODEL_READY: env
    .flag(false)
    .describe('Whether `POST /jobs` is refused with 503 until its model is in memory; otherwise jobs wait for it.'),
});

export type JobsApiSettings = z.infer<typeof jobsApiSettings>;
