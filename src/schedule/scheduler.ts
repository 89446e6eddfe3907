// Owns the queue, the leases and the life of every backend: all of that state is written here and nowhere else.
// Chooses nothing itself (policy.ts does) and starts nothing itself (the pool does, through Effects). Knows nothing of
// audio: whoever holds a lease runs on it what it likes. Callers and recordings are names to it, by which turns are taken.
import assert from 'node:assert/strict';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Model } from '../models/model.ts';
import type { Backend, BackendExit, Device, Effects } from '../pool/protocol.ts';
import { Fifo } from './fifo.ts';
import {
  backendsOf,
  isReady,
  lanesOf,
  type ModelChange,
  type ModelState,
  modelDevice,
  modelShortage,
  modelStateOf,
} from './model-state.ts';
import {
  backoffMs,
  type Decision,
  decide,
  dueAtMs,
  eligibleDevices,
  failureOf,
  longPassedSinceMs,
  type Shortage,
  slotsUsed,
  unreservedMb,
} from './policy.ts';
import { type Rules, type ScheduleSettings, toRules } from './settings.ts';
import type { BackendState, DeviceState, Lane, Lease, ScheduleState, WaitingRequest } from './state.ts';
import { describeState, type ScheduleStatus } from './status.ts';
import { type Turn, TurnQueue } from './turn-queue.ts';

export type { ModelChange, ModelState } from './model-state.ts';
export type { Lease } from './state.ts';
export type { ScheduleStatus } from './status.ts';

export interface LeaseNeed {
  model: Model;
  /** Who asks. Callers take turns; those without a name count as one. */
  caller?: string;
  /**
   * The recording that this is a further chunk of, by a name no other run has. Left out for audio that fits one chunk,
   * which passes between the chunks of others, and for a recording's first chunk, which may find the queue full; further
   * chunks never do.
   */
  recording?: string;
  /** A backend that the caller saw fail. It gets no further lease from anybody and is stopped. */
  avoid?: Backend;
}

/** A model as a whole. */
export interface ModelPlace {
  state: ModelState;
  /** By the scheduler's clock; null while it has not been anything but unloaded. */
  sinceMs: number | null;
  /** That holds it, or would; null where none is large enough. */
  device: Device | null;
  /** While it waits for memory. */
  retryInMs: number | null;
}

export interface SchedulerParts {
  devices: readonly Device[];
  effects: Effects;
  settings: ScheduleSettings;
  clock: Clock;
  log: Log;
}

/** A queue that would take longer to drain is worth another look after this long all the same. */
const RETRY_AFTER_MAX_SECONDS = 60;
/** Assumed length of a lease until the first one has ended. */
const FIRST_LEASE_MS = 5000;
/** Weight of the newest lease in the running mean. */
const MEAN_WEIGHT = 0.1;
/** First come, first served: nobody is told apart. */
const NO_TURN: Turn = { caller: null, recording: null };
/** Who asks for a model ahead of requests. */
const LOADER = 'load';

export class Scheduler {
  /** Leases that can run at the same time; nobody gains by asking for many more than that for one recording. */
  readonly slotCount: number;
  readonly #effects: Effects;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #rules: Rules;
  readonly #state: ScheduleState;
  #sequence = 0;
  #meanLeaseMs = FIRST_LEASE_MS;
  #wake: { atMs: number; cancel: () => void } | null = null;
  #closed: Promise<void> | null = null;
  /** The last change of each model that was ever asked for. */
  readonly #changes = new Map<string, ModelChange>();
  readonly #listeners = new Set<(change: ModelChange) => void>();

  constructor({ devices, effects, settings, clock, log }: SchedulerParts) {
    assert(devices.length > 0, 'a scheduler needs a device');
    this.#effects = effects;
    this.#clock = clock;
    this.#log = log;
    this.#rules = toRules(settings);
    this.slotCount = devices.reduce((sum, device) => sum + device.slots, 0);
    this.#state = {
      devices: devices.map((device) => ({ device, backends: new Set() })),
      lanes: new Map(),
      longPassedSinceMs: null,
    };
  }

  /**
   * Waits for a backend that holds the model. The caller must release the lease, whatever happens. Rejects with a
   * GatewayError, or with the signal's reason: the place in the queue is then given up, while a backend that was
   * starting for this request finishes its start and stays, idle, for the next.
   */
  async lease(need: LeaseNeed, signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    if (this.#closed) throw shuttingDown();
    const failed = this.#backends().find(({ running }) => running && running === need.avoid);
    if (failed) this.#retire(failed);
    const lane = this.#laneOf(need.model);
    this.#refuseHopeless(lane);
    // The bound does not end a recording half-way: its first chunk was let in, and what follows waits in one place.
    return this.#wait(lane, need, signal, need.recording === undefined);
  }

  #wait(lane: Lane, need: LeaseNeed, signal: AbortSignal, mayBeRefused: boolean): Promise<Lease> {
    const { promise, resolve, reject } = Promise.withResolvers<Lease>();
    const nowMs = this.#clock.nowMs();
    const turn = this.#turnOf(need);
    const kind = turn.recording === null ? 'short' : 'long';
    let waits = true;
    const quit = () => {
      waits = false;
      signal.removeEventListener('abort', abort);
      takeOut();
      if (lane.waiting.size > 0) return;
      lane.shortSinceMs = null;
      this.#tell(lane);
    };
    const abort = () => {
      quit();
      place.leave();
      reject(signal.reason);
      this.#decide();
    };
    const request: WaitingRequest = {
      sequence: this.#sequence++,
      lane,
      kind,
      caller: need.caller ?? null,
      arrivedAtMs: nowMs,
      dueAtMs: dueAtMs(lane.model, nowMs, this.#rules),
      grant: (lease) => {
        quit();
        place.takeTurn();
        resolve(lease);
      },
      end: () => place.endTurn(),
      refuse: (error) => {
        quit();
        place.leave();
        reject(error);
      },
    };
    const takeOut = lane.waiting.push(request);
    const place = lane[kind].enter(request, turn);
    signal.addEventListener('abort', abort, { once: true });
    this.#decide();
    // The bound is for those who wait: a request that can run at once is welcome however long the queue is.
    if (waits && mayBeRefused && this.#placesTaken() > this.#rules.queueMax) request.refuse(this.#queueFull());
    return promise;
  }

  /**
   * Begins to load the model ahead of any request, in the queue like one. Throws a GatewayError where that is hopeless;
   * what goes wrong later, the log says and the model's state shows.
   */
  load(model: Model): 'initiated' | 'ready' {
    if (this.#closed) throw shuttingDown();
    const lane = this.#laneOf(model);
    if (this.#backends().some((backend) => backend.lane === lane && isReady(backend))) return 'ready';
    this.#refuseHopeless(lane);
    if (lane.load) return 'initiated';
    const load = new AbortController();
    lane.load = load;
    // It is withdrawn when a backend is ready, so it never gets a lease. One for each model at most: the bound of the
    // queue need not count it.
    this.#wait(lane, { model, caller: LOADER }, load.signal, false).catch((error) => {
      if (lane.load !== load) return;
      lane.load = null;
      this.#log.warn({ model: model.name, err: error }, 'model could not be loaded ahead of requests');
    });
    return 'initiated';
  }

  /**
   * Takes the model of this name out of memory: what is idle or starting at once, what runs when its lease ends. Nothing is
   * refused for it: those who wait for the model, and whoever asks later, have it loaded again.
   */
  unload(name: string): void {
    for (const lane of lanesOf(name, this.#state)) withdrawLoad(lane);
    for (const backend of backendsOf(name, this.#state)) this.#retire(backend);
    this.#decide();
  }

  /** `memoryMb` is what it needs, by which its device is found while it is on none. */
  modelPlace(name: string, memoryMb: number): ModelPlace {
    const change = this.#changes.get(name);
    const shortage = modelShortage(name, this.#state, this.#rules);
    const isWaiting = change?.state === 'waiting_for_gpu' && shortage !== null;
    return {
      state: change?.state ?? 'unloaded',
      sinceMs: change?.atMs ?? null,
      device: modelDevice(name, memoryMb, this.#state, this.#rules),
      retryInMs: isWaiting ? Math.max(0, shortage.retryAtMs - this.#clock.nowMs()) : null,
    };
  }

  /**
   * Calls `listener` with every change of every model, in order and while it happens, until the returned function is called.
   * The listener must not call back.
   */
  onModelChange(listener: (change: ModelChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status(): ScheduleStatus {
    return describeState(this.#state, this.#rules, this.#clock.nowMs(), this.#closed === null);
  }

  /**
   * Refuses whatever waits or comes, lets running leases end within `graceMs`, stops every backend and resolves when all
   * are gone. Calling it again returns the first call's promise.
   */
  shutdown(graceMs: number): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    return this.#closed;
  }

  async #close(graceMs: number): Promise<void> {
    this.#wake?.cancel();
    this.#wake = null;
    for (const lane of this.#state.lanes.values()) {
      for (const request of lane.waiting) request.refuse(shuttingDown());
    }
    for (const backend of this.#backends()) {
      if (backend.phase === 'starting') backend.startAbort.abort(shuttingDown());
      if (backend.phase === 'idle') this.#stop(backend);
    }
    const cancelGrace = this.#clock.after(graceMs, () => {
      for (const backend of this.#backends()) if (backend.phase === 'busy') this.#stop(backend);
    });
    await Promise.all(this.#backends().map((backend) => backend.gone.promise));
    cancelGrace();
  }

  #refuseHopeless(lane: Lane): void {
    const { model } = lane;
    if (eligibleDevices(model.memoryMb, this.#state.devices).length === 0) {
      const largestMb = Math.max(...this.#state.devices.map(({ device }) => device.memoryTotalMb));
      throw new GatewayError(
        'option-unsupported',
        `Model ${model.name} needs ${model.memoryMb} MB of device memory; the largest device has ${largestMb} MB.`,
        { field: 'model' },
      );
    }
    const failure = failureOf(lane, this.#state, this.#rules);
    // Once the pause is over, one request may find out whether the model starts now.
    if (failure && failure.retryAtMs > this.#clock.nowMs()) throw this.#startFailure(lane, failure.reason);
  }

  #laneOf(model: Model): Lane {
    // The digest is part of the key: a file that was replaced is another model, and must not be served by the old one.
    const key = `${model.name}@${model.digest}`;
    let lane = this.#state.lanes.get(key);
    if (!lane) {
      lane = {
        model,
        waiting: new Fifo(),
        short: new TurnQueue(),
        long: new TurnQueue(recordingSlotsMax(this.slotCount, this.#rules)),
        troubles: new Map(),
        lastStartMs: 0,
        shortSinceMs: null,
        load: null,
      };
      this.#state.lanes.set(key, lane);
    }
    return lane;
  }

  #turnOf({ caller, recording }: LeaseNeed): Turn {
    if (this.#rules.agingMs === 0) return NO_TURN;
    return { caller: caller ?? null, recording: recording ?? null };
  }

  #placesTaken(): number {
    let taken = 0;
    for (const { short, long } of this.#state.lanes.values()) taken += short.size + long.partyCount;
    return taken;
  }

  /** Carries out decisions until there is none left but to wait, and sets the alarm for the next one that time brings. */
  #decide(): void {
    if (this.#closed) return;
    for (;;) {
      const decision = decide(this.#state, this.#rules, this.#clock.nowMs());
      if (decision.kind === 'wait') {
        this.#wakeAt(decision.wakeAtMs);
        return;
      }
      this.#carryOut(decision);
    }
  }

  #carryOut(decision: Exclude<Decision, { kind: 'wait' }>): void {
    switch (decision.kind) {
      case 'lease':
        this.#grant(decision.request, decision.backend);
        break;
      case 'start':
        for (const victim of decision.evict) {
          this.#log.info({ ...nameOf(victim), for: decision.lane.model.name }, 'model evicted');
          this.#stop(victim);
        }
        this.#start(decision.lane, decision.device);
        break;
      case 'unload':
        this.#log.info(nameOf(decision.backend), 'idle model unloaded');
        this.#stop(decision.backend);
        break;
      case 'give-up':
        decision.request.refuse(this.#memoryShort(decision.request.lane, decision.shortage));
    }
  }

  #wakeAt(atMs: number): void {
    if (this.#wake?.atMs === atMs) return;
    this.#wake?.cancel();
    this.#wake = null;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const cancel = this.#clock.after(Math.max(0, atMs - this.#clock.nowMs()), () => {
      this.#wake = null;
      this.#decide();
    });
    this.#wake = { atMs, cancel };
  }

  #grant(request: WaitingRequest, backend: BackendState): void {
    assert(backend.phase === 'idle' && backend.held === null && backend.running, 'a backend has one lease at most');
    assert(!backend.retired && backend.lane === request.lane);
    const grantedAtMs = this.#clock.nowMs();
    const lease: Lease = { backend: backend.running, release: () => this.#release(backend, lease, grantedAtMs) };
    backend.held = { lease, request };
    this.#enter(backend, 'busy');
    this.#state.longPassedSinceMs = longPassedSinceMs(request, this.#state, grantedAtMs);
    request.grant(lease);
  }

  #release(backend: BackendState, lease: Lease, grantedAtMs: number): void {
    if (backend.held?.lease !== lease) return;
    this.#endLease(backend);
    this.#meanLeaseMs += MEAN_WEIGHT * (this.#clock.nowMs() - grantedAtMs - this.#meanLeaseMs);
    // A backend stopped while busy (grace over) stays stopping until its process is gone.
    if (backend.phase === 'busy') this.#enter(backend, 'idle');
    if (backend.phase === 'idle' && (backend.retired || this.#closed)) this.#stop(backend);
    this.#decide();
  }

  #endLease(backend: BackendState): void {
    const request = backend.held?.request;
    backend.held = null;
    request?.end();
  }

  #retire(backend: BackendState): void {
    if (backend.phase === 'stopping') return;
    backend.retired = true;
    if (backend.phase === 'idle') this.#stop(backend);
    else this.#tell(backend.lane);
    if (backend.phase === 'starting') backend.startAbort.abort(new Error('The engine is not wanted any more.'));
  }

  #start(lane: Lane, device: DeviceState): void {
    const backend: BackendState = {
      device,
      lane,
      phase: 'starting',
      phaseSinceMs: this.#clock.nowMs(),
      readyAtMs: null,
      hasMemory: false,
      retired: false,
      running: null,
      held: null,
      startAbort: new AbortController(),
      gone: Promise.withResolvers(),
    };
    device.backends.add(backend);
    checkDevice(device);
    this.#tell(lane);
    this.#log.info(nameOf(backend), 'backend starting');
    this.#bringUp(backend).then(
      (running) => this.#ready(backend, running),
      (error) => this.#startFailed(backend, error),
    );
  }

  async #bringUp(backend: BackendState): Promise<Backend> {
    const { device, lane } = backend;
    const { signal } = backend.startAbort;
    // Memory was promised on the strength of what is leaving: it is there only when those processes are gone.
    const leaving = [...device.backends].filter((other) => other.phase === 'stopping');
    await Promise.all(leaving.map((other) => other.gone.promise));
    signal.throwIfAborted();
    const neededMb = lane.model.memoryMb;
    const freeMb = await this.#effects.memoryFreeMb(device.device);
    signal.throwIfAborted();
    if (freeMb !== null && freeMb < neededMb) {
      throw new GatewayError('gpu-memory-short', `Other programs hold the memory of ${device.device.id}.`, {
        neededMb,
        freeMb,
      });
    }
    backend.hasMemory = true;
    this.#tell(lane);
    return this.#effects.start(device.device, lane.model, signal);
  }

  #ready(backend: BackendState, running: Backend): void {
    const { lane, device } = backend;
    const nowMs = this.#clock.nowMs();
    lane.lastStartMs = nowMs - backend.phaseSinceMs;
    lane.shortSinceMs = null;
    lane.troubles.delete(device);
    backend.running = running;
    backend.readyAtMs = nowMs;
    this.#enter(backend, 'idle');
    this.#tell(lane);
    this.#log.info({ ...nameOf(backend), startMs: Math.round(lane.lastStartMs) }, 'backend ready');
    running.exited.then((exit) => this.#exited(backend, exit));
    if (this.#closed || backend.retired) this.#stop(backend);
    else withdrawLoad(lane);
    this.#decide();
  }

  #startFailed(backend: BackendState, error: unknown): void {
    this.#remove(backend);
    // A start that was given up says nothing of the next.
    if (backend.retired || this.#closed) this.#noteMemoryFreed(backend.device);
    else this.#noteTrouble(backend, error);
    this.#tell(backend.lane);
    this.#decide();
  }

  #noteTrouble(backend: BackendState, error: unknown): void {
    const { lane, device } = backend;
    const nowMs = this.#clock.nowMs();
    // Callers are shown the reason, and what the system says has paths in it.
    const reason = error instanceof GatewayError ? error.message : 'the log says why.';
    const failures = lane.troubles.get(device)?.failures ?? 0;
    if (error instanceof GatewayError && error.code === 'gpu-memory-short') {
      const neededMb = error.neededMb ?? lane.model.memoryMb;
      // An engine can run out of memory that looked free; what it needs is then more than what there was.
      const shortage = { neededMb, freeMb: Math.min(error.freeMb ?? 0, neededMb - 1) };
      lane.troubles.set(device, { failures, reason, retryAtMs: nowMs + this.#rules.pollMs, shortage });
      lane.shortSinceMs ??= nowMs;
      this.#log.warn({ ...nameOf(backend), ...shortage }, 'waiting for device memory that other programs hold');
    } else {
      const retryAtMs = nowMs + backoffMs(failures + 1, this.#rules);
      lane.troubles.set(device, { failures: failures + 1, reason, retryAtMs, shortage: null });
      this.#log.error({ ...nameOf(backend), err: error, failures: failures + 1 }, 'backend failed to start');
      if (failureOf(lane, this.#state, this.#rules)) {
        for (const request of lane.waiting) request.refuse(this.#startFailure(lane, reason));
      }
    }
  }

  #stop(backend: BackendState): void {
    assert(backend.running && (backend.phase === 'idle' || backend.phase === 'busy'));
    this.#enter(backend, 'stopping');
    this.#tell(backend.lane);
    this.#effects.stop(backend.running).catch((error) => {
      // The process's end is what counts, and `exited` reports it whoever brought it about.
      this.#log.error({ ...nameOf(backend), err: error }, 'backend could not be stopped');
    });
  }

  #exited(backend: BackendState, exit: BackendExit): void {
    if (backend.phase !== 'stopping') {
      this.#log.warn({ ...nameOf(backend), phase: backend.phase, reason: exit.reason }, 'backend ended by itself');
    }
    this.#endLease(backend);
    this.#remove(backend);
    this.#noteMemoryFreed(backend.device);
    this.#tell(backend.lane);
    this.#decide();
  }

  /** Memory came free: whoever was short of it on this device may look again at once. */
  #noteMemoryFreed(device: DeviceState): void {
    for (const lane of this.#state.lanes.values()) {
      const trouble = lane.troubles.get(device);
      if (trouble?.shortage) trouble.retryAtMs = Math.min(trouble.retryAtMs, this.#clock.nowMs());
    }
  }

  #remove(backend: BackendState): void {
    assert(backend.device.backends.delete(backend), 'a backend is removed once');
    backend.gone.resolve();
  }

  #enter(backend: BackendState, phase: BackendState['phase']): void {
    backend.phase = phase;
    backend.phaseSinceMs = this.#clock.nowMs();
    checkDevice(backend.device);
  }

  /**
   * After each step that may have made the model another thing than it was; says nothing where it did not. A lease is no
   * such step.
   */
  #tell({ model: { name } }: Lane): void {
    const state = modelStateOf(name, this.#state, this.#rules);
    if (state === null || state === (this.#changes.get(name)?.state ?? 'unloaded')) return;
    const change = { model: name, state, atMs: this.#clock.nowMs() };
    this.#changes.set(name, change);
    for (const listener of this.#listeners) listener(change);
  }

  #backends(): BackendState[] {
    return this.#state.devices.flatMap((device) => [...device.backends]);
  }

  #queueFull(): GatewayError {
    let waiting = 0;
    for (const lane of this.#state.lanes.values()) waiting += lane.waiting.size;
    const drainSeconds = Math.ceil((waiting * this.#meanLeaseMs) / this.slotCount / 1000);
    return new GatewayError('queue-full', 'Too many requests are waiting for a device. Try again later.', {
      retryAfterSeconds: Math.min(Math.max(1, drainSeconds), RETRY_AFTER_MAX_SECONDS),
    });
  }

  #startFailure(lane: Lane, reason: string): GatewayError {
    const retryAtMs = failureOf(lane, this.#state, this.#rules)?.retryAtMs ?? this.#clock.nowMs();
    return new GatewayError('engine-failed', `Model ${lane.model.name} could not be started: ${reason}`, {
      retryAfterSeconds: Math.max(1, Math.ceil((retryAtMs - this.#clock.nowMs()) / 1000)),
    });
  }

  #memoryShort(lane: Lane, { neededMb, freeMb }: Shortage): GatewayError {
    return new GatewayError(
      'gpu-memory-short',
      `Model ${lane.model.name} needs ${neededMb} MB of device memory; other programs leave ${freeMb} MB.`,
      { neededMb, freeMb, retryAfterSeconds: Math.ceil(this.#rules.pollMs / 1000) },
    );
  }
}

/** How many slots the chunks of one recording may hold while others wait. */
function recordingSlotsMax(slotCount: number, { recordingShareMax }: Rules): number {
  return Math.max(1, Math.floor(slotCount * recordingShareMax));
}

function withdrawLoad(lane: Lane): void {
  const { load } = lane;
  lane.load = null;
  load?.abort();
}

function checkDevice(device: DeviceState): void {
  assert(slotsUsed(device) <= device.device.slots, 'a device runs no more than its slots');
  assert(unreservedMb(device) >= 0, 'no device memory is promised twice');
}

function shuttingDown(): GatewayError {
  return new GatewayError('shutting-down', 'The server is shutting down.');
}

function nameOf(backend: BackendState): { device: string; model: string; backend?: string } {
  const name = { device: backend.device.device.id, model: backend.lane.model.name };
  return backend.running ? { ...name, backend: backend.running.id } : name;
}
