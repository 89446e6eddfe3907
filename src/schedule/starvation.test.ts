// The waiting bound of DESIGN.md, against callers that do their worst.
import { describe, expect, it } from 'vitest';
import type { Model } from '../models/model.ts';
import type { Device } from '../pool/protocol.ts';
import { type Asked, makeDevice, makeModel, Stage } from './fake-effects.ts';

const START_MS = 2000;
const STOP_MS = 200;
const SERVICE_MS = 3000;
const AGING_MS = 30_000;
const RESIDENCY_MS = 10_000;
const STEP_MS = 250;

/** R·A + (k + 1)·(Q + S + 2T), and one step of the test's clock for each lease that the test releases late. */
function boundMs(rank: number, ahead: number): number {
  const turnMs = RESIDENCY_MS + (SERVICE_MS + STEP_MS) + 2 * (START_MS + STOP_MS);
  return rank * AGING_MS + (ahead + 1) * turnMs;
}

/** Keeps `crowd` requests outstanding for ever, taking the models by turns, and sees how long the victim waits. */
async function waitUnderSiege(devices: Device[], besiegers: Model[], victim: Model, crowd: number): Promise<number> {
  const stage = new Stage(devices, { MODEL_RESIDENCY_SECONDS: '10', SCHEDULE_AGING_SECONDS: '30' });
  stage.effects.startMs = START_MS;
  stage.effects.stopMs = STOP_MS;
  let asked = 0;
  const next = () => stage.ask(besiegers[asked++ % besiegers.length] as Model);
  let siege: Asked[] = Array.from({ length: crowd }, next);
  await stage.clock.advance(20_000);
  const besieged = stage.ask(victim);
  const sinceMs = stage.clock.nowMs();
  while (besieged.endedAtMs === null && stage.clock.nowMs() - sinceMs < 3_600_000) {
    await stage.clock.advance(STEP_MS);
    siege = siege.map((request) => {
      if (!request.lease || stage.clock.nowMs() - (request.endedAtMs ?? 0) < SERVICE_MS) return request;
      // The next request is in the queue before the device is free: the worst that a stream can do.
      const replacement = next();
      // Nor do the besiegers starve: ahead of each are at most the others and the victim.
      expect((request.endedAtMs ?? 0) - request.askedAtMs).toBeLessThanOrEqual(boundMs(0, crowd));
      request.lease.release();
      return replacement;
    });
  }
  expect(besieged.error).toBeNull();
  expect(stage.effects.violations).toEqual([]);
  return (besieged.endedAtMs ?? Number.POSITIVE_INFINITY) - sinceMs;
}

const tiny = makeModel('tiny', 0, 4000);
const tinyEnglish = makeModel('tiny.en', 0, 4000);
const large = makeModel('large', 4, 4000);
const giant = makeModel('giant', 4, 9000);

describe('no request starves', () => {
  it.each([
    { name: 'one small model on one device', devices: [makeDevice('cuda:0', 5000)], besiegers: [tiny], victim: large },
    {
      name: 'two small models that swap with each other',
      devices: [makeDevice('cuda:0', 5000)],
      besiegers: [tiny, tinyEnglish],
      victim: large,
    },
    {
      name: 'two devices',
      devices: [makeDevice('cuda:0', 5000), makeDevice('cuda:1', 5000)],
      besiegers: [tiny, tinyEnglish],
      victim: large,
    },
    {
      name: 'a model that needs a whole device of two slots emptied',
      devices: [makeDevice('cuda:0', 9000, 2)],
      besiegers: [tiny, tinyEnglish],
      victim: giant,
    },
    {
      name: 'a model resident beside the small one',
      devices: [makeDevice('cuda:0', 9000)],
      besiegers: [tiny],
      victim: large,
    },
    {
      name: 'a model that fits one device of two only',
      devices: [makeDevice('cuda:0', 9000, 2), makeDevice('cuda:1', 5000)],
      besiegers: [tiny, tinyEnglish],
      victim: giant,
    },
  ])('$name', async ({ devices, besiegers, victim }) => {
    for (const crowd of [1, 8]) {
      const waitedMs = await waitUnderSiege(devices, besiegers, victim, crowd);
      expect(waitedMs).toBeLessThanOrEqual(boundMs(victim.rank, crowd));
    }
  });

  it('but waits its rank out first: the stream of smaller requests does have priority', async () => {
    const waitedMs = await waitUnderSiege([makeDevice('cuda:0', 5000)], [tiny], large, 8);
    expect(waitedMs).toBeGreaterThan(3 * AGING_MS);
  });

  it('a slot of a two-slot device is not filled again while a large model waits for the device to empty', async () => {
    const stage = new Stage([makeDevice('cuda:0', 9000, 2)], { SCHEDULE_AGING_SECONDS: '0' });
    const running = [await stage.hold(tiny), await stage.hold(tiny)];
    await stage.clock.advance(RESIDENCY_MS);
    const big = stage.ask(giant);
    const later = stage.ask(tiny);
    running[0]?.release();
    await stage.clock.advance(5000);
    expect([big.lease, later.lease]).toEqual([null, null]);
    running[1]?.release();
    await stage.clock.advance(STOP_MS + START_MS);
    expect(big.place).toBe('giant@cuda:0');
    expect(later.lease).toBeNull();
  });
});
