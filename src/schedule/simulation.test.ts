// Thousands of random events from a seed. After each, the scheduler's promises are checked from the outside.
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../errors.ts';
import type { Model } from '../models/model.ts';
import type { Backend } from '../pool/protocol.ts';
import { type Asked, makeDevice, makeModel, Stage } from './fake-effects.ts';
import type { ModelState, ScheduleStatus } from './scheduler.ts';

const models = [
  makeModel('tiny', 0, 300),
  makeModel('base', 1, 700),
  makeModel('small', 2, 1500),
  makeModel('medium', 3, 3000),
  makeModel('large', 4, 5000),
  makeModel('giant', 4, 9000),
];
const left = new Error('client left');
const REFUSALS = ['queue-full', 'engine-failed', 'gpu-memory-short'];
const QUEUE_MAX = 25;
const SLOTS = 4;
const RECORDING_SLOTS_MAX = 1;
const AGING_MS = 3000;

/** The recording that a request is a chunk of; what is none's is by itself. */
function partyOf({ need }: Asked): string | Asked['need'] {
  return need.recording === undefined ? need : `${need.caller} ${need.recording} ${need.model.name}`;
}

/** Mulberry32: the same numbers from the same seed on every machine. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Simulation {
  readonly #random: () => number;
  readonly stage: Stage;
  asked: Asked[] = [];
  readonly counts = { leases: 0, refusals: 0, aborts: 0, crashes: 0, overShare: 0, lifted: 0, loads: 0, unloads: 0 };
  /** Those that ran when their model was unloaded. */
  readonly #unloaded = new Set<Backend>();
  /** Of each model, by the changes that were told. */
  readonly #told = new Map<string, ModelState>();
  #steps = 0;
  #liftedAtMs = Number.NEGATIVE_INFINITY;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
    this.stage = new Stage([makeDevice('cuda:0', 6000), makeDevice('cuda:1', 10_000, 2), makeDevice('cpu', 4000)], {
      QUEUE_MAX: String(QUEUE_MAX),
      RECORDING_SHARE_MAX: String(RECORDING_SLOTS_MAX / SLOTS),
      SCHEDULE_AGING_SECONDS: String(AGING_MS / 1000),
      MODEL_IDLE_SECONDS: '30',
      MODEL_SPREAD_SECONDS: '15',
    });
    this.stage.effects.startError = () => this.#startError();
    this.stage.scheduler.onModelChange(({ model, state }) => {
      expect(this.#told.get(model) ?? 'unloaded', 'a change is told once').not.toBe(state);
      this.#told.set(model, state);
    });
  }

  #startError(): Error | null {
    const dice = this.#random();
    if (dice < 0.05) return new GatewayError('engine-failed', 'bad luck');
    if (dice < 0.1) return new GatewayError('gpu-memory-short', 'CUDA out of memory');
    return null;
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#random() * from.length)];
  }

  async step(): Promise<void> {
    const { effects, clock } = this.stage;
    const running = this.asked.filter((request) => request.lease);
    const waiting = this.asked.filter((request) => !request.lease);
    const dice = this.#random();
    // Rush hours and quiet ones, by turns: some rules show only in one of them.
    const isQuiet = this.#steps++ % 500 < 150;
    if (dice < 0.4 && !(isQuiet && waiting.length > 3)) this.#ask();
    else if (dice < 0.7) this.#end(this.#pick(running));
    else if (dice < 0.76) this.#pick(this.asked)?.abort(left);
    else if (dice < 0.78) this.#crash(this.#pick(running));
    else if (dice < 0.8) effects.othersMb.set(this.#pick(['cuda:0', 'cuda:1']) ?? '', this.#random() * 6000);
    else if (dice < 0.82) effects.othersMb.clear();
    else if (dice < 0.83) effects.memoryKnown = !effects.memoryKnown;
    else if (dice < 0.84) this.#load(this.#pick(models));
    else if (dice < 0.85) this.#unload(this.#pick(models));
    else await clock.advance(this.#random() * (this.#random() < 0.05 ? 40_000 : 1500));
    await clock.advance(0);
    this.#count();
    this.check();
    this.#checkOrder(waiting.filter((request) => request.lease));
  }

  #ask(): void {
    const model = this.#pick(models);
    if (!model) return;
    const recording = this.#random() < 0.6 ? this.#pick(['one', 'two']) : undefined;
    const need = { caller: this.#pick(['a', 'b', 'c']) ?? '', ...(recording && { recording }) };
    // Chunks come several at a time.
    const count = recording ? 1 + Math.floor(this.#random() * 4) : 1;
    for (let number = 0; number < count; number++) this.asked.push(this.stage.ask(model, need));
  }

  #load(model: Model | undefined): void {
    if (!model) return;
    try {
      this.stage.scheduler.load(model);
      this.counts.loads += 1;
    } catch (error) {
      expect(error).toMatchObject({ code: 'engine-failed' });
    }
  }

  #unload(model: Model | undefined): void {
    if (!model) return;
    this.counts.unloads += 1;
    this.stage.scheduler.unload(model.name);
    for (const { lease } of this.asked) if (lease?.backend.model === model) this.#unloaded.add(lease.backend);
    const backends = this.stage.scheduler.status().devices.flatMap((device) => device.backends);
    const idle = backends.filter(({ model: name, state }) => name === model.name && state === 'idle');
    expect(idle, 'what is idle leaves at once').toEqual([]);
  }

  /** Of the leases that one step gave to those who had waited. */
  #checkOrder(given: Asked[]): void {
    const held = new Map<unknown, number>();
    for (const request of this.asked) {
      if (request.lease && this.stage.effects.isAlive(request.lease.backend))
        held.set(partyOf(request), (held.get(partyOf(request)) ?? 0) + 1);
    }
    for (const request of given) {
      expect(this.#unloaded, 'what runs while its model is unloaded is leased no more').not.toContain(
        request.lease?.backend,
      );
      if (request.need.recording === undefined) continue;
      const endedAtMs = request.endedAtMs ?? 0;
      const waiting = this.asked.filter(
        ({ lease, need, askedAtMs }) => !lease && need.model === request.need.model && askedAtMs < endedAtMs,
      );
      const isShort = ({ need }: Asked) => need.recording === undefined;
      if ((held.get(partyOf(request)) ?? 0) > RECORDING_SLOTS_MAX) {
        this.counts.overShare += 1;
        const others = waiting.filter((other) => (held.get(partyOf(other)) ?? 0) < RECORDING_SLOTS_MAX);
        expect(others, 'a recording runs on more than its share only when nobody else waits').toEqual([]);
      }
      if (!waiting.some(isShort)) continue;
      expect(
        endedAtMs - this.#liftedAtMs,
        'a chunk passes a short request once in an ageing step',
      ).toBeGreaterThanOrEqual(AGING_MS);
      this.#liftedAtMs = endedAtMs;
      this.counts.lifted += 1;
    }
  }

  #end(request: Asked | undefined): void {
    if (!request?.lease) return;
    const { backend } = request.lease;
    request.lease.release();
    request.lease.release();
    this.asked = this.asked.filter((other) => other !== request);
    if (this.#random() < 0.05) this.asked.push(this.stage.ask(backend.model, { ...request.need, avoid: backend }));
  }

  #crash(request: Asked | undefined): void {
    if (!request?.lease) return;
    this.counts.crashes += 1;
    this.stage.effects.crash(request.lease.backend);
    request.lease.release();
    this.asked = this.asked.filter((other) => other !== request);
  }

  #count(): void {
    for (const request of this.asked) {
      if (request.error === left) this.counts.aborts += 1;
      else if (request.error instanceof GatewayError && REFUSALS.includes(request.error.code))
        this.counts.refusals += 1;
      else if (request.error) throw request.error;
      else if (request.lease) this.counts.leases += 1;
    }
    this.asked = this.asked.filter((request) => !request.error);
  }

  check(): void {
    const status = this.stage.scheduler.status();
    // A backend may be leased again between its crash and the news of it.
    const alive = this.asked.filter(({ lease }) => lease && this.stage.effects.isAlive(lease.backend));
    const leased = alive.map(({ lease }) => lease?.backend.id);
    expect(new Set(leased).size, 'a backend has one lease at most').toBe(leased.length);
    const busy = status.devices.flatMap((device) => device.backends.filter(({ state }) => state === 'busy'));
    expect(busy.map(({ id }) => id).toSorted(), 'busy is what is leased').toEqual(leased.toSorted());
    for (const device of status.devices) {
      expect(device.slotsUsed).toBeLessThanOrEqual(device.slots);
      expect(device.memoryReservedMb).toBeLessThanOrEqual(device.memoryTotalMb);
      expect(device.memoryReservedMb).toBeGreaterThanOrEqual(0);
    }
    const waiting = status.waiting.filter(({ caller }) => caller !== 'load');
    expect(waiting.length).toBe(this.asked.filter((request) => !request.lease).length);
    for (const model of models) this.#checkModel(model, status);
    const short = this.asked.filter(({ lease, need }) => !lease && need.recording === undefined);
    expect(short.length).toBeLessThanOrEqual(QUEUE_MAX);
    expect(this.stage.effects.violations).toEqual([]);
  }

  /** What was told of a model is what its backends are. */
  #checkModel({ name, memoryMb }: Model, status: ScheduleStatus): void {
    const state = this.#told.get(name) ?? 'unloaded';
    expect(this.stage.scheduler.modelPlace(name, memoryMb).state).toBe(state);
    const phases = status.devices.flatMap(({ backends }) =>
      backends.filter(({ model }) => model === name).map((backend) => backend.state),
    );
    if (phases.includes('idle')) expect(state).toBe('ready');
    if (phases.length === 0) expect(['unloaded', 'waiting_for_gpu']).toContain(state);
    if (state === 'unloaded') expect(phases.filter((phase) => phase !== 'starting')).toEqual([]);
    const loads = status.waiting.filter(({ model, caller }) => model === name && caller === 'load');
    expect(loads.length).toBeLessThanOrEqual(1);
    if (phases.includes('idle')) expect(loads, 'a model that is loaded waits for no load').toEqual([]);
  }

  /** Nobody asks any more and nothing fails: everyone must be served or refused in bounded time. */
  async drain(): Promise<void> {
    this.stage.effects.startError = () => null;
    this.stage.effects.othersMb.clear();
    for (let rounds = 0; this.asked.length > 0; rounds++) {
      expect(rounds, 'every request ends').toBeLessThan(500);
      for (const request of this.asked.filter(({ lease }) => lease)) this.#end(request);
      await this.stage.clock.advance(2000);
      this.#count();
      this.check();
    }
  }
}

describe('random events', () => {
  it.each([1, 2, 3, 4, 5])('seed %i keeps every promise', async (seed) => {
    const simulation = new Simulation(seed);
    for (let step = 0; step < 3000; step++) await simulation.step();
    await simulation.drain();
    // Each kind of ending did happen, or the run proves little.
    for (const count of Object.values(simulation.counts)) expect(count).toBeGreaterThan(3);

    const { clock, effects, scheduler } = simulation.stage;
    await clock.advance(60_000);
    expect(effects.processes, 'idle models have left').toEqual([]);
    simulation.check();
    await scheduler.shutdown(1000);
    expect(clock.pendingCount).toBe(0);
  });

  it.each([11, 12, 13, 14, 15, 16, 17, 18])('seed %i: shutdown in the midst of it ends everything', async (seed) => {
    const simulation = new Simulation(seed);
    for (let step = 0; step < 100 + seed * 7; step++) await simulation.step();
    const { clock, effects, scheduler } = simulation.stage;
    let done = false;
    const shutdown = scheduler.shutdown(5000).then(() => {
      done = true;
    });
    for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 500) await clock.advance(500);
    expect(done).toBe(true);
    await shutdown;
    expect(effects.processes).toEqual([]);
    for (const request of simulation.asked) {
      if (!request.lease) expect(request.error).toMatchObject({ code: 'shutting-down' });
    }
    expect(clock.pendingCount).toBe(0);
  });
});
