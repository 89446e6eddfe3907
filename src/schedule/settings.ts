import { z } from 'zod';
import { env } from '../lib/env.ts';

export const scheduleSettings = z.object({
  SCHEDULE_AGING_SECONDS: env
    .number(30)
    .describe('Seconds of waiting that lift a request by one model size; 0 makes the queue first come, first served.'),
  QUEUE_MAX: env
    .integer(1000, { min: 1, max: 1_000_000 })
    .describe('Requests that may wait for a device, a long recording counting as one; further ones are told to retry.'),
  RECORDING_SHARE_MAX: env
    .number(0.5, { max: 1 })
    .describe('Share of all device slots that one long recording may use while others wait; always at least one slot.'),
  MODEL_IDLE_SECONDS: env
    .number(900)
    .describe('Seconds after its last use at which a model leaves device memory; 0 keeps it for good.'),
  MODEL_RESIDENCY_SECONDS: env
    .number(10)
    .describe('Seconds that a loaded model is kept, while it is in demand, before another model may take its place.'),
  MODEL_SPREAD_SECONDS: env
    .number(60)
    .describe('Seconds a model must be unused before a second copy of a busier model may take its place.'),
  GPU_POLL_SECONDS: env
    .number(5, { min: 0.1 })
    .describe('Seconds between two looks at device memory that other programs hold.'),
  GPU_WAIT_SECONDS: env
    .number(60)
    .describe('Seconds a request waits for device memory that other programs hold before it is refused.'),
  START_ATTEMPTS: env
    .integer(3, { min: 1, max: 100 })
    .describe(
      'Failed starts of a backend, on every device that could hold its model, after which its requests are refused.',
    ),
  START_BACKOFF_SECONDS: env
    .number(1)
    .describe('Seconds before a failed backend start is tried again; doubled by each further failure.'),
  START_BACKOFF_MAX_SECONDS: env.number(60).describe('Longest pause between two attempts to start a backend.'),
});

export type ScheduleSettings = z.infer<typeof scheduleSettings>;

/** The settings as the policy reads them. */
export interface Rules {
  agingMs: number;
  queueMax: number;
  recordingShareMax: number;
  /** Infinity when models are never unloaded. */
  idleMs: number;
  residencyMs: number;
  spreadMs: number;
  pollMs: number;
  gpuWaitMs: number;
  startAttempts: number;
  backoffMs: number;
  backoffMaxMs: number;
}

export function toRules(settings: ScheduleSettings): Rules {
  return {
    agingMs: settings.SCHEDULE_AGING_SECONDS * 1000,
    queueMax: settings.QUEUE_MAX,
    recordingShareMax: settings.RECORDING_SHARE_MAX,
    idleMs: settings.MODEL_IDLE_SECONDS === 0 ? Number.POSITIVE_INFINITY : settings.MODEL_IDLE_SECONDS * 1000,
    residencyMs: settings.MODEL_RESIDENCY_SECONDS * 1000,
    spreadMs: settings.MODEL_SPREAD_SECONDS * 1000,
    pollMs: settings.GPU_POLL_SECONDS * 1000,
    gpuWaitMs: settings.GPU_WAIT_SECONDS * 1000,
    startAttempts: settings.START_ATTEMPTS,
    backoffMs: settings.START_BACKOFF_SECONDS * 1000,
    backoffMaxMs: settings.START_BACKOFF_MAX_SECONDS * 1000,
  };
}
