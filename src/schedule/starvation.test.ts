// The waiting bound of DESIGN.md, against callers that do their worst.
import { describe, expect, it } from 'vitest';
import { settle } from '../lib/clock.ts';
import type { Model } from '../models/model.ts';
import type { Device } from '../pool/protocol.ts';
import { type Asked, makeDevice, makeModel, Stage } from './fake-effects.ts';
import type { LeaseNeed } from './scheduler.ts';

const START_MS = 2000;
const STOP_MS = 200;
const SERVICE_MS = 3000;
const AGING_MS = 30_000;
const RESIDENCY_MS = 10_000;
const STEP_MS = 250;

/** A turn, and one step of the test's clock for each lease that the test releases late. */
const TURN_MS = RESIDENCY_MS + (SERVICE_MS + STEP_MS) + 2 * (START_MS + STOP_MS);

/** DESIGN.md's bound for a request that has `turns` before and including its own, `chunks` of them of long recordings. */
function boundMs({ model, recording }: LeaseNeed, turns: number, chunks: number): number {
  const passedMs = recording === undefined ? 0 : chunks * AGING_MS;
  return model.rank * AGING_MS + (turns + chunks) * TURN_MS + passedMs;
}

interface Siege {
  devices: Device[];
  /** The request with this number. */
  besieger: (number: number) => LeaseNeed;
  victim: LeaseNeed;
  /** How many besiegers wait or run at all times. */
  crowd: number;
}

/** Chunks are quicker, so that others' are leased while a request waits for a device to empty. */
function serviceMs({ recording }: LeaseNeed): number {
  return recording === undefined ? SERVICE_MS : SERVICE_MS / 6;
}

/** Keeps the crowd outstanding for ever and sees how long the victim waits. */
async function waitUnderSiege({ devices, besieger, victim, crowd }: Siege): Promise<number> {
  const stage = new Stage(devices, { MODEL_RESIDENCY_SECONDS: '10', SCHEDULE_AGING_SECONDS: '30' });
  stage.effects.startMs = START_MS;
  stage.effects.stopMs = STOP_MS;
  let asked = 0;
  const next = () => {
    const { model, ...more } = besieger(asked++);
    return stage.ask(model, more);
  };
  let siege: Asked[] = Array.from({ length: crowd }, next);
  await stage.clock.advance(20_000);
  const besieged = stage.ask(victim.model, victim);
  const sinceMs = stage.clock.nowMs();
  while (besieged.endedAtMs === null && stage.clock.nowMs() - sinceMs < 3_600_000) {
    await stage.clock.advance(STEP_MS);
    siege = siege.map((request) => {
      if (!request.lease || stage.clock.nowMs() - (request.endedAtMs ?? 0) < serviceMs(request.need)) return request;
      // The next request is in the queue before the device is free: the worst that a stream can do.
      const replacement = next();
      // Nor do the besiegers starve: ahead of each are at most the others and the victim.
      const waitedMs = (request.endedAtMs ?? 0) - request.askedAtMs;
      expect(waitedMs).toBeLessThanOrEqual(boundMs(request.need, crowd + 1, crowd + 1));
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
const base = makeModel('base', 1, 3000);
const large = makeModel('large', 4, 4000);
const giant = makeModel('giant', 4, 9000);

/** Requests for the models by turns. */
const byTurns =
  (...models: Model[]) =>
  (number: number): LeaseNeed => ({ model: models[number % models.length] ?? tiny });

const oneDevice = () => [makeDevice('cuda:0', 5000)];
const oneLargeDevice = () => [makeDevice('cuda:0', 9000, 2)];

describe('no request starves', () => {
  it.each<Omit<Siege, 'crowd'> & { name: string }>([
    { name: 'one small model on one device', devices: oneDevice(), besieger: byTurns(tiny), victim: { model: large } },
    {
      name: 'two small models that swap with each other',
      devices: oneDevice(),
      besieger: byTurns(tiny, tinyEnglish),
      victim: { model: large },
    },
    {
      name: 'two devices',
      devices: [makeDevice('cuda:0', 5000), makeDevice('cuda:1', 5000)],
      besieger: byTurns(tiny, tinyEnglish),
      victim: { model: large },
    },
    {
      name: 'a model that needs a whole device of two slots emptied',
      devices: oneLargeDevice(),
      besieger: byTurns(tiny, tinyEnglish),
      victim: { model: giant },
    },
    {
      name: 'a model resident beside the small one',
      devices: [makeDevice('cuda:0', 9000)],
      besieger: byTurns(tiny),
      victim: { model: large },
    },
    {
      name: 'a model that fits one device of two only',
      devices: [makeDevice('cuda:0', 9000, 2), makeDevice('cuda:1', 5000)],
      besieger: byTurns(tiny, tinyEnglish),
      victim: { model: giant },
    },
    {
      name: 'a caller that was never seen, for each request of the same model',
      devices: oneDevice(),
      besieger: (number) => ({ model: tiny, caller: String(number) }),
      victim: { model: tiny, caller: 'victim' },
    },
    {
      name: 'a caller that was never seen, for each request of a smaller model',
      devices: oneDevice(),
      besieger: (number) => ({ model: tiny, caller: String(number) }),
      victim: { model: large, caller: 'victim' },
    },
  ])('under a stream of short requests: $name', async (siege) => {
    for (const crowd of [1, 8]) {
      const waitedMs = await waitUnderSiege({ ...siege, crowd });
      expect(waitedMs).toBeLessThanOrEqual(boundMs(siege.victim, crowd + 1, 0));
    }
  });

  it.each<Omit<Siege, 'crowd'> & { name: string }>([
    {
      name: 'a chunk under short requests for the same model',
      devices: oneDevice(),
      besieger: byTurns(tiny),
      victim: { model: tiny, recording: 'victim' },
    },
    {
      name: 'a chunk under short requests of ever new callers for a smaller model',
      devices: oneDevice(),
      besieger: (number) => ({ model: tiny, caller: String(number) }),
      victim: { model: large, recording: 'victim' },
    },
    {
      name: 'a chunk under short requests and chunks of other recordings',
      devices: oneDevice(),
      besieger: (number) => ({ model: tiny, ...(number % 2 && { recording: String(number) }) }),
      victim: { model: large, recording: 'victim' },
    },
    {
      name: 'a short request under chunks of a smaller model',
      devices: oneDevice(),
      besieger: (number) => ({ model: tiny, recording: String(number) }),
      victim: { model: large },
    },
    ...[undefined, 'victim'].map((recording) => ({
      name: `a ${recording ? 'chunk' : 'short request'} that needs two slots emptied, beside a device where chunks run`,
      // A graphics card is preferred, so the small model is there, and the giant's place is under siege.
      devices: [makeDevice('cpu', 9000, 2), makeDevice('cuda:0', 3000)],
      besieger: (number: number) => (number % 2 ? { model: base, recording: String(number) } : { model: tiny }),
      victim: { model: giant, ...(recording && { recording }) },
    })),
  ])('where long recordings are about: $name', async (siege) => {
    for (const crowd of [1, 8]) {
      const waitedMs = await waitUnderSiege({ ...siege, crowd });
      expect(waitedMs).toBeLessThanOrEqual(boundMs(siege.victim, crowd + 1, crowd + 1));
    }
  });

  it.each([
    { name: 'the same callers', again: (caller: string) => caller },
    { name: 'ever new callers', again: (caller: string) => `${caller}+` },
  ])('$name get one turn each before every request of a caller with many', async ({ again }) => {
    const stage = new Stage(oneDevice());
    let running = await stage.hold(tiny);
    const callers = Array.from({ length: 8 }, (_, number) => `crowd ${number}`);
    let waiting = ['own', ...callers, 'own', 'own'].map((caller) => stage.ask(tiny, { caller }));
    const turnsOfOwn: number[] = [];
    for (let turn = 1; turnsOfOwn.length < 3 && turn < 100; turn++) {
      running.release();
      await settle();
      const served = waiting.find(({ lease }) => lease);
      if (!served?.lease) throw new Error('nobody was served');
      running = served.lease;
      waiting = waiting.filter((request) => request !== served);
      const { caller = '' } = served.need;
      if (caller === 'own') turnsOfOwn.push(turn);
      // In the queue again before the device is free.
      else waiting.push(stage.ask(tiny, { caller: again(caller) }));
    }
    expect(turnsOfOwn).toEqual([1, 10, 19]);
  });

  it('but waits its rank out first: the stream of smaller requests does have priority', async () => {
    const waitedMs = await waitUnderSiege({
      devices: oneDevice(),
      besieger: byTurns(tiny),
      victim: { model: large },
      crowd: 8,
    });
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

describe('a short request', () => {
  it.each([
    { devices: 1, chunkMs: 3000 },
    { devices: 1, chunkMs: 2 * AGING_MS },
    { devices: 2, chunkMs: 3000 },
    { devices: 4, chunkMs: 3000 },
  ])('waits for one chunk at most ($chunkMs ms, $devices devices), however many recordings wait', async (load) => {
    const names = Array.from({ length: load.devices }, (_, index) => makeDevice(`cuda:${index}`, 5000));
    const stage = new Stage(names);
    const chunk = (recording: number) =>
      stage.ask(large, { caller: String(recording % 5), recording: String(recording) });
    // Each of twenty recordings asks for as many chunks as there are slots, and two.
    let chunks = Array.from({ length: 20 * (stage.scheduler.slotCount + 2) }, (_, number) => chunk(number % 20));
    let clips: Asked[] = [];
    const clipMs = 250;
    const waitsMs: number[] = [];
    const done = ({ lease, endedAtMs }: Asked, runMs: number) =>
      lease && stage.clock.nowMs() - (endedAtMs ?? 0) >= runMs;
    for (let step = 0; step < 1500; step++) {
      await stage.clock.advance(STEP_MS);
      // A clip every second, once the chunks run everywhere.
      if (step > 50 && step % 4 === 0) clips.push(stage.ask(large));
      chunks = chunks.map((asked) => {
        if (!done(asked, load.chunkMs)) return asked;
        const replacement = chunk(Number(asked.need.recording));
        asked.lease?.release();
        return replacement;
      });
      clips = clips.filter((asked) => {
        if (!done(asked, clipMs)) return true;
        waitsMs.push((asked.endedAtMs ?? 0) - asked.askedAtMs);
        asked.lease?.release();
        return false;
      });
    }
    expect(waitsMs.length).toBeGreaterThan(200);
    // Those that came during the same chunk wait for each other, too.
    const clipsAheadMs = (load.devices === 1 ? load.chunkMs / 1000 : 1) * clipMs;
    expect(Math.max(...waitsMs)).toBeLessThanOrEqual(load.chunkMs + clipsAheadMs + STEP_MS);
  });
});
