// The schedule as others may see it: for readiness, the dashboard and metrics. A snapshot; nothing in it changes later.
import { shortageOf, slotsUsed, unreservedMb } from './policy.ts';
import type { Rules } from './settings.ts';
import type { BackendState, DeviceState, Lane, ScheduleState, WaitingRequest } from './state.ts';

export interface ScheduleStatus {
  /** False once shutdown has begun. */
  accepting: boolean;
  devices: DeviceStatus[];
  /** By age and rank; turns between callers, and between short requests and long recordings, may change the order. */
  waiting: WaitingStatus[];
}

export interface DeviceStatus {
  id: string;
  kind: 'cuda' | 'cpu';
  name: string;
  memoryTotalMb: number;
  /** By our own backends, as their models' figures have it. */
  memoryReservedMb: number;
  slots: number;
  slotsUsed: number;
  backends: BackendStatus[];
  /** Models that cannot be started here at the moment. */
  troubles: TroubleStatus[];
}

export interface BackendStatus {
  /** Null while it starts. */
  id: string | null;
  model: string;
  state: BackendState['phase'];
  /** How long it has been in this state. */
  stateMs: number;
}

export interface TroubleStatus {
  model: string;
  reason: string;
  /** Consecutive failed starts; 0 when only memory was missing. */
  failures: number;
  retryInMs: number;
}

export type WaitingStatus = { model: string; rank: number; caller: string | null; waitedMs: number } & (
  | { state: 'queued' }
  | { state: 'waiting_for_gpu'; neededMb: number; freeMb: number; retryInMs: number }
);

export function describeState(state: ScheduleState, rules: Rules, nowMs: number, accepting: boolean): ScheduleStatus {
  const lanes = [...state.lanes.values()];
  const waiting = lanes.flatMap((lane) => describeLane(lane, state, rules, nowMs));
  waiting.sort((a, b) => a.request.dueAtMs - b.request.dueAtMs || a.request.sequence - b.request.sequence);
  return {
    accepting,
    devices: state.devices.map((device) => describeDevice(device, lanes, nowMs)),
    waiting: waiting.map(({ status }) => status),
  };
}

function describeDevice(device: DeviceState, lanes: Lane[], nowMs: number): DeviceStatus {
  const { id, kind, name, memoryTotalMb, slots } = device.device;
  return {
    id,
    kind,
    name,
    memoryTotalMb,
    memoryReservedMb: memoryTotalMb - unreservedMb(device),
    slots,
    slotsUsed: slotsUsed(device),
    backends: [...device.backends].map((backend) => ({
      id: backend.running?.id ?? null,
      model: backend.lane.model.name,
      state: backend.phase,
      stateMs: nowMs - backend.phaseSinceMs,
    })),
    troubles: lanes.flatMap((lane) => {
      const trouble = lane.troubles.get(device);
      if (!trouble) return [];
      const { reason, failures, retryAtMs } = trouble;
      return [{ model: lane.model.name, reason, failures, retryInMs: Math.max(0, retryAtMs - nowMs) }];
    }),
  };
}

function describeLane(
  lane: Lane,
  state: ScheduleState,
  rules: Rules,
  nowMs: number,
): { request: WaitingRequest; status: WaitingStatus }[] {
  const shortage = lane.waiting.size > 0 ? shortageOf(lane, state, rules) : null;
  const { name, rank } = lane.model;
  return [...lane.waiting].map((request) => {
    const common = { model: name, rank, caller: request.caller, waitedMs: nowMs - request.arrivedAtMs };
    if (!shortage) return { request, status: { ...common, state: 'queued' } };
    const { neededMb, freeMb, retryAtMs } = shortage;
    const retryInMs = Math.max(0, retryAtMs - nowMs);
    return { request, status: { ...common, state: 'waiting_for_gpu', neededMb, freeMb, retryInMs } };
  });
}
