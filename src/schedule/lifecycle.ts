// Models in device memory as callers see them: by any name they use, in wall time, with the figures of the GPU. The states
// and their changes are the scheduler's; nothing is kept here.
import { GatewayError } from '../errors.ts';
import { BoundedQueue } from '../lib/bounded-queue.ts';
import type { Clock } from '../lib/clock.ts';
import type { ModelStore } from '../models/store.ts';
import type { Pool } from '../pool/pool.ts';
import type { ModelState, Scheduler } from './scheduler.ts';

export interface ModelStatus {
  /** By our name. */
  model: string;
  state: ModelState;
  /** Wall time. */
  loadedAtMs: number | null;
  neededMb: number;
  /** Of the device that holds the model or would; null where it cannot be known, as on a CPU. */
  gpu: { name: string; usedMb: number; totalMb: number; freeMb: number } | null;
  /** While it waits for memory. */
  retryInSeconds: number | null;
}

export interface ModelEvent {
  type: 'model_loading' | 'model_ready' | 'model_unloaded' | 'model_waiting_for_gpu';
  model: string;
  /** Wall time. */
  atMs: number;
}

/** Models in device memory, by any name that a caller may use; null is the default model. Each throws `model-unknown`. */
export interface ModelLifecycle {
  status(model: string | null): Promise<ModelStatus>;
  /** Begins to load it. A model that is not on disk yet throws `model-not-ready`, its download begun. */
  load(model: string | null): Promise<'initiated' | 'ready'>;
  /** It leaves every device as soon as what runs on it has ended. Requests that wait for it have it loaded again. */
  unload(model: string | null): Promise<void>;
  /** From now on, until `signal` aborts. A reader that falls far behind misses events, the oldest first. */
  events(signal: AbortSignal): AsyncGenerator<ModelEvent>;
}

/** A name that stands for the default model. */
const DEFAULT = 'default';
/** Kept for a reader that is behind. */
const EVENTS_MAX = 100;

export interface LifecycleParts {
  scheduler: Scheduler;
  models: Pick<ModelStore, 'resolve' | 'lookUp'>;
  pool: Pick<Pool, 'memory'>;
  /** The scheduler's. */
  clock: Clock;
  epochMs?: () => number;
}

export function createLifecycle({
  scheduler,
  models,
  pool,
  clock,
  epochMs = Date.now,
}: LifecycleParts): ModelLifecycle {
  // Of wall time, when the clock stood at zero: one moment has one time, whoever tells it.
  const originMs = epochMs() - clock.nowMs();
  const wallMs = (atMs: number) => Math.round(originMs + atMs);

  const known = async (asked: string | null) => {
    const model = await models.lookUp(asked ?? DEFAULT);
    if (!model) {
      throw new GatewayError('model-unknown', `The model '${asked ?? DEFAULT}' does not exist.`, { field: 'model' });
    }
    return model;
  };

  return {
    async status(asked) {
      const { name, memoryMb } = await known(asked);
      const place = scheduler.modelPlace(name, memoryMb);
      const memory = place.device && (await pool.memory(place.device));
      return {
        model: name,
        state: place.state,
        loadedAtMs: place.state === 'ready' && place.sinceMs !== null ? wallMs(place.sinceMs) : null,
        neededMb: memoryMb,
        gpu: place.device && memory && { name: place.device.name, ...memory },
        retryInSeconds: place.retryInMs === null ? null : Math.ceil(place.retryInMs / 1000),
      };
    },
    async load(asked) {
      return scheduler.load(await models.resolve(asked ?? DEFAULT, 'transcribe'));
    },
    async unload(asked) {
      scheduler.unload((await known(asked)).name);
    },
    events(signal) {
      const pending = new BoundedQueue<ModelEvent>(EVENTS_MAX);
      const leave = scheduler.onModelChange(({ model, state, atMs }) => {
        pending.push({ type: `model_${state}`, model, atMs: wallMs(atMs) });
      });
      const end = () => {
        leave();
        pending.close();
      };
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
      return pending.read();
    },
  };
}
