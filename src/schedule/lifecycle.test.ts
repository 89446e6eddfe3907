import { beforeEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../errors.ts';
import type { DeviceMemory } from '../pool/protocol.ts';
import { makeDevice, makeModel, Stage } from './fake-effects.ts';
import { createLifecycle, type ModelEvent, type ModelLifecycle } from './lifecycle.ts';

const EPOCH_MS = 1_700_000_000_000;
const tiny = makeModel('tiny', 0, 300);
const large = makeModel('large', 4, 4000);
const notReady = new GatewayError('model-not-ready', 'It is being downloaded.', { retryAfterSeconds: 9 });

let stage: Stage;
let lifecycle: ModelLifecycle;
let memory: DeviceMemory | null;
let downloads: number;
beforeEach(() => {
  stage = new Stage([makeDevice('cuda:0', 5000)]);
  memory = { usedMb: 1000, totalMb: 5000, freeMb: 4000 };
  downloads = 0;
  const names = new Map([
    ['default', tiny],
    ['tiny', tiny],
    ['whisper-large', large],
  ]);
  lifecycle = createLifecycle({
    scheduler: stage.scheduler,
    clock: stage.clock,
    epochMs: () => EPOCH_MS + stage.clock.nowMs(),
    pool: { memory: async () => memory },
    models: {
      lookUp: async (asked) =>
        names.get(asked) ?? (asked === 'medium' ? { name: 'medium', memoryMb: 2000 } : undefined),
      resolve: async (asked) => {
        const model = names.get(asked);
        if (model) return model;
        downloads += 1;
        throw notReady;
      },
    },
  });
});

async function read(events: AsyncGenerator<ModelEvent>): Promise<ModelEvent[]> {
  const all: ModelEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('status', () => {
  it('says where a model is or would be, by our name, in wall time', async () => {
    const gpu = { name: 'cuda:0', usedMb: 1000, totalMb: 5000, freeMb: 4000 };
    const at = { model: 'large', neededMb: 4000, gpu, loadedAtMs: null, retryInSeconds: null };
    expect(await lifecycle.status('whisper-large')).toEqual({ ...at, state: 'unloaded' });
    await stage.clock.advance(5000);
    expect(await lifecycle.load('whisper-large')).toBe('initiated');
    expect(await lifecycle.status('whisper-large')).toEqual({ ...at, state: 'loading' });
    await stage.clock.advance(2000);
    expect(await lifecycle.load('whisper-large')).toBe('ready');
    await stage.clock.advance(60_000);
    expect(await lifecycle.status('whisper-large')).toEqual({ ...at, state: 'ready', loadedAtMs: EPOCH_MS + 7000 });
    expect(await lifecycle.status(null)).toMatchObject({ model: 'tiny', state: 'unloaded', neededMb: 300 });
  });

  it('has no figures where the device tells none', async () => {
    memory = null;
    expect(await lifecycle.status(null)).toMatchObject({ gpu: null });
  });

  it('says when a wait for memory may be over', async () => {
    stage.effects.othersMb.set('cuda:0', 4900);
    await lifecycle.load(null);
    await stage.clock.advance(1500);
    expect(await lifecycle.status(null)).toMatchObject({ state: 'waiting_for_gpu', retryInSeconds: 4 });
    await lifecycle.unload(null);
    expect(await lifecycle.status(null)).toMatchObject({ state: 'unloaded', retryInSeconds: null });
  });

  it('of a known model that is not on disk is unloaded, and begins no download', async () => {
    expect(await lifecycle.status('medium')).toMatchObject({ model: 'medium', state: 'unloaded', neededMb: 2000 });
    await lifecycle.unload('medium');
    expect(downloads).toBe(0);
    await expect(lifecycle.load('medium')).rejects.toBe(notReady);
    expect(downloads).toBe(1);
  });

  it.each(['status', 'unload'] as const)('%s of a name that nobody knows is an error', async (verb) => {
    await expect(lifecycle[verb]('none')).rejects.toMatchObject({ code: 'model-unknown', field: 'model' });
  });
});

describe('events', () => {
  it('tells every reader each change once, from when it asked to when it left', async () => {
    const callers = [new AbortController(), new AbortController()];
    await stage.load(tiny);
    const readers = callers.map(({ signal }) => read(lifecycle.events(signal)));
    await lifecycle.unload('tiny');
    await stage.clock.advance(200);
    callers[0]?.abort();
    await lifecycle.load('tiny');
    await stage.clock.advance(2000);
    callers[1]?.abort();
    const unloaded = { type: 'model_unloaded', model: 'tiny', atMs: EPOCH_MS + 2200 };
    expect(await readers[0]).toEqual([unloaded]);
    expect(await readers[1]).toEqual([
      unloaded,
      { type: 'model_loading', model: 'tiny', atMs: EPOCH_MS + 2200 },
      { type: 'model_ready', model: 'tiny', atMs: EPOCH_MS + 4200 },
    ]);
    const { loadedAtMs } = await lifecycle.status('tiny');
    expect(loadedAtMs).toBe(EPOCH_MS + 4200);
  });

  it('misses nothing between the question and the first reading', async () => {
    const caller = new AbortController();
    const events = lifecycle.events(caller.signal);
    await stage.load(tiny);
    expect(await events.next()).toMatchObject({ value: { type: 'model_loading' } });
    caller.abort();
    expect(await read(events)).toMatchObject([{ type: 'model_ready' }]);
  });

  it('forgets the oldest for a reader that falls far behind', async () => {
    const caller = new AbortController();
    const events = lifecycle.events(caller.signal);
    for (let round = 0; round < 60; round += 1) {
      await stage.load(tiny);
      await lifecycle.unload('tiny');
      await stage.clock.advance(200);
    }
    caller.abort();
    const all = await read(events);
    expect(all).toHaveLength(100);
    expect(all.at(-1)).toMatchObject({ type: 'model_unloaded', atMs: EPOCH_MS + stage.clock.nowMs() });
  });

  it('ends at once for a caller who left before', async () => {
    expect(await read(lifecycle.events(AbortSignal.abort()))).toEqual([]);
  });
});
