// What a model is as a whole, whichever of its backends is behind it. Pure.
import type { Device } from '../pool/protocol.ts';
import { eligibleDevices, type Shortage, shortageOf, unreservedMb } from './policy.ts';
import type { Rules } from './settings.ts';
import type { BackendState, Lane, ScheduleState } from './state.ts';

export type ModelState = 'unloaded' | 'loading' | 'waiting_for_gpu' | 'ready';

export interface ModelChange {
  model: string;
  state: ModelState;
  /** By the scheduler's clock. */
  atMs: number;
}

/**
 * Null while the last of it is leaving and nothing else is known: until its memory is back it is what it was.
 * 1. Ready: one of its backends is.
 * 2. Loading: one is starting. The look at the memory that each retry of a shortage begins with is no load yet.
 * 3. Waiting: those who ask for it are short of memory that is not ours.
 */
export function modelStateOf(name: string, state: ScheduleState, rules: Rules): ModelState | null {
  const backends = backendsOf(name, state);
  const staying = backends.filter((backend) => backend.phase !== 'stopping' && !backend.retired);
  if (staying.some(isReady)) return 'ready';
  if (staying.some(isLoading)) return 'loading';
  if (modelShortage(name, state, rules)) return 'waiting_for_gpu';
  return backends.length > staying.length ? null : 'unloaded';
}

/** Of those who ask for it: the one that may be over first. */
export function modelShortage(name: string, state: ScheduleState, rules: Rules): Shortage | null {
  const shortages = lanesOf(name, state)
    .map((lane) => shortageOf(lane, state, rules))
    .filter((shortage) => shortage !== null);
  return shortages.toSorted((a, b) => a.retryAtMs - b.retryAtMs)[0] ?? null;
}

/** The device that holds the model, or is to; else the one where it would be started if it were empty. */
export function modelDevice(name: string, memoryMb: number, state: ScheduleState, rules: Rules): Device | null {
  const [held] = backendsOf(name, state).toSorted((a, b) => placeOf(a) - placeOf(b));
  if (held) return held.device.device;
  const shortage = modelShortage(name, state, rules);
  if (shortage) return shortage.device.device;
  const [emptiest] = eligibleDevices(memoryMb, state.devices).toSorted(
    (a, b) => Number(a.device.kind === 'cpu') - Number(b.device.kind === 'cpu') || unreservedMb(b) - unreservedMb(a),
  );
  return emptiest?.device ?? null;
}

/** A file that was replaced is another lane of the same name. */
export function lanesOf(name: string, { lanes }: ScheduleState): Lane[] {
  return [...lanes.values()].filter((lane) => lane.model.name === name);
}

export function backendsOf(name: string, { devices }: ScheduleState): BackendState[] {
  return devices.flatMap(({ backends }) => [...backends].filter(({ lane }) => lane.model.name === name));
}

/** It can be leased, now or when its lease ends. */
export function isReady({ phase, retired }: BackendState): boolean {
  return !retired && (phase === 'idle' || phase === 'busy');
}

function isLoading({ lane, device, hasMemory }: BackendState): boolean {
  return hasMemory || !lane.troubles.get(device)?.shortage;
}

function placeOf(backend: BackendState): number {
  if (isReady(backend)) return 0;
  return backend.phase === 'starting' ? 1 : 2;
}
