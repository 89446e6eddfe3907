import { z } from 'zod';
import { env } from '../lib/env.ts';

export const poolSettings = z.object({
  DEVICES: env
    .list()
    .describe('Devices to run engines on: `cuda:0,cuda:1`, `cpu`, `cpu:0,cpu:1`. Unset: every GPU, else the CPU.'),
  WHISPER_SERVER_BIN: env
    .text()
    .describe(
      "Program that takes whisper-server's flags and speaks its HTTP contract. Unset: `whisper-server` on the PATH, else the one that setup built.",
    ),
  SLOTS_PER_DEVICE: env
    .integer(1, { min: 1, max: 16 })
    .describe('Inferences that run at the same time on one device, each in an engine of its own.'),
  THREADS_PER_ENGINE: env
    .integer(0, { max: 256 })
    .describe('Threads of each engine; 0 shares the physical cores among the engines.'),
  ENGINE_START_SECONDS: env
    .integer(120, { min: 1, max: 3600 })
    .describe('How long an engine may take to load its model and answer.'),
  ENGINE_STOP_SECONDS: env
    .number(5, { max: 600 })
    .describe('How long an engine may take to end when asked, before it is killed.'),
  ENGINE_DEADLINE_FACTOR: env
    .number(1, { min: 0.001, max: 1000 })
    .describe(
      'Multiplies the time an inference may take before its engine counts as stuck; raise it on a slow machine.',
    ),
  ENGINE_MEMORY_GROWTH_MB: env
    .integer(1024, { min: 1 })
    .describe('An engine whose own memory grew by this much since its first inference is replaced.'),
});

export type PoolSettings = z.infer<typeof poolSettings>;
