// Test fakes: backends that exist only as entries in a set, on devices whose memory is a sum. Time is the fake clock's.
import { GatewayError } from '../errors.ts';
import { FakeClock, settle } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import type { Model } from '../models/model.ts';
import type { Backend, BackendExit, Device, Effects } from '../pool/protocol.ts';
import { type Lease, type LeaseNeed, Scheduler } from './scheduler.ts';
import { scheduleSettings } from './settings.ts';

export function makeModel(name: string, rank: number, memoryMb: number): Model {
  return {
    name,
    path: `/models/${name}.bin`,
    digest: name,
    bytes: 1,
    rank,
    memoryMb,
    multilingual: true,
    translates: true,
    timestamps: true,
  };
}

export function makeDevice(id: string, memoryTotalMb: number, slots = 1): Device {
  return { id, kind: id.startsWith('cpu') ? 'cpu' : 'cuda', uuid: null, name: id, memoryTotalMb, slots, threads: 1 };
}

export class FakeEffects implements Effects {
  startMs = 2000;
  stopMs = 200;
  /** Memory that other programs hold, by device id. */
  readonly othersMb = new Map<string, number>();
  memoryKnown = true;
  /** What a start ends with instead of success. */
  startError: (device: Device, model: Model) => Error | null = () => null;
  /** `model@device`, in order. */
  readonly starts: string[] = [];
  readonly stops: string[] = [];
  /** Broken promises of the scheduler towards its devices; every test ends by finding none. */
  readonly violations: string[] = [];
  looks = 0;
  readonly #clock: FakeClock;
  readonly #held = new Map<symbol, { device: Device; model: Model }>();
  readonly #exits = new Map<Backend, (exit: BackendExit) => void>();
  #count = 0;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async start(device: Device, model: Model, signal: AbortSignal): Promise<Backend> {
    signal.throwIfAborted();
    this.starts.push(`${model.name}@${device.id}`);
    const process = Symbol(model.name);
    this.#held.set(process, { device, model });
    if (this.#oursMb(device) > device.memoryTotalMb) this.violations.push(`${device.id} overfull with ${model.name}`);
    try {
      await this.#delay(this.startMs, signal);
      const error = this.startError(device, model);
      if (error) throw error;
      if (this.#freeMb(device) < 0) throw new GatewayError('gpu-memory-short', 'CUDA out of memory');
    } catch (error) {
      this.#held.delete(process);
      throw error;
    }
    return this.#backend(device, model, process);
  }

  async stop(backend: Backend): Promise<void> {
    this.stops.push(`${backend.model.name}@${backend.device.id}`);
    await this.#delay(this.stopMs);
    this.#exits.get(backend)?.({ expected: true, reason: 'stopped' });
    await backend.exited;
  }

  async memoryFreeMb(device: Device): Promise<number | null> {
    this.looks += 1;
    await Promise.resolve();
    return this.memoryKnown ? this.#freeMb(device) : null;
  }

  crash(backend: Backend): void {
    this.#exits.get(backend)?.({ expected: false, reason: 'segmentation fault' });
  }

  isAlive(backend: Backend): boolean {
    return this.#exits.has(backend);
  }

  /** Processes that hold memory now, as `model@device`. */
  get processes(): string[] {
    return [...this.#held.values()].map(({ device, model }) => `${model.name}@${device.id}`).sort();
  }

  #backend(device: Device, model: Model, process: symbol): Backend {
    const { promise: exited, resolve } = Promise.withResolvers<BackendExit>();
    this.#count += 1;
    const backend: Backend = {
      id: `backend-${this.#count}`,
      device,
      model,
      exited,
      run: () => {
        throw new Error('the scheduler runs nothing');
      },
    };
    this.#exits.set(backend, (exit) => {
      this.#held.delete(process);
      this.#exits.delete(backend);
      resolve(exit);
    });
    return backend;
  }

  #oursMb(device: Device): number {
    let sumMb = 0;
    for (const held of this.#held.values()) if (held.device === device) sumMb += held.model.memoryMb;
    return sumMb;
  }

  #freeMb(device: Device): number {
    return device.memoryTotalMb - (this.othersMb.get(device.id) ?? 0) - this.#oursMb(device);
  }

  #delay(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(delayMs, resolve);
      signal?.addEventListener('abort', () => {
        cancel();
        reject(signal.reason);
      });
    });
  }
}

/** A request made of the scheduler, and what came of it. */
export interface Asked {
  readonly need: LeaseNeed;
  lease: Lease | null;
  error: unknown;
  /** Device and model of the lease, for short assertions. */
  place: string | null;
  readonly askedAtMs: number;
  endedAtMs: number | null;
  abort(reason?: unknown): void;
}

export class Stage {
  readonly clock = new FakeClock();
  readonly effects = new FakeEffects(this.clock);
  readonly scheduler: Scheduler;
  /** Every change of a model, as `model: state`, in order. */
  readonly changes: string[] = [];

  constructor(devices: Device[], environment: Record<string, string> = {}) {
    const settings = scheduleSettings.parse(environment);
    this.scheduler = new Scheduler({ devices, effects: this.effects, settings, clock: this.clock, log: silentLog });
    this.scheduler.onModelChange(({ model, state }) => this.changes.push(`${model}: ${state}`));
  }

  ask(model: Model, more: Omit<LeaseNeed, 'model'> = {}): Asked {
    const abort = new AbortController();
    const need = { model, ...more };
    const asked: Asked = {
      need,
      lease: null,
      error: null,
      place: null,
      askedAtMs: this.clock.nowMs(),
      endedAtMs: null,
      abort: (reason) => abort.abort(reason),
    };
    this.scheduler.lease(need, abort.signal).then(
      (lease) => {
        asked.lease = lease;
        asked.place = `${lease.backend.model.name}@${lease.backend.device.id}`;
        asked.endedAtMs = this.clock.nowMs();
      },
      (error) => {
        asked.error = error;
        asked.endedAtMs = this.clock.nowMs();
      },
    );
    return asked;
  }

  /** Asks, and waits until the lease is there. */
  async hold(model: Model): Promise<Lease> {
    const asked = this.ask(model);
    for (let waits = 0; waits < 100 && !asked.endedAtMs; waits++) await this.clock.advance(500);
    if (!asked.lease) throw asked.error;
    return asked.lease;
  }

  /** Loads the model and leaves it idle. */
  async load(model: Model): Promise<void> {
    (await this.hold(model)).release();
    await settle();
  }
}
