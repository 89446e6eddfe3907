// Owns every choice: who is next, where it runs, what has to leave for it, and when time alone would change the answer.
// Pure: reads the state, changes nothing, starts nothing. The reasons and the waiting bound are in DESIGN.md.
import type { Model } from '../models/model.ts';
import type { Rules } from './settings.ts';
import type { BackendState, DeviceState, Lane, ScheduleState, Trouble, WaitingRequest } from './state.ts';
import type { TurnQueue } from './turn-queue.ts';

export type Decision =
  | { kind: 'lease'; request: WaitingRequest; backend: BackendState }
  | { kind: 'start'; lane: Lane; device: DeviceState; evict: BackendState[] }
  | { kind: 'give-up'; request: WaitingRequest; shortage: Shortage }
  | { kind: 'unload'; backend: BackendState }
  | { kind: 'wait'; wakeAtMs: number };

export interface Shortage {
  /** Where it may be over first. */
  device: DeviceState;
  neededMb: number;
  freeMb: number;
  retryAtMs: number;
  sinceMs: number;
}

/** What an earlier lane holds against later ones: new models on the device, or any use of it. */
type Claim = 'no-starts' | 'no-leases';

/** One pass over the lanes. */
interface Round {
  readonly state: ScheduleState;
  readonly rules: Rules;
  readonly nowMs: number;
  readonly hasFreeSlot: boolean;
  readonly claims: Map<DeviceState, Claim>;
  wakeAtMs: number;
}

/** What a lane sends to compete for a slot: the request whose turn it is, at the age of the oldest of its kind there. */
interface Bid {
  readonly request: WaitingRequest;
  readonly oldest: WaitingRequest;
}

/**
 * A model that nobody waits for may be evicted before its residency ends, once it has been unused this long: the time a
 * client needs to send its next request. Without it, two clients that each send one request after the other would swap
 * the device at every request. About the price of a start, so that waiting never costs much more than swapping at once.
 */
const QUIET_MS = 1000;

/**
 * The moment at which the request would count as rank 0 had it not waited yet. "Rank minus time waited" orders any two
 * requests the same way at every moment, so the order is fixed on arrival and nothing is ever sorted again.
 */
export function dueAtMs(model: Model, arrivedAtMs: number, rules: Rules): number {
  return arrivedAtMs + model.rank * rules.agingMs;
}

/** The next thing to do. The caller carries it out and asks again until the answer is to wait. */
export function decide(state: ScheduleState, rules: Rules, nowMs: number): Decision {
  // Under load every slot is taken most of the time, and nobody could be placed.
  const hasFreeSlot = state.devices.some((device) => slotsFree(device) > 0);
  const round: Round = { state, rules, nowMs, hasFreeSlot, claims: new Map(), wakeAtMs: Number.POSITIVE_INFINITY };
  for (const request of requestsInOrder(round)) {
    const decision = giveUp(request.lane, round) ?? (hasFreeSlot ? place(request, round) : null);
    if (decision) return decision;
  }
  return unload(round) ?? { kind: 'wait', wakeAtMs: round.wakeAtMs };
}

// One request of each lane that has any:
// 1. Short requests by age and rank, and among them the first chunk of all once short ones have passed it for a whole
//    ageing step.
// 2. Other chunks by age and rank too, but each behind every short request that has aged to the chunk's bare rank.
// 3. Chunks of recordings that run on their share of slots, when nobody above could use the slot.
function requestsInOrder(round: Round): WaitingRequest[] {
  const lifted = liftedLane(round);
  const urgent: Bid[] = [];
  const long: Bid[] = [];
  const aside: Bid[] = [];
  for (const lane of round.state.lanes.values()) {
    const shortBid = bidOf(lane.short, lane.short.next);
    const longBid = bidOf(lane.long, lane.long.next);
    if (lane === lifted && longBid && !(shortBid && isBefore(shortBid.oldest, longBid.oldest))) urgent.push(longBid);
    else if (shortBid) urgent.push(shortBid);
    else if (longBid) long.push(longBid);
    else {
      const asideBid = bidOf(lane.long, lane.long.nextAside);
      if (asideBid) aside.push(asideBid);
    }
  }
  for (const bids of [urgent, long, aside]) if (bids.length > 1) bids.sort((a, b) => compareAge(a.oldest, b.oldest));

  const order: WaitingRequest[] = [];
  let passed = 0;
  for (const { request, oldest } of urgent) {
    for (let chunk = long[passed]; chunk; chunk = long[++passed]) {
      const passableAtMs = oldest.dueAtMs - chunk.request.lane.model.rank * round.rules.agingMs;
      if (passableAtMs <= round.nowMs) break;
      if (round.hasFreeSlot) wakeAt(round, passableAtMs);
      order.push(chunk.request);
    }
    order.push(request);
  }
  for (const bid of long.slice(passed)) order.push(bid.request);
  for (const bid of aside) order.push(bid.request);
  return order;
}

function bidOf({ oldest }: TurnQueue<WaitingRequest>, request: WaitingRequest | undefined): Bid | null {
  return request && oldest ? { request, oldest } : null;
}

/** The lane whose next chunk of a long recording goes by its age like a short request, because its turn has come. */
function liftedLane(round: Round): Lane | null {
  const { state, rules, nowMs } = round;
  if (state.longPassedSinceMs === null) return null;
  const liftsAtMs = state.longPassedSinceMs + rules.agingMs;
  if (liftsAtMs <= nowMs) return firstLane('long', state);
  if (round.hasFreeSlot) wakeAt(round, liftsAtMs);
  return null;
}

/** The lane where those of this kind have waited longest, by age and rank. */
function firstLane(kind: WaitingRequest['kind'], state: ScheduleState): Lane | null {
  let first: Lane | null = null;
  let firstOldest: WaitingRequest | undefined;
  for (const lane of state.lanes.values()) {
    const { next, oldest } = lane[kind];
    if (!next || !oldest || (firstOldest && isBefore(firstOldest, oldest))) continue;
    first = lane;
    firstOldest = oldest;
  }
  return first;
}

/**
 * `longPassedSinceMs` once this request, still waiting, has been given a lease. Only the first lane of each kind counts:
 * others get slots that the first cannot use, and if those ended its turn, it could be passed over without end.
 */
export function longPassedSinceMs({ lane, kind }: WaitingRequest, state: ScheduleState, nowMs: number): number | null {
  if (lane !== firstLane(kind, state)) return state.longPassedSinceMs;
  if (kind === 'long' || !firstLane('long', state)) return null;
  return state.longPassedSinceMs ?? nowMs;
}

function compareAge(a: WaitingRequest, b: WaitingRequest): number {
  return a.dueAtMs - b.dueAtMs || a.sequence - b.sequence;
}

function isBefore(a: WaitingRequest, b: WaitingRequest): boolean {
  return compareAge(a, b) < 0;
}

// 1. A free backend already holds the model: use it.
// 2. A free device has memory for the model: start it there.
// 3. A free device has memory for it once idle models leave: evict them, least recently used first, and start.
// 4. Wait, and keep later lanes from what the request waits for.
function place(request: WaitingRequest, round: Round): Decision | null {
  const { lane } = request;
  const copies = copiesOf(lane, round.state);

  // 1. The most recently used copy, so that a copy too many falls idle and leaves.
  let free: BackendState | null = null;
  for (const copy of copies) {
    if (copy.phase !== 'idle' || slotsFree(copy.device) === 0) continue;
    if (round.claims.get(copy.device) === 'no-leases') continue;
    if (!free || copy.phaseSinceMs > free.phaseSinceMs) free = copy;
  }
  if (free) return { kind: 'lease', request, backend: free };

  // Every backend that is starting will take one request; only those beyond that number justify another start. A load
  // takes no backend, so it justifies the first copy only.
  const starting = copies.filter((copy) => copy.phase === 'starting').length;
  const wanted = lane.load ? Math.max(1, lane.waiting.size - 1) : lane.waiting.size;
  if (wanted <= starting) return null;

  const usable = round.state.devices.filter((device) => canStart(lane, device, copies, round));

  // 2. A graphics card before a processor, then the device with the fewest copies, then the emptiest.
  const roomy = usable.filter((device) => freeMb(lane, device, round) >= lane.model.memoryMb);
  const emptiest = roomy.sort(
    (a, b) =>
      Number(a.device.kind === 'cpu') - Number(b.device.kind === 'cpu') ||
      copiesOn(a, copies) - copiesOn(b, copies) ||
      unreservedMb(b) - unreservedMb(a),
  )[0];
  if (emptiest) return { kind: 'start', lane, device: emptiest, evict: [] };

  // 3. A model that runs somewhere already pays for a swap only after it has waited as long as a swap takes.
  const spreads = copies.length > 0;
  const waitingSinceMs = lane.waiting.first?.arrivedAtMs ?? round.nowMs;
  const patienceEndsAtMs = spreads ? waitingSinceMs + lane.lastStartMs : round.nowMs;
  if (starting === 0 && usable.length > 0) {
    if (round.nowMs < patienceEndsAtMs) wakeAt(round, patienceEndsAtMs);
    else {
      const swap = cheapestSwap(lane, usable, spreads, round);
      if (swap) return { kind: 'start', lane, ...swap };
    }
  }

  // 4. A model that runs somewhere waits for that backend; one that runs nowhere needs a device to empty.
  if (!spreads) claimDevice(lane, round);
  return null;
}

/** The swap whose most recently used victim has been unused for longest. */
function cheapestSwap(
  lane: Lane,
  devices: DeviceState[],
  spreads: boolean,
  round: Round,
): { device: DeviceState; evict: BackendState[] } | null {
  let cheapest: { device: DeviceState; evict: BackendState[] } | null = null;
  let lastUsedAtMs = Number.POSITIVE_INFINITY;
  for (const device of devices) {
    const evict = victims(lane, device, spreads, round);
    if (!evict) continue;
    const deviceLastUsedAtMs = Math.max(...evict.map((victim) => victim.phaseSinceMs));
    if (deviceLastUsedAtMs >= lastUsedAtMs) continue;
    lastUsedAtMs = deviceLastUsedAtMs;
    cheapest = { device, evict };
  }
  return cheapest;
}

/** The idle backends to evict, or null when that would not make enough room. */
function victims(lane: Lane, device: DeviceState, spreads: boolean, round: Round): BackendState[] | null {
  const candidates: BackendState[] = [];
  for (const backend of device.backends) {
    if (backend.phase !== 'idle') continue;
    const evictableAtMs = evictableFromMs(backend, spreads, round.rules);
    if (evictableAtMs <= round.nowMs) candidates.push(backend);
    else wakeAt(round, evictableAtMs);
  }
  candidates.sort((a, b) => a.phaseSinceMs - b.phaseSinceMs);

  const shortMb = lane.model.memoryMb - freeMb(lane, device, round);
  let freedMb = 0;
  const evict: BackendState[] = [];
  for (const candidate of candidates) {
    if (freedMb >= shortMb) break;
    evict.push(candidate);
    freedMb += candidate.lane.model.memoryMb;
  }
  if (freedMb < shortMb) return null;
  // A large victim taken late can make a small one taken early needless.
  return evict.filter((victim) => {
    const needless = freedMb - victim.lane.model.memoryMb >= shortMb;
    if (needless) freedMb -= victim.lane.model.memoryMb;
    return !needless;
  });
}

function evictableFromMs(backend: BackendState, spreads: boolean, rules: Rules): number {
  if (spreads) return backend.phaseSinceMs + rules.spreadMs;
  const residencyEndsAtMs = (backend.readyAtMs ?? 0) + rules.residencyMs;
  if (backend.lane.waiting.size > 0) return residencyEndsAtMs;
  return Math.min(residencyEndsAtMs, backend.phaseSinceMs + QUIET_MS);
}

/**
 * A request that waits for memory takes a claim on the device that can be cleared first: later lanes start nothing more
 * there, and once every residency on it has ended they get no lease there either, so that it empties. Without a claim a
 * large model would wait for ever beside small ones that are never all idle at once.
 */
function claimDevice(lane: Lane, round: Round): void {
  let first: DeviceState | null = null;
  let firstAtMs = Number.POSITIVE_INFINITY;
  for (const device of eligibleDevices(lane.model.memoryMb, round.state.devices)) {
    if (round.claims.has(device) || activeTrouble(lane, device, round.nowMs)) continue;
    // Only a slot is missing here: lanes are asked in order, so the next free slot is this request's anyway.
    if (unreservedMb(device) >= lane.model.memoryMb) return;
    let clearAtMs = 0;
    for (const backend of device.backends) {
      if (backend.phase === 'stopping') continue;
      clearAtMs = Math.max(clearAtMs, (backend.readyAtMs ?? round.nowMs) + round.rules.residencyMs);
    }
    if (clearAtMs >= firstAtMs) continue;
    first = device;
    firstAtMs = clearAtMs;
  }
  if (!first) return;
  round.claims.set(first, firstAtMs <= round.nowMs ? 'no-leases' : 'no-starts');
  if (firstAtMs > round.nowMs) wakeAt(round, firstAtMs);
}

function giveUp(lane: Lane, round: Round): Decision | null {
  const shortage = shortageOf(lane, round.state, round.rules);
  const request = lane.waiting.first;
  if (!shortage || !request) return null;
  const endsAtMs = Math.max(request.arrivedAtMs, shortage.sinceMs) + round.rules.gpuWaitMs;
  if (endsAtMs <= round.nowMs) return { kind: 'give-up', request, shortage };
  wakeAt(round, endsAtMs);
  return null;
}

function unload(round: Round): Decision | null {
  if (round.rules.idleMs === Number.POSITIVE_INFINITY) return null;
  for (const device of round.state.devices) {
    for (const backend of device.backends) {
      if (backend.phase !== 'idle' || backend.lane.waiting.size > 0) continue;
      const unloadAtMs = backend.phaseSinceMs + round.rules.idleMs;
      if (unloadAtMs <= round.nowMs) return { kind: 'unload', backend };
      wakeAt(round, unloadAtMs);
    }
  }
  return null;
}

/** What those who wait for this model are short of, when memory is all that they wait for. */
export function shortageOf(lane: Lane, state: ScheduleState, rules: Rules): Shortage | null {
  const sinceMs = lane.shortSinceMs;
  // A shortage seen before these requests came says nothing about now.
  if (sinceMs === null) return null;
  let shortage: Shortage | null = null;
  for (const device of eligibleDevices(lane.model.memoryMb, state.devices)) {
    const trouble = lane.troubles.get(device);
    if (trouble?.shortage) {
      if (!shortage || trouble.retryAtMs < shortage.retryAtMs)
        shortage = { ...trouble.shortage, device, retryAtMs: trouble.retryAtMs, sinceMs };
    } else if (!isFailing(trouble, rules)) return null;
  }
  const runs = copiesOf(lane, state).some((copy) => copy.phase !== 'starting');
  return runs ? null : shortage;
}

/** When the model has failed to start too often on every device that could hold it: the failure to be retried first. */
export function failureOf(lane: Lane, state: ScheduleState, rules: Rules): Trouble | null {
  let first: Trouble | null = null;
  for (const device of eligibleDevices(lane.model.memoryMb, state.devices)) {
    const trouble = lane.troubles.get(device);
    if (!trouble || !isFailing(trouble, rules)) return null;
    if (!first || trouble.retryAtMs < first.retryAtMs) first = trouble;
  }
  const lives = copiesOf(lane, state).length > 0;
  return lives ? null : first;
}

function isFailing(trouble: Trouble | undefined, rules: Rules): boolean {
  return trouble !== undefined && trouble.shortage === null && trouble.failures >= rules.startAttempts;
}

export function eligibleDevices(memoryMb: number, devices: readonly DeviceState[]): DeviceState[] {
  return devices.filter(({ device }) => device.memoryTotalMb >= memoryMb);
}

export function backoffMs(failures: number, rules: Rules): number {
  return Math.min(rules.backoffMs * 2 ** (failures - 1), rules.backoffMaxMs);
}

/** A backend that is starting counts: its warm-up is an inference too. */
export function slotsUsed(device: DeviceState): number {
  let used = 0;
  for (const { phase } of device.backends) if (phase === 'busy' || phase === 'starting') used += 1;
  return used;
}

/**
 * Memory that is neither used by a backend of ours nor promised to one. What a stopping backend holds is as good as free:
 * a start waits until whatever is stopping on its device is gone.
 */
export function unreservedMb({ device, backends }: DeviceState): number {
  let reservedMb = 0;
  for (const { phase, lane } of backends) if (phase !== 'stopping') reservedMb += lane.model.memoryMb;
  return device.memoryTotalMb - reservedMb;
}

function slotsFree(device: DeviceState): number {
  return device.device.slots - slotsUsed(device);
}

function canStart(lane: Lane, device: DeviceState, copies: BackendState[], round: Round): boolean {
  if (device.device.memoryTotalMb < lane.model.memoryMb || round.claims.has(device)) return false;
  const trouble = activeTrouble(lane, device, round.nowMs);
  if (trouble) wakeAt(round, trouble.retryAtMs);
  // A shortage may be cured by an eviction before its next poll; a failure has to sit out its pause.
  if (trouble && !trouble.shortage) return false;
  return slotsFree(device) > 0 && copiesOn(device, copies) < device.device.slots;
}

/** Memory that a start of this model would find; while a shortage is fresh, what was measured counts. */
function freeMb(lane: Lane, device: DeviceState, round: Round): number {
  const shortage = activeTrouble(lane, device, round.nowMs)?.shortage;
  return Math.min(unreservedMb(device), shortage?.freeMb ?? Number.POSITIVE_INFINITY);
}

function activeTrouble(lane: Lane, device: DeviceState, nowMs: number): Trouble | null {
  const trouble = lane.troubles.get(device);
  return trouble && trouble.retryAtMs > nowMs ? trouble : null;
}

function copiesOf(lane: Lane, state: ScheduleState): BackendState[] {
  const copies: BackendState[] = [];
  for (const device of state.devices) {
    for (const backend of device.backends) {
      if (backend.lane === lane && backend.phase !== 'stopping' && !backend.retired) copies.push(backend);
    }
  }
  return copies;
}

function copiesOn(device: DeviceState, copies: BackendState[]): number {
  return copies.filter((copy) => copy.device === device).length;
}

function wakeAt(round: Round, atMs: number): void {
  round.wakeAtMs = Math.min(round.wakeAtMs, atMs);
}
