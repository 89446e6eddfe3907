// What the scheduler knows. The scheduler writes it, the policy reads it, nobody else sees it.
import type { GatewayError } from '../errors.ts';
import type { Model } from '../models/model.ts';
import type { Backend, Device } from '../pool/protocol.ts';
import type { Fifo } from './fifo.ts';
import type { TurnQueue } from './turn-queue.ts';

/** The right to use one backend for one chunk. */
export interface Lease {
  readonly backend: Backend;
  /** May be called more than once, and after the backend has ended. */
  release(): void;
}

export interface ScheduleState {
  readonly devices: readonly DeviceState[];
  /** One per model ever asked for, so bounded by the models on disk. Keyed by name and digest. */
  readonly lanes: Map<string, Lane>;
  /** Since when chunks of long recordings have seen short requests go first; null when it is not their turn next. */
  longPassedSinceMs: number | null;
}

export interface DeviceState {
  readonly device: Device;
  /** From the decision to start until the process is gone. */
  readonly backends: Set<BackendState>;
}

/** Everything that waits for one model. Any of it could run wherever another could, so a lane sends only one to compete. */
export interface Lane {
  readonly model: Model;
  /** Everybody, by arrival; each is in `short` or `long` too, which know whose turn it is. */
  readonly waiting: Fifo<WaitingRequest>;
  /** Requests whose audio fits one chunk. */
  readonly short: TurnQueue<WaitingRequest>;
  /** Chunks of longer recordings. */
  readonly long: TurnQueue<WaitingRequest>;
  /** Why the model is not started on a device at once; removed by the first start that succeeds there. */
  readonly troubles: Map<DeviceState, Trouble>;
  /** How long its last start took, eviction included; what one more copy costs. */
  lastStartMs: number;
  /** Since when those who wait here have been short of memory that is not ours. */
  shortSinceMs: number | null;
  /** Withdraws the load that waits here, for the first backend and not for a lease. */
  load: AbortController | null;
}

export interface WaitingRequest {
  /** Order of arrival. */
  readonly sequence: number;
  readonly lane: Lane;
  /** In which of the lane's queues it waits. */
  readonly kind: 'short' | 'long';
  readonly caller: string | null;
  readonly arrivedAtMs: number;
  /** See `dueAtMs` in policy.ts. */
  readonly dueAtMs: number;
  grant(lease: Lease): void;
  /** Its lease has ended, whoever ended it. */
  end(): void;
  refuse(error: GatewayError): void;
}

export interface Trouble {
  /** Consecutive failed starts; a shortage of memory is not one. */
  failures: number;
  reason: string;
  retryAtMs: number;
  /** What was missing at the last attempt; `freeMb` is always the smaller. */
  shortage: { neededMb: number; freeMb: number } | null;
}

export interface BackendState {
  readonly device: DeviceState;
  readonly lane: Lane;
  phase: 'starting' | 'idle' | 'busy' | 'stopping';
  phaseSinceMs: number;
  /** Null while it starts. */
  readyAtMs: number | null;
  /** Its memory was found free: from here on the start is the load itself. */
  hasMemory: boolean;
  /** Somebody saw it fail, or wants its model out of memory: it gets no further lease and ends with the one it has. */
  retired: boolean;
  /** What the pool knows it as; null while it starts. */
  running: Backend | null;
  /** Set while it is busy, with the request that holds it. */
  held: { lease: Lease; request: WaitingRequest } | null;
  readonly startAbort: AbortController;
  /** Settles when the process is gone, or was never there. */
  readonly gone: PromiseWithResolvers<void>;
}
