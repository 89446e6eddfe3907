// Loading and unloading with real processes: what a caller is told is what the machine shows.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { inFile } from '../lib/stored.ts';
import type { Model } from '../models/model.ts';
import { collect, finalOf, isAlive, modelAt, never, options, PoolBench, ROOT } from '../pool/pool-bench.cases.ts';
import { type Chunk, PCM_BYTES_PER_MS } from '../transcript/recording.ts';
import { createLifecycle, type ModelEvent, type ModelLifecycle } from './lifecycle.ts';
import { Scheduler } from './scheduler.ts';
import { scheduleSettings } from './settings.ts';

const CHUNK_MS = 4000;

let bench: PoolBench;
let model: Model;
let reader: AbortController;
const schedulers: Scheduler[] = [];
beforeEach(async () => {
  bench = await PoolBench.open(join(ROOT, 'backends/paced/server.mjs'));
  reader = new AbortController();
  const path = join(bench.directory, 'ggml-paced.bin');
  model = modelAt(path);
  await writeFile(path, '');
});
afterEach(async () => {
  reader.abort();
  for (const scheduler of schedulers.splice(0)) await scheduler.shutdown(0);
  expect(await bench.close()).toEqual([]);
});

interface Parts {
  scheduler: Scheduler;
  lifecycle: ModelLifecycle;
  /** Reads on until this has happened. */
  until(type: ModelEvent['type']): Promise<void>;
}

async function build(knobs: Record<string, string>, settings: Record<string, string> = {}): Promise<Parts> {
  const pool = await bench.pool(knobs);
  const scheduler = new Scheduler({
    devices: pool.devices,
    effects: pool,
    settings: scheduleSettings.parse(settings),
    clock: systemClock,
    log: silentLog,
  });
  schedulers.push(scheduler);
  const models = { lookUp: async () => model, resolve: async () => model };
  const lifecycle = createLifecycle({ scheduler, models, pool, clock: systemClock });
  const events = lifecycle.events(reader.signal);
  return {
    scheduler,
    lifecycle,
    async until(type) {
      for (;;) {
        const { value } = await events.next();
        if (value?.type === type) return;
      }
    },
  };
}

async function writeChunk(): Promise<Chunk> {
  const path = join(bench.directory, 'noise.pcm');
  const byteLength = CHUNK_MS * PCM_BYTES_PER_MS;
  await writeFile(path, Buffer.alloc(byteLength, 'sound'));
  return { stored: inFile(path), byteOffset: 0, byteLength, startMs: 0, durationMs: CHUNK_MS };
}

test('what runs when its model is unloaded runs to its end; then the process is gone, and comes back on demand', async () => {
  const { scheduler, lifecycle, until } = await build({ PACED_SPEED: '4' });
  expect(await lifecycle.load(null)).toBe('initiated');
  await until('model_ready');
  const processId = bench.processId();
  expect(isAlive(processId)).toBe(true);

  const lease = await scheduler.lease({ model }, never);
  const running = collect(lease.backend.run(await writeChunk(), options, never)).finally(() => lease.release());
  await lifecycle.unload(null);
  expect(await lifecycle.status(null)).toMatchObject({ state: 'ready', gpu: null });
  expect(isAlive(processId)).toBe(true);
  expect(finalOf(await running).segments.at(-1)?.endMs).toBe(CHUNK_MS);
  await until('model_unloaded');
  expect(isAlive(processId)).toBe(false);
  expect(bench.notes()).toEqual([]);
  expect(await lifecycle.status(null)).toMatchObject({ state: 'unloaded', loadedAtMs: null });

  expect(await lifecycle.load(null)).toBe('initiated');
  await until('model_ready');
  expect(isAlive(bench.processId())).toBe(true);
});

test('a model that is unloaded while it starts leaves no process behind', async () => {
  const { lifecycle, until } = await build({ PACED_START_MS: '60000' });
  await lifecycle.load(null);
  await expect.poll(() => bench.notes()).toHaveLength(1);
  const processId = bench.processId();
  await lifecycle.unload(null);
  await until('model_unloaded');
  expect(isAlive(processId)).toBe(false);
});

test('a model that nobody has used for MODEL_IDLE_SECONDS leaves by itself', async () => {
  const { scheduler, lifecycle, until } = await build({ PACED_SPEED: '1000' }, { MODEL_IDLE_SECONDS: '0.5' });
  const lease = await scheduler.lease({ model }, never);
  const processId = bench.processId();
  await collect(lease.backend.run(await writeChunk(), options, never));
  const idleSinceMs = performance.now();
  lease.release();
  await until('model_unloaded');
  expect(performance.now() - idleSinceMs).toBeGreaterThanOrEqual(500);
  expect(isAlive(processId)).toBe(false);
  expect((await lifecycle.status(null)).state).toBe('unloaded');
});
