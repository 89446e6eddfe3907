import { afterEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../errors.ts';
import { settle } from '../lib/clock.ts';
import type { Device } from '../pool/protocol.ts';
import { type Asked, makeDevice, makeModel, Stage } from './fake-effects.ts';
import type { Lease } from './scheduler.ts';

const tiny = makeModel('tiny', 0, 300);
const base = makeModel('base', 1, 500);
const small = makeModel('small', 2, 1000);
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

const oneDevice = () => [makeDevice('cuda:0', 8000)];
const twoDevices = () => [makeDevice('cuda:0', 5000), makeDevice('cuda:1', 5000)];
const code = (error: unknown) => (error instanceof GatewayError ? error.code : error);
const failure = new GatewayError('engine-failed', 'unknown tensor in model file');

describe('order', () => {
  it('serves the smaller model first, and within one model whoever came first', async () => {
    const stage = stageOf(oneDevice());
    for (const model of [tiny, large]) await stage.load(model);
    const running = await stage.hold(tiny);
    const asked = [stage.ask(large), stage.ask(tiny), stage.ask(tiny)];
    const order: number[] = [];
    running.release();
    for (let step = 0; step < 3; step++) {
      await settle();
      const next = asked.findIndex((request, index) => request.lease && !order.includes(index));
      order.push(next);
      asked[next]?.lease?.release();
    }
    expect(order).toEqual([1, 2, 0]);
  });

  it('lets waiting lift a request by one rank per SCHEDULE_AGING_SECONDS', async () => {
    const stage = stageOf(oneDevice(), { SCHEDULE_AGING_SECONDS: '30' });
    for (const model of [tiny, base, large]) await stage.load(model);
    const running = await stage.hold(tiny);
    const old = stage.ask(base);
    await stage.clock.advance(29_999);
    const early = stage.ask(tiny);
    await stage.clock.advance(2);
    const late = stage.ask(tiny);
    running.release();
    await settle();
    expect(early.place).toBe('tiny@cuda:0');
    early.lease?.release();
    await settle();
    expect([old.place, late.place]).toEqual(['base@cuda:0', null]);
  });

  it('is first come, first served when ageing takes no time', async () => {
    const stage = stageOf(oneDevice(), { SCHEDULE_AGING_SECONDS: '0' });
    for (const model of [tiny, large]) await stage.load(model);
    const running = await stage.hold(tiny);
    const first = stage.ask(large);
    const second = stage.ask(tiny);
    running.release();
    await settle();
    expect([first.place, second.place]).toEqual(['large@cuda:0', null]);
  });
});

describe('turns', () => {
  /** Releases lease after lease and says who got each. */
  async function servedInOrder(running: Lease, asked: Map<string, Asked>): Promise<string[]> {
    const order: string[] = [];
    running.release();
    for (let waiting = asked.size; waiting > 0; waiting--) {
      await settle();
      const [name, served] = [...asked].find(([, { lease }]) => lease) ?? [];
      if (!name || !served) break;
      order.push(name);
      asked.delete(name);
      served.lease?.release();
    }
    return order;
  }

  it('lets callers of one model take turns, with short requests first and then with chunks', async () => {
    const stage = stageOf(oneDevice());
    const running = await stage.hold(tiny);
    const asked = new Map<string, Asked>();
    const ask = (name: string, recording?: string) => {
      const caller = name[0] ?? '';
      asked.set(name, stage.ask(tiny, { caller, ...(recording && { recording }) }));
    };
    for (const name of ['a1', 'a2', 'a3']) ask(name, 'of a');
    for (const name of ['b1', 'b2']) ask(name, 'of b');
    for (const name of ['a4', 'a5', 'b3']) ask(name);
    expect(await servedInOrder(running, asked)).toEqual(['a4', 'b3', 'a5', 'a1', 'b1', 'a2', 'b2', 'a3']);
  });

  it('tells nobody apart when ageing takes no time: first come, first served', async () => {
    const stage = stageOf(oneDevice(), { SCHEDULE_AGING_SECONDS: '0' });
    const running = await stage.hold(tiny);
    const asked = new Map([
      ['1', stage.ask(tiny, { caller: 'a', recording: 'long' })],
      ['2', stage.ask(tiny, { caller: 'a', recording: 'long' })],
      ['3', stage.ask(tiny, { caller: 'b' })],
      ['4', stage.ask(tiny, { caller: 'c', recording: 'other' })],
    ]);
    expect(await servedInOrder(running, asked)).toEqual(['1', '2', '3', '4']);
  });

  it('costs no turn to leave', async () => {
    const stage = stageOf(oneDevice());
    const running = await stage.hold(tiny);
    const given = stage.ask(tiny, { caller: 'a' });
    const asked = new Map([
      ['a2', stage.ask(tiny, { caller: 'a' })],
      ['b1', stage.ask(tiny, { caller: 'b' })],
    ]);
    given.abort();
    await settle();
    expect(await servedInOrder(running, asked)).toEqual(['a2', 'b1']);
  });
});

describe('the share of one recording', () => {
  const fourDevices = () => Array.from({ length: 4 }, (_, index) => makeDevice(`cuda:${index}`, 5000));
  const heldOf = (asked: Asked[]) => asked.filter(({ lease }) => lease).length;

  it.each([
    { share: '0.5', held: 2 },
    { share: '0.25', held: 1 },
    { share: '0', held: 1 },
    { share: '0.99', held: 3 },
    { share: '1', held: 4 },
  ])('RECORDING_SHARE_MAX=$share of four slots is $held', async ({ share, held }) => {
    const stage = stageOf(fourDevices(), { RECORDING_SHARE_MAX: share });
    expect(stage.scheduler.slotCount).toBe(4);
    const running = await Promise.all(Array.from({ length: 4 }, () => stage.hold(large)));
    const one = Array.from({ length: 6 }, () => stage.ask(large, { recording: 'one' }));
    // Other recordings come and go; this one gets its share and keeps it.
    const others = Array.from({ length: 6 }, (_, number) => stage.ask(large, { recording: `other ${number}` }));
    for (const lease of running) lease.release();
    await settle();
    for (let turn = 6; turn < 40; turn++) {
      others.push(stage.ask(large, { recording: `other ${turn}` }));
      const done = others.findIndex(({ lease }) => lease);
      if (done >= 0) others.splice(done, 1)[0]?.lease?.release();
      await settle();
    }
    expect(heldOf(one)).toBe(held);
  });

  it('is the whole pool while nobody else waits, and is given back when backends end', async () => {
    const stage = stageOf(fourDevices());
    const one = Array.from({ length: 8 }, () => stage.ask(large, { recording: 'one' }));
    await stage.clock.advance(5000);
    expect(heldOf(one)).toBe(4);
    const two = Array.from({ length: 4 }, () => stage.ask(large, { recording: 'two' }));
    for (const { lease } of one.slice(0, 4)) if (lease) stage.effects.crash(lease.backend);
    await stage.clock.advance(5000);
    // Four of the first eight have lost their lease; of the others, two run beside two of the other recording.
    expect([heldOf(one.slice(4)), heldOf(two)]).toEqual([2, 2]);
  });
});

describe('placement', () => {
  it('uses a free backend that holds the model before starting another', async () => {
    const stage = stageOf(twoDevices());
    await stage.load(large);
    await stage.load(large);
    expect(stage.effects.starts).toEqual(['large@cuda:0']);
  });

  it('starts on an empty device rather than evicting', async () => {
    const stage = stageOf(twoDevices());
    await stage.load(large);
    await stage.load(turbo);
    expect(stage.effects.processes).toEqual(['large@cuda:0', 'turbo@cuda:1']);
    expect(stage.effects.stops).toEqual([]);
  });

  it('keeps several models on one device while memory lasts, one inference at a time', async () => {
    const stage = stageOf(oneDevice());
    await stage.load(tiny);
    await stage.load(large);
    const running = await stage.hold(tiny);
    const other = stage.ask(large);
    await stage.clock.advance(60_000);
    expect(other.lease).toBeNull();
    running.release();
    await settle();
    expect(other.place).toBe('large@cuda:0');
  });

  it('prefers a graphics card to the processor', async () => {
    const stage = stageOf([makeDevice('cpu', 64_000), makeDevice('cuda:0', 8000)]);
    await stage.load(small);
    expect(stage.effects.starts).toEqual(['small@cuda:0']);
  });

  it('spreads a hot model to a free device when requests queue', async () => {
    const stage = stageOf(twoDevices());
    await stage.hold(large);
    const second = stage.ask(large);
    await stage.clock.advance(2000);
    expect(second.place).toBe('large@cuda:1');
  });

  it('starts as many engines as there are requests, and no more', async () => {
    const stage = stageOf([makeDevice('cuda:0', 5000), makeDevice('cuda:1', 5000), makeDevice('cuda:2', 5000)]);
    stage.ask(large);
    stage.ask(large);
    await stage.clock.advance(5000);
    expect(stage.effects.starts).toEqual(['large@cuda:0', 'large@cuda:1']);
  });

  it('does not start a second engine for a request that the first, still starting, will serve', async () => {
    const stage = stageOf(twoDevices());
    await stage.load(turbo);
    stage.ask(large);
    const second = stage.ask(large);
    await stage.clock.advance(60_000);
    // The other device holds a model that was used lately: no reason to throw it out for a second copy.
    expect(stage.effects.starts).toEqual(['turbo@cuda:0', 'large@cuda:1']);
    expect(second.lease).toBeNull();
  });

  it('runs several inferences on a device with several slots, each on a backend of its own', async () => {
    const stage = stageOf([makeDevice('cuda:0', 10_000, 2)]);
    const asked = [stage.ask(large), stage.ask(large), stage.ask(large)];
    await stage.clock.advance(5000);
    expect(asked.map((request) => request.place)).toEqual(['large@cuda:0', 'large@cuda:0', null]);
    expect(new Set(asked.map((request) => request.lease?.backend)).size).toBe(3);
    expect(stage.effects.starts).toHaveLength(2);
  });

  it('does not run a second copy that memory does not hold', async () => {
    const stage = stageOf([makeDevice('cuda:0', 5000, 2)]);
    await stage.hold(large);
    const second = stage.ask(large);
    await stage.clock.advance(120_000);
    expect(second.lease).toBeNull();
    expect(stage.effects.starts).toHaveLength(1);
  });

  it('treats a replaced model file as another model', async () => {
    const stage = stageOf(oneDevice());
    await stage.load(tiny);
    await stage.load({ ...tiny, digest: 'other' });
    expect(stage.effects.starts).toEqual(['tiny@cuda:0', 'tiny@cuda:0']);
  });
});

describe('eviction', () => {
  it('evicts the least recently used model, and only what is needed', async () => {
    const stage = stageOf([makeDevice('cuda:0', 5500)]);
    await stage.load(tiny);
    await stage.load(base);
    await stage.load(small);
    await stage.clock.advance(20_000);
    await stage.load(tiny);
    await stage.clock.advance(20_000);
    await stage.load(large);
    // 3700 MB were free: base (500) would have sufficed, and it was used before small and tiny.
    expect(stage.effects.stops).toEqual(['base@cuda:0']);
    expect(stage.effects.processes).toEqual(['large@cuda:0', 'small@cuda:0', 'tiny@cuda:0']);
  });

  it('spares an old small victim that a later large one makes needless', async () => {
    const stage = stageOf([makeDevice('cuda:0', 4400)]);
    await stage.load(tiny);
    await stage.load(large);
    await stage.clock.advance(20_000);
    await stage.load(turbo);
    expect(stage.effects.stops).toEqual(['large@cuda:0']);
  });

  it('waits for the evicted process to be gone before it starts the next', async () => {
    const stage = stageOf([makeDevice('cuda:0', 5000)]);
    stage.effects.stopMs = 3000;
    await stage.load(large);
    await stage.clock.advance(20_000);
    stage.ask(turbo);
    await stage.clock.advance(2999);
    expect(stage.effects.starts).toEqual(['large@cuda:0']);
    await stage.clock.advance(2);
    expect(stage.effects.starts).toEqual(['large@cuda:0', 'turbo@cuda:0']);
  });

  it('chooses the device whose victim was unused for longest', async () => {
    const stage = stageOf(twoDevices());
    await stage.load(large);
    await stage.load(turbo);
    await stage.clock.advance(20_000);
    await stage.load(large);
    await stage.clock.advance(20_000);
    await stage.load(makeModel('medium', 3, 4000));
    expect(stage.effects.stops).toEqual(['turbo@cuda:1']);
  });

  it('never evicts a model in use', async () => {
    const stage = stageOf([makeDevice('cuda:0', 5000, 2)]);
    await stage.hold(large);
    const other = stage.ask(turbo);
    await stage.clock.advance(600_000);
    expect(stage.effects.stops).toEqual([]);
    expect(other.lease).toBeNull();
  });
});

describe('residency', () => {
  it('keeps a model that is in demand for MODEL_RESIDENCY_SECONDS, then yields to whoever waited longer', async () => {
    const stage = stageOf([makeDevice('cuda:0', 5000)], { SCHEDULE_AGING_SECONDS: '0' });
    const readyAtMs = 2000;
    let running = await stage.hold(large);
    const other = stage.ask(turbo);
    const queue = Array.from({ length: 30 }, () => stage.ask(large));
    while (!other.lease) {
      running.release();
      await settle();
      const next = queue.find((request) => request.lease && request.lease !== running);
      if (next?.lease) {
        queue.splice(queue.indexOf(next), 1);
        running = next.lease;
      }
      await stage.clock.advance(1000);
      if (stage.clock.nowMs() < readyAtMs + 10_000) expect(stage.effects.stops).toEqual([]);
      expect(stage.clock.nowMs()).toBeLessThan(readyAtMs + 10_000 + 1000 + 200 + 2000 + 2000);
    }
    expect(queue.length).toBeGreaterThan(15);
  });

  it('does not swap at every request between two clients that each send one after the other', async () => {
    const stage = stageOf([makeDevice('cuda:0', 5000)]);
    const clients = [large, turbo].map((model) => ({ model, asked: stage.ask(model), served: 0 }));
    for (let elapsedMs = 0; elapsedMs < 120_000; elapsedMs += 500) {
      await stage.clock.advance(500);
      for (const client of clients) {
        if (!client.asked.lease) continue;
        client.asked.lease.release();
        // The answer has to travel before the next request comes.
        await stage.clock.advance(20);
        client.asked = stage.ask(client.model);
        client.served += 1;
      }
    }
    // Two minutes hold ten swaps of two seconds at most, each after ten seconds of residency.
    expect(stage.effects.starts.length).toBeLessThanOrEqual(11);
    for (const client of clients) expect(client.served).toBeGreaterThan(30);
  });

  it('gives up a model nobody waits for after a moment, without waiting for its residency to end', async () => {
    const stage = stageOf([makeDevice('cuda:0', 5000)]);
    await stage.load(large);
    const other = stage.ask(turbo);
    await stage.clock.advance(999);
    expect(stage.effects.stops).toEqual([]);
    await stage.clock.advance(1 + 200 + 2000);
    expect(other.place).toBe('turbo@cuda:0');
  });

  it('two models never make two devices swap back and forth', async () => {
    const stage = stageOf(twoDevices());
    await stage.load(large);
    await stage.load(turbo);
    // Bursts by turns, each of them larger than one device can serve at once.
    for (let turn = 0; turn < 20; turn++) {
      const burst = Array.from({ length: 4 }, () => stage.ask(turn % 2 ? large : turbo));
      while (burst.some((request) => !request.endedAtMs || request.lease)) {
        await stage.clock.advance(1500);
        for (const request of burst) {
          request.lease?.release();
          if (request.lease) request.lease = null;
        }
      }
    }
    expect(stage.effects.starts).toEqual(['large@cuda:0', 'turbo@cuda:1']);
  });

  it('lets a second copy evict only what was unused for MODEL_SPREAD_SECONDS', async () => {
    const stage = stageOf(twoDevices());
    await stage.load(turbo);
    await stage.load(large);
    await stage.hold(large);
    const second = stage.ask(large);
    await stage.clock.advance(50_000);
    expect(stage.effects.stops).toEqual([]);
    await stage.clock.advance(15_000);
    expect(stage.effects.stops).toEqual(['turbo@cuda:0']);
    expect(second.place).toBe('large@cuda:0');
  });

  it('pays for a second copy only after waiting as long as the swap would take', async () => {
    const stage = stageOf(twoDevices());
    await stage.load(turbo);
    await stage.load(large);
    await stage.clock.advance(120_000);
    await stage.hold(large);
    stage.ask(large);
    await stage.clock.advance(1999);
    expect(stage.effects.stops).toEqual([]);
    await stage.clock.advance(2);
    expect(stage.effects.stops).toEqual(['turbo@cuda:0']);
  });
});

describe('patience', () => {
  it('counts from whoever has waited longest, whoever is next', async () => {
    const stage = stageOf(twoDevices());
    await stage.load(turbo);
    await stage.load(large);
    await stage.clock.advance(120_000);
    await stage.hold(large);
    stage.ask(large, { recording: 'long' });
    await stage.clock.advance(1900);
    stage.ask(large);
    await stage.clock.advance(101);
    expect(stage.effects.stops).toEqual(['turbo@cuda:0']);
  });
});

describe('idle models', () => {
  it('unloads a model after MODEL_IDLE_SECONDS without use', async () => {
    const stage = stageOf(oneDevice(), { MODEL_IDLE_SECONDS: '60' });
    await stage.load(tiny);
    await stage.clock.advance(50_000);
    await stage.load(tiny);
    await stage.clock.advance(59_000);
    expect(stage.effects.processes).toEqual(['tiny@cuda:0']);
    await stage.clock.advance(1500);
    expect(stage.effects.processes).toEqual([]);
  });

  it('keeps them for good when it is 0', async () => {
    const stage = stageOf(oneDevice(), { MODEL_IDLE_SECONDS: '0' });
    await stage.load(tiny);
    await stage.clock.advance(1e9);
    expect(stage.effects.processes).toEqual(['tiny@cuda:0']);
    expect(stage.clock.pendingCount).toBe(0);
  });

  it('never unloads a model in use or waited for', async () => {
    const stage = stageOf(oneDevice(), { MODEL_IDLE_SECONDS: '5' });
    await stage.load(base);
    const running = await stage.hold(tiny);
    const other = stage.ask(base);
    await stage.clock.advance(100_000);
    expect(stage.effects.stops).toEqual([]);
    running.release();
    await settle();
    expect(other.place).toBe('base@cuda:0');
  });
});

describe('memory held by other programs', () => {
  it('waits, says so, looks again every GPU_POLL_SECONDS, and goes on when the memory is free', async () => {
    const stage = stageOf(oneDevice(), { GPU_POLL_SECONDS: '5' });
    stage.effects.othersMb.set('cuda:0', 6000);
    const asked = stage.ask(large, { caller: 'job 7' });
    await stage.clock.advance(1000);
    expect(stage.scheduler.status().waiting).toEqual([
      {
        model: 'large',
        rank: 4,
        caller: 'job 7',
        waitedMs: 1000,
        state: 'waiting_for_gpu',
        neededMb: 4000,
        freeMb: 2000,
        retryInMs: 4000,
      },
    ]);
    await stage.clock.advance(29_500);
    expect(stage.effects.starts).toEqual([]);
    expect(stage.effects.looks).toBe(7);
    stage.effects.othersMb.clear();
    await stage.clock.advance(5000 + 2000);
    expect(asked.place).toBe('large@cuda:0');
    expect(stage.scheduler.status().devices[0]?.troubles).toEqual([]);
  });

  it('treats an engine that runs out of memory the same, and counts it as no failure', async () => {
    const stage = stageOf(oneDevice(), { GPU_POLL_SECONDS: '5', START_ATTEMPTS: '1' });
    stage.effects.memoryKnown = false;
    stage.effects.othersMb.set('cuda:0', 6000);
    const asked = stage.ask(large);
    await stage.clock.advance(20_000);
    expect(stage.effects.starts.length).toBe(3);
    expect(stage.scheduler.status().waiting[0]).toMatchObject({ state: 'waiting_for_gpu', neededMb: 4000 });
    stage.effects.othersMb.clear();
    await stage.clock.advance(8000);
    expect(asked.place).toBe('large@cuda:0');
  });

  it('lets other models run meanwhile', async () => {
    const stage = stageOf(oneDevice());
    stage.effects.othersMb.set('cuda:0', 6000);
    stage.ask(large);
    await stage.clock.advance(100);
    await stage.load(tiny);
    await stage.load(tiny);
    expect(stage.effects.starts).toEqual(['tiny@cuda:0']);
  });

  it('uses another device that has the memory', async () => {
    const stage = stageOf(twoDevices());
    stage.effects.othersMb.set('cuda:0', 4000);
    const asked = stage.ask(large);
    await stage.clock.advance(2000);
    expect(asked.place).toBe('large@cuda:1');
  });

  it('evicts an idle model of ours when that makes up for it', async () => {
    const stage = stageOf(oneDevice());
    await stage.load(turbo);
    await stage.clock.advance(20_000);
    stage.effects.othersMb.set('cuda:0', 3000);
    const asked = stage.ask(large);
    await stage.clock.advance(3000);
    expect(stage.effects.stops).toEqual(['turbo@cuda:0']);
    expect(asked.place).toBe('large@cuda:0');
  });

  it('evicts nothing when that would not make up for it', async () => {
    const stage = stageOf(oneDevice());
    await stage.load(tiny);
    await stage.clock.advance(20_000);
    stage.effects.othersMb.set('cuda:0', 7000);
    stage.ask(large);
    await stage.clock.advance(30_000);
    expect(stage.effects.stops).toEqual([]);
  });

  it('refuses with gpu-memory-short after GPU_WAIT_SECONDS, counted from when memory became the reason', async () => {
    const stage = stageOf(oneDevice(), { GPU_WAIT_SECONDS: '60', GPU_POLL_SECONDS: '5' });
    const running = await stage.hold(tiny);
    const asked = stage.ask(large);
    await stage.clock.advance(100_000);
    stage.effects.othersMb.set('cuda:0', 7000);
    running.release();
    await stage.hold(tiny);
    const shortFromMs = stage.clock.nowMs();
    // The device is busy from here on, so the first look at its memory stays the only one.
    await stage.clock.advance(59_000);
    expect(asked.error).toBeNull();
    await stage.clock.advance(2000);
    expect(code(asked.error)).toBe('gpu-memory-short');
    expect(asked.error).toMatchObject({ neededMb: 4000, freeMb: 700, retryAfterSeconds: 5 });
    expect(asked.endedAtMs).toBeLessThanOrEqual(shortFromMs + 60_000);
  });

  it('does not hold a shortage of long ago against a request that waits for a busy device', async () => {
    const stage = stageOf(oneDevice(), { GPU_WAIT_SECONDS: '60' });
    await stage.load(tiny);
    stage.effects.othersMb.set('cuda:0', 7000);
    const before = stage.ask(large);
    await stage.clock.advance(1000);
    before.abort();
    stage.effects.othersMb.clear();
    const running = await stage.hold(tiny);
    const asked = stage.ask(large);
    await stage.clock.advance(600_000);
    expect(stage.scheduler.status().waiting).toMatchObject([{ state: 'queued' }]);
    running.release();
    await stage.clock.advance(2000);
    expect(asked.place).toBe('large@cuda:0');
  });

  it('looks again at once when a backend of ours on the device ends', async () => {
    const stage = stageOf(oneDevice(), { GPU_POLL_SECONDS: '3600', GPU_WAIT_SECONDS: '3600' });
    const lease = await stage.hold(turbo);
    stage.effects.othersMb.set('cuda:0', 1000);
    const asked = stage.ask(large);
    lease.release();
    const next = await stage.hold(turbo);
    await stage.clock.advance(1000);
    expect(stage.scheduler.status().waiting).toMatchObject([{ state: 'waiting_for_gpu', freeMb: 3000 }]);
    stage.effects.crash(next.backend);
    await stage.clock.advance(2000);
    expect(asked.place).toBe('large@cuda:0');
  });

  it('refuses at once a model larger than any device', async () => {
    const stage = stageOf(oneDevice());
    const asked = stage.ask(makeModel('giant', 5, 9000));
    await settle();
    // No retry could help, so no SDK is to send the file again.
    expect(asked.error).toMatchObject({ code: 'option-unsupported', retryable: false, field: 'model' });
    expect(String(asked.error)).toContain('giant needs 9000 MB of device memory; the largest device has 8000 MB');
  });
});

describe('failed starts', () => {
  it('tries again with a growing pause, then refuses with the reason', async () => {
    const stage = stageOf(oneDevice(), { START_ATTEMPTS: '3', START_BACKOFF_SECONDS: '1' });
    stage.effects.startError = () => failure;
    const asked = [stage.ask(large), stage.ask(large)];
    await stage.clock.advance(2000 + 999);
    expect(stage.effects.starts).toHaveLength(1);
    await stage.clock.advance(1 + 2000 + 1999);
    expect(stage.effects.starts).toHaveLength(2);
    await stage.clock.advance(1 + 2000);
    expect(stage.effects.starts).toHaveLength(3);
    for (const { error } of asked) {
      expect(code(error)).toBe('engine-failed');
      expect(String(error)).toContain('unknown tensor in model file');
      expect(error).toMatchObject({ retryAfterSeconds: 4 });
    }
  });

  it('refuses at once while the pause lasts, then lets one request try', async () => {
    const stage = stageOf(oneDevice(), { START_ATTEMPTS: '1', START_BACKOFF_SECONDS: '10' });
    stage.effects.startError = () => failure;
    stage.ask(large);
    await stage.clock.advance(2000);
    const during = stage.ask(large);
    await settle();
    expect(code(during.error)).toBe('engine-failed');
    expect(stage.effects.starts).toHaveLength(1);
    await stage.clock.advance(10_000);
    stage.effects.startError = () => null;
    const after = stage.ask(large);
    await stage.clock.advance(2000);
    expect(after.place).toBe('large@cuda:0');
    expect(stage.scheduler.status().devices[0]?.troubles).toEqual([]);
  });

  it('goes to another device, and refuses only when every one has failed', async () => {
    const stage = stageOf(twoDevices(), { START_ATTEMPTS: '2' });
    stage.effects.startError = (device) => (device.id === 'cuda:0' ? failure : null);
    const asked = stage.ask(large);
    await stage.clock.advance(4000);
    expect(asked.place).toBe('large@cuda:1');

    const other = stageOf(twoDevices(), { START_ATTEMPTS: '2' });
    other.effects.startError = () => failure;
    const refused = other.ask(large);
    await other.clock.advance(60_000);
    expect(other.effects.starts.toSorted()).toEqual(['large@cuda:0', 'large@cuda:0', 'large@cuda:1', 'large@cuda:1']);
    expect(code(refused.error)).toBe('engine-failed');
  });

  it('never pauses longer than START_BACKOFF_MAX_SECONDS', async () => {
    const stage = stageOf(oneDevice(), { START_ATTEMPTS: '100', START_BACKOFF_MAX_SECONDS: '8' });
    stage.effects.startError = () => failure;
    stage.ask(large);
    await stage.clock.advance(100_000);
    const before = stage.effects.starts.length;
    await stage.clock.advance(100_000);
    expect(stage.effects.starts.length - before).toBe(10);
  });

  it('leaves other models alone', async () => {
    const stage = stageOf(oneDevice());
    stage.effects.startError = (_, model) => (model === large ? failure : null);
    stage.ask(large);
    await stage.clock.advance(2000);
    await stage.load(tiny);
    expect(stage.effects.processes).toContain('tiny@cuda:0');
  });

  it('takes an error that is no GatewayError for a failure too, and shows nobody what it says', async () => {
    const stage = stageOf(oneDevice(), { START_ATTEMPTS: '1' });
    stage.effects.startError = () => new Error('spawn /home/ada/whisper-server ENOENT');
    const asked = stage.ask(large);
    await stage.clock.advance(2000);
    expect(asked.error).toMatchObject({
      code: 'engine-failed',
      message: 'Model large could not be started: the log says why.',
    });
    expect(JSON.stringify(stage.scheduler.status())).not.toContain('/home');
  });
});

describe('the bounded queue', () => {
  it('refuses past QUEUE_MAX with an estimate, and still serves what can run at once', async () => {
    const stage = stageOf(twoDevices(), { QUEUE_MAX: '2' });
    await stage.load(tiny);
    const leases = [await stage.hold(large), await stage.hold(large)];
    const waiting = [stage.ask(large), stage.ask(large)];
    const refused = stage.ask(large);
    await settle();
    expect(code(refused.error)).toBe('queue-full');
    const seconds = (refused.error as GatewayError).retryAfterSeconds ?? 0;
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(60);
    expect(stage.scheduler.status().waiting).toHaveLength(2);
    waiting[0]?.abort();
    const again = stage.ask(large);
    await settle();
    expect(again.error).toBeNull();
    for (const lease of leases) lease.release();
    await settle();
    expect([waiting[1]?.place, again.place].toSorted()).toEqual(['large@cuda:0', 'large@cuda:1']);
  });

  it('counts a recording once, and never refuses its further chunks', async () => {
    const stage = stageOf(oneDevice(), { QUEUE_MAX: '2' });
    await stage.hold(tiny);
    const chunks = Array.from({ length: 5 }, () => stage.ask(tiny, { caller: 'a', recording: 'one' }));
    const second = stage.ask(tiny);
    const refused = stage.ask(tiny);
    // Its first chunk was let in when there was room.
    chunks.push(stage.ask(tiny, { caller: 'a', recording: 'two' }));
    await settle();
    expect([...chunks, second].map(({ error }) => error)).toEqual(Array(7).fill(null));
    expect(code(refused.error)).toBe('queue-full');
    for (const asked of chunks) asked.abort();
    const again = stage.ask(tiny);
    await settle();
    expect(again.error).toBeNull();
  });

  it('never refuses further chunks where it is first come, first served either', async () => {
    const stage = stageOf(oneDevice(), { QUEUE_MAX: '1', SCHEDULE_AGING_SECONDS: '0' });
    await stage.hold(tiny);
    const chunks = Array.from({ length: 3 }, () => stage.ask(tiny, { recording: 'one' }));
    await settle();
    expect(chunks.map(({ error }) => error)).toEqual([null, null, null]);
  });

  it('takes a request that a free backend can serve although the queue is full', async () => {
    const stage = stageOf([makeDevice('cuda:0', 9000, 2)], { QUEUE_MAX: '1' });
    await stage.load(tiny);
    await stage.hold(large);
    stage.effects.othersMb.set('cuda:0', 8000);
    stage.ask(turbo);
    await settle();
    const asked = stage.ask(tiny);
    await settle();
    expect(asked.place).toBe('tiny@cuda:0');
  });
});

describe('abort', () => {
  const reason = new Error('client left');

  it('before asking: nothing is begun', async () => {
    const stage = stageOf(oneDevice());
    const signal = AbortSignal.abort(reason);
    await expect(stage.scheduler.lease({ model: tiny }, signal)).rejects.toBe(reason);
    expect(stage.effects.starts).toEqual([]);
  });

  it('in the queue: the place is given up and the next moves up', async () => {
    const stage = stageOf(oneDevice());
    const running = await stage.hold(tiny);
    const [first, second] = [stage.ask(tiny), stage.ask(tiny)];
    first.abort(reason);
    await settle();
    expect(first.error).toBe(reason);
    expect(stage.scheduler.status().waiting).toHaveLength(1);
    running.release();
    await settle();
    expect(second.place).toBe('tiny@cuda:0');
  });

  it('while its engine starts: the start is finished and the engine stays for the next', async () => {
    const stage = stageOf(oneDevice());
    const asked = stage.ask(tiny);
    await stage.clock.advance(1000);
    asked.abort(reason);
    await stage.clock.advance(5000);
    expect(asked.error).toBe(reason);
    expect(stage.scheduler.status().devices[0]?.backends).toMatchObject([{ model: 'tiny', state: 'idle' }]);
  });

  it('while another model is evicted for it', async () => {
    const stage = stageOf([makeDevice('cuda:0', 5000)]);
    await stage.load(large);
    await stage.clock.advance(20_000);
    const asked = stage.ask(turbo);
    await stage.clock.advance(100);
    asked.abort(reason);
    await stage.clock.advance(5000);
    expect(asked.error).toBe(reason);
    expect(stage.effects.processes).toEqual(['turbo@cuda:0']);
  });

  it('while it waits for memory: nobody looks any more', async () => {
    const stage = stageOf(oneDevice());
    stage.effects.othersMb.set('cuda:0', 8000);
    const asked = stage.ask(tiny);
    await stage.clock.advance(6000);
    asked.abort(reason);
    const { looks } = stage.effects;
    await stage.clock.advance(60_000);
    expect(asked.error).toBe(reason);
    expect(stage.effects.looks).toBe(looks);
    expect(stage.clock.pendingCount).toBe(0);
  });

  it('while failed starts are repeated: no further attempt', async () => {
    const stage = stageOf(oneDevice());
    stage.effects.startError = () => failure;
    const asked = stage.ask(tiny);
    await stage.clock.advance(2500);
    asked.abort(reason);
    await stage.clock.advance(60_000);
    expect(stage.effects.starts).toHaveLength(1);
  });

  it('after the lease was given: changes nothing', async () => {
    const stage = stageOf(oneDevice());
    const asked = stage.ask(tiny);
    await stage.clock.advance(2000);
    asked.abort(reason);
    await settle();
    expect(asked.error).toBeNull();
    expect(stage.scheduler.status().devices[0]?.slotsUsed).toBe(1);
    asked.lease?.release();
    expect(stage.scheduler.status().devices[0]?.slotsUsed).toBe(0);
  });
});

describe('leases and exits', () => {
  it('releases once, however often it is called', async () => {
    const stage = stageOf(oneDevice());
    const first = await stage.hold(tiny);
    first.release();
    const second = await stage.hold(tiny);
    const third = stage.ask(tiny);
    first.release();
    first.release();
    await settle();
    expect(third.lease).toBeNull();
    second.release();
    await settle();
    expect(third.place).toBe('tiny@cuda:0');
  });

  it('releases the lease of a backend that exits, and starts another on demand', async () => {
    const stage = stageOf(oneDevice());
    const lease = await stage.hold(tiny);
    const next = stage.ask(tiny);
    stage.effects.crash(lease.backend);
    await settle();
    expect(stage.scheduler.status().devices[0]).toMatchObject({ backends: [{ state: 'starting' }] });
    lease.release();
    await stage.clock.advance(2000);
    expect(next.place).toBe('tiny@cuda:0');
    expect(next.lease?.backend).not.toBe(lease.backend);
  });

  it('drops an idle backend that exits and starts nothing until it is asked', async () => {
    const stage = stageOf(oneDevice());
    const lease = await stage.hold(tiny);
    lease.release();
    stage.effects.crash(lease.backend);
    await stage.clock.advance(60_000);
    expect(stage.effects.starts).toHaveLength(1);
    await stage.load(tiny);
    expect(stage.effects.starts).toHaveLength(2);
  });

  it('stops a backend to be avoided and serves from another', async () => {
    const stage = stageOf(oneDevice());
    const lease = await stage.hold(tiny);
    lease.release();
    const retry = stage.ask(tiny, { avoid: lease.backend });
    await stage.clock.advance(5000);
    expect(stage.effects.stops).toEqual(['tiny@cuda:0']);
    expect(retry.lease?.backend.id).toBe('backend-2');
  });

  it('lets whoever runs on a backend to be avoided finish first, but gives it to nobody else', async () => {
    const stage = stageOf([makeDevice('cuda:0', 8000, 2)]);
    const lease = await stage.hold(tiny);
    const retry = stage.ask(tiny, { avoid: lease.backend });
    await stage.clock.advance(3000);
    expect(retry.lease?.backend.id).toBe('backend-2');
    expect(stage.effects.stops).toEqual([]);
    lease.release();
    await settle();
    expect(stage.effects.stops).toEqual(['tiny@cuda:0']);
    retry.lease?.release();
  });

  it('ignores a backend to be avoided that is gone already', async () => {
    const stage = stageOf(oneDevice());
    const lease = await stage.hold(tiny);
    stage.effects.crash(lease.backend);
    await settle();
    const retry = stage.ask(tiny, { avoid: lease.backend });
    await stage.clock.advance(2000);
    expect(retry.place).toBe('tiny@cuda:0');
  });
});

describe('shutdown', () => {
  it('refuses what comes and what waits, stops idle backends, and resolves when all are gone', async () => {
    const stage = stageOf(oneDevice());
    await stage.load(tiny);
    const lease = await stage.hold(base);
    const waiting = stage.ask(base);
    let done = false;
    const shutdown = stage.scheduler.shutdown(10_000).then(() => {
      done = true;
    });
    const late = stage.ask(tiny);
    await settle();
    expect([code(waiting.error), code(late.error)]).toEqual(['shutting-down', 'shutting-down']);
    expect(stage.scheduler.status().accepting).toBe(false);
    await stage.clock.advance(5000);
    expect(stage.effects.processes).toEqual(['base@cuda:0']);
    lease.release();
    await stage.clock.advance(200);
    await shutdown;
    expect(done).toBe(true);
    expect(stage.effects.processes).toEqual([]);
    expect(stage.clock.pendingCount).toBe(0);
  });

  it('stops what still runs when the grace is over', async () => {
    const stage = stageOf(oneDevice());
    const lease = await stage.hold(tiny);
    const shutdown = stage.scheduler.shutdown(10_000);
    await stage.clock.advance(9999);
    expect(stage.effects.stops).toEqual([]);
    await stage.clock.advance(1 + 200);
    await shutdown;
    lease.release();
    expect(stage.effects.stops).toEqual(['tiny@cuda:0']);
  });

  it('abandons a start', async () => {
    const stage = stageOf(oneDevice());
    const asked = stage.ask(tiny);
    await stage.clock.advance(500);
    await stage.scheduler.shutdown(10_000);
    expect(code(asked.error)).toBe('shutting-down');
    expect(stage.effects.processes).toEqual([]);
  });

  it('stops an engine whose start could not be abandoned', async () => {
    const stage = stageOf(oneDevice());
    const { effects } = stage;
    const start = effects.start.bind(effects);
    effects.start = (device, model) => start(device, model, new AbortController().signal);
    stage.ask(tiny);
    await stage.clock.advance(500);
    const shutdown = stage.scheduler.shutdown(10_000);
    await stage.clock.advance(2000 + 200);
    await shutdown;
    expect(effects.stops).toEqual(['tiny@cuda:0']);
  });

  it('does not begin a start that waits for an eviction or a look at the memory', async () => {
    const stage = stageOf([makeDevice('cuda:0', 5000)]);
    await stage.load(large);
    await stage.clock.advance(20_000);
    stage.ask(turbo);
    await stage.clock.advance(100);
    const shutdown = stage.scheduler.shutdown(10_000);
    await stage.clock.advance(200);
    await shutdown;
    expect(stage.effects.starts).toEqual(['large@cuda:0']);
  });

  it('refuses those who wait for memory', async () => {
    const stage = stageOf(oneDevice());
    stage.effects.othersMb.set('cuda:0', 8000);
    const asked = stage.ask(tiny);
    await stage.clock.advance(1000);
    await stage.scheduler.shutdown(10_000);
    expect(code(asked.error)).toBe('shutting-down');
    expect(stage.clock.pendingCount).toBe(0);
  });

  it('may be called twice', async () => {
    const stage = stageOf(oneDevice());
    expect(stage.scheduler.shutdown(1000)).toBe(stage.scheduler.shutdown(5000));
    await stage.scheduler.shutdown(1000);
  });
});

describe('status', () => {
  it('lists devices, backends, and who waits in the order of their turn', async () => {
    const stage = stageOf(oneDevice());
    await stage.load(tiny);
    await stage.hold(large);
    stage.ask(large, { caller: 'b' });
    stage.ask(tiny, { caller: 'a' });
    await stage.clock.advance(1000);
    expect(stage.scheduler.status()).toEqual({
      accepting: true,
      devices: [
        {
          id: 'cuda:0',
          kind: 'cuda',
          name: 'cuda:0',
          memoryTotalMb: 8000,
          memoryReservedMb: 4300,
          slots: 1,
          slotsUsed: 1,
          backends: [
            { id: 'backend-1', model: 'tiny', state: 'idle', stateMs: expect.any(Number) },
            { id: 'backend-2', model: 'large', state: 'busy', stateMs: expect.any(Number) },
          ],
          troubles: [],
        },
      ],
      waiting: [
        { model: 'tiny', rank: 0, caller: 'a', waitedMs: 1000, state: 'queued' },
        { model: 'large', rank: 4, caller: 'b', waitedMs: 1000, state: 'queued' },
      ],
    });
  });
});
