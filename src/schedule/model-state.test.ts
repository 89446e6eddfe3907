// Models as a whole: loaded and unloaded on demand, and every change told once and in order.
import { afterEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../errors.ts';
import { settle } from '../lib/clock.ts';
import type { Device } from '../pool/protocol.ts';
import { makeDevice, makeModel, Stage } from './fake-effects.ts';

const tiny = makeModel('tiny', 0, 300);
const large = makeModel('large', 4, 4000);
const turbo = makeModel('turbo', 4, 4000);

const stages: Stage[] = [];
function stageOf(devices: Device[], environment: Record<string, string> = {}): Stage {
  const stage = new Stage(devices, environment);
  stages.push(stage);
  return stage;
}
afterEach(() => {
  for (const stage of stages.splice(0)) expect(stage.effects.violations).toEqual([]);
});

const oneDevice = () => [makeDevice('cuda:0', 5000)];
const twoDevices = () => [makeDevice('cuda:0', 5000), makeDevice('cuda:1', 5000)];
const failure = new GatewayError('engine-failed', 'unknown tensor in model file');
const placeOf = (stage: Stage, model = large) => stage.scheduler.modelPlace(model.name, model.memoryMb);

describe('load', () => {
  it('loads a model ahead of requests, once, and leaves it idle', async () => {
    const stage = stageOf(twoDevices());
    expect(placeOf(stage)).toMatchObject({ state: 'unloaded', sinceMs: null });
    expect(stage.scheduler.load(large)).toBe('initiated');
    expect(stage.scheduler.load(large)).toBe('initiated');
    expect(placeOf(stage)).toMatchObject({ state: 'loading', device: { id: 'cuda:0' } });
    await stage.clock.advance(2000);
    expect(stage.scheduler.load(large)).toBe('ready');
    expect(placeOf(stage)).toMatchObject({ state: 'ready', sinceMs: 2000, device: { id: 'cuda:0' }, retryInMs: null });
    expect(stage.scheduler.status()).toMatchObject({
      devices: [{ backends: [{ model: 'large', state: 'idle', stateMs: 0 }] }, { backends: [] }],
      waiting: [],
    });
    expect(stage.effects.starts).toEqual(['large@cuda:0']);
    expect(stage.changes).toEqual(['large: loading', 'large: ready']);
  });

  it.each([
    ['before', true],
    ['after', false],
  ])('starts no second copy for itself when a request came %s it', async (_when, isRequestFirst) => {
    const stage = stageOf(twoDevices());
    if (!isRequestFirst) stage.scheduler.load(large);
    const asked = stage.ask(large);
    if (isRequestFirst) expect(stage.scheduler.load(large)).toBe('initiated');
    await stage.clock.advance(2000);
    expect(asked.place).toBe('large@cuda:0');
    expect(stage.effects.starts).toEqual(['large@cuda:0']);
  });

  it('says ready while the only copy is busy', async () => {
    const stage = stageOf(oneDevice());
    await stage.hold(large);
    expect(stage.scheduler.load(large)).toBe('ready');
    expect(stage.scheduler.status().waiting).toEqual([]);
  });

  it('is let in where the queue is full, and counts for nobody', async () => {
    const stage = stageOf(oneDevice(), { QUEUE_MAX: '1' });
    await stage.hold(large);
    const waiting = stage.ask(large);
    expect(stage.scheduler.load(tiny)).toBe('initiated');
    await settle();
    expect(waiting.error).toBeNull();
    expect(stage.scheduler.status().waiting).toHaveLength(2);
  });

  it('waits for its turn like a request, and evicts like one', async () => {
    const stage = stageOf(oneDevice());
    const lease = await stage.hold(large);
    stage.scheduler.load(turbo);
    await stage.clock.advance(20_000);
    expect(placeOf(stage, turbo).state).toBe('unloaded');
    lease.release();
    await stage.clock.advance(2200);
    expect(stage.changes).toEqual([
      'large: loading',
      'large: ready',
      'turbo: loading',
      'large: unloaded',
      'turbo: ready',
    ]);
  });

  it('throws what is hopeless, and when the server shuts down', async () => {
    const stage = stageOf(oneDevice(), { START_ATTEMPTS: '1' });
    const load = () => stage.scheduler.load(large);
    expect(() => stage.scheduler.load(makeModel('giant', 5, 9000))).toThrow(
      expect.objectContaining({ code: 'option-unsupported' }),
    );
    expect(stage.scheduler.modelPlace('giant', 9000).device).toBeNull();
    stage.effects.startError = () => failure;
    expect(load()).toBe('initiated');
    await stage.clock.advance(2000);
    expect(load).toThrow(expect.objectContaining({ code: 'engine-failed' }));
    stage.effects.startError = () => null;
    await stage.clock.advance(1000);
    expect(load()).toBe('initiated');
    await stage.clock.advance(2000);
    expect(load()).toBe('ready');
    expect(stage.changes).toEqual(['large: loading', 'large: unloaded', 'large: loading', 'large: ready']);
    void stage.scheduler.shutdown(0);
    expect(load).toThrow(expect.objectContaining({ code: 'shutting-down' }));
  });
});

describe('unload', () => {
  it('stops an idle model at once; it is unloaded when its process is gone', async () => {
    const stage = stageOf(oneDevice());
    await stage.load(large);
    stage.scheduler.unload('large');
    stage.scheduler.unload('large');
    expect(stage.effects.stops).toEqual(['large@cuda:0']);
    await stage.clock.advance(199);
    expect(placeOf(stage).state).toBe('ready');
    await stage.clock.advance(1);
    expect(stage.effects.processes).toEqual([]);
    expect(stage.changes).toEqual(['large: loading', 'large: ready', 'large: unloaded']);
    await stage.clock.advance(60_000);
    expect(stage.effects.starts).toHaveLength(1);
  });

  it('lets what runs end first, on every device, and leases to nobody meanwhile', async () => {
    const stage = stageOf(twoDevices());
    const leases = [await stage.hold(large), await stage.hold(large)];
    stage.scheduler.unload('large');
    expect(stage.effects.stops).toEqual([]);
    leases[0]?.release();
    expect(stage.effects.stops).toEqual(['large@cuda:0']);
    await stage.clock.advance(60_000);
    expect(placeOf(stage)).toMatchObject({ state: 'ready', device: { id: 'cuda:1' } });
    leases[1]?.release();
    await stage.clock.advance(200);
    expect(stage.effects.processes).toEqual([]);
    expect(stage.changes).toEqual(['large: loading', 'large: ready', 'large: unloaded']);
  });

  it('gives up a start, which is no failure, and the load that began it', async () => {
    const stage = stageOf(oneDevice());
    stage.scheduler.load(large);
    await stage.clock.advance(1000);
    stage.scheduler.unload('large');
    await settle();
    expect(stage.effects.processes).toEqual([]);
    expect(stage.scheduler.status()).toMatchObject({ devices: [{ backends: [], troubles: [] }], waiting: [] });
    expect(stage.changes).toEqual(['large: loading', 'large: unloaded']);
    await stage.clock.advance(60_000);
    expect(stage.effects.starts).toHaveLength(1);
  });

  it('ends an engine whose start could not be given up', async () => {
    const stage = stageOf(oneDevice());
    const { effects } = stage;
    const start = effects.start.bind(effects);
    effects.start = (device, model) => start(device, model, new AbortController().signal);
    stage.scheduler.load(large);
    await settle();
    stage.scheduler.unload('large');
    await stage.clock.advance(2000 + 200);
    expect(effects.stops).toEqual(['large@cuda:0']);
    expect(stage.changes).toEqual(['large: loading', 'large: unloaded']);
  });

  it('withdraws a load that still waits for its turn', async () => {
    const stage = stageOf(oneDevice());
    const lease = await stage.hold(large);
    stage.scheduler.load(turbo);
    stage.scheduler.unload('turbo');
    lease.release();
    await stage.clock.advance(60_000);
    expect(stage.effects.starts).toEqual(['large@cuda:0']);
  });

  it('may be taken back at once', async () => {
    const stage = stageOf(oneDevice());
    stage.scheduler.load(large);
    stage.scheduler.unload('large');
    expect(stage.scheduler.load(large)).toBe('initiated');
    await stage.clock.advance(2000);
    expect(placeOf(stage).state).toBe('ready');
    stage.scheduler.unload('large');
    expect(stage.scheduler.load(large)).toBe('initiated');
    await stage.clock.advance(2200);
    expect(placeOf(stage).state).toBe('ready');
  });

  it('refuses nobody: those who wait have the model loaded again', async () => {
    const stage = stageOf(oneDevice());
    const lease = await stage.hold(large);
    const [second, third] = [stage.ask(large), stage.ask(large)];
    stage.scheduler.unload('large');
    await stage.clock.advance(1000);
    expect(second.place).toBeNull();
    lease.release();
    await stage.clock.advance(2200);
    expect(second.place).toBe('large@cuda:0');
    expect(second.lease?.backend).not.toBe(lease.backend);
    second.lease?.release();
    await settle();
    expect(third.place).toBe('large@cuda:0');
    expect(stage.effects.starts).toHaveLength(2);
  });

  it('makes room at once for whoever waits for the memory', async () => {
    const stage = stageOf([makeDevice('cuda:0', 5000, 2)]);
    await stage.load(large);
    const lease = await stage.hold(large);
    const asked = stage.ask(turbo);
    stage.scheduler.unload('large');
    await stage.clock.advance(5000);
    expect(asked.place).toBeNull();
    lease.release();
    await stage.clock.advance(2200);
    expect(asked.place).toBe('turbo@cuda:0');
  });

  it('is nothing to a model that is not there', () => {
    const stage = stageOf(oneDevice());
    stage.scheduler.unload('large');
    expect(stage.changes).toEqual([]);
  });

  it('takes every file of the name: one that was replaced while it was loaded, too', async () => {
    const stage = stageOf(twoDevices());
    await stage.load(large);
    const replaced = { ...large, digest: 'another' };
    expect(stage.scheduler.load(replaced)).toBe('initiated');
    await stage.clock.advance(2000);
    expect(stage.effects.processes).toHaveLength(2);
    stage.scheduler.unload('large');
    await stage.clock.advance(200);
    expect(stage.effects.processes).toEqual([]);
    expect(stage.changes).toEqual(['large: loading', 'large: ready', 'large: unloaded']);
  });
});

describe('changes', () => {
  it('are told when a model is unused for long, once for all its copies', async () => {
    const stage = stageOf(twoDevices(), { MODEL_IDLE_SECONDS: '60' });
    const leases = [await stage.hold(large), await stage.hold(large)];
    leases[0]?.release();
    await stage.clock.advance(60_000);
    leases[1]?.release();
    expect(stage.changes).toEqual(['large: loading', 'large: ready']);
    await stage.clock.advance(60_200);
    expect(stage.changes).toEqual(['large: loading', 'large: ready', 'large: unloaded']);
  });

  it('are told when its last backend crashes, before the next one starts', async () => {
    const stage = stageOf(oneDevice());
    const lease = await stage.hold(large);
    stage.ask(large);
    stage.effects.crash(lease.backend);
    await stage.clock.advance(2000);
    expect(stage.changes).toEqual([
      'large: loading',
      'large: ready',
      'large: unloaded',
      'large: loading',
      'large: ready',
    ]);
  });

  it('are told of each attempt of a failing start, and of its end', async () => {
    const stage = stageOf(oneDevice(), { START_ATTEMPTS: '2' });
    stage.effects.startError = () => failure;
    stage.ask(large);
    await stage.clock.advance(60_000);
    expect(stage.changes).toEqual(['large: loading', 'large: unloaded', 'large: loading', 'large: unloaded']);
  });

  it('name a shortage once, however often the memory is looked at, and the load when it is over', async () => {
    const stage = stageOf(oneDevice());
    stage.effects.othersMb.set('cuda:0', 3000);
    stage.scheduler.load(large);
    await stage.clock.advance(22_000);
    expect(stage.effects.looks).toBe(5);
    expect(placeOf(stage)).toMatchObject({ state: 'waiting_for_gpu', device: { id: 'cuda:0' }, retryInMs: 3000 });
    expect(stage.changes).toEqual(['large: loading', 'large: waiting_for_gpu']);
    stage.effects.othersMb.clear();
    await stage.clock.advance(3000);
    expect(stage.changes.slice(2)).toEqual(['large: loading']);
    await stage.clock.advance(2000);
    expect(stage.changes.slice(3)).toEqual(['large: ready']);
  });

  it('end a shortage with whoever waited: unloaded, or given up after GPU_WAIT_SECONDS', async () => {
    const stage = stageOf(oneDevice(), { GPU_WAIT_SECONDS: '20' });
    stage.effects.othersMb.set('cuda:0', 3000);
    stage.scheduler.load(large);
    await stage.clock.advance(1000);
    stage.scheduler.unload('large');
    expect(stage.changes).toEqual(['large: loading', 'large: waiting_for_gpu', 'large: unloaded']);
    stage.scheduler.load(large);
    await stage.clock.advance(30_000);
    expect(stage.changes.slice(3)).toEqual(['large: waiting_for_gpu', 'large: unloaded']);
    expect(placeOf(stage).retryInMs).toBeNull();
    expect(stage.clock.pendingCount).toBe(0);
  });

  it('do not name a model ready again because its last copy is still leaving', async () => {
    const stage = stageOf(twoDevices(), { START_ATTEMPTS: '1' });
    const lease = await stage.hold(large);
    stage.scheduler.unload('large');
    stage.effects.startError = () => failure;
    stage.ask(large);
    await stage.clock.advance(2000);
    lease.release();
    await stage.clock.advance(2200);
    expect(stage.changes).toEqual(['large: loading', 'large: ready', 'large: loading', 'large: unloaded']);
  });

  it('are told at shutdown, and no longer to those who left', async () => {
    const stage = stageOf(oneDevice());
    let told = 0;
    const leave = stage.scheduler.onModelChange(() => {
      told += 1;
    });
    await stage.load(large);
    leave();
    const shutdown = stage.scheduler.shutdown(0);
    await stage.clock.advance(200);
    await shutdown;
    expect(told).toBe(2);
    expect(stage.changes).toEqual(['large: loading', 'large: ready', 'large: unloaded']);
  });
});
