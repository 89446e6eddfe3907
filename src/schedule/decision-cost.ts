// A program: what it costs to find who is next among thousands, beside a plain array. Prints JSON. Run by bench/scheduling.ts,
// which knows the gateway from outside only, where this cannot be seen.
import { settle } from '../lib/clock.ts';
import { makeDevice, makeModel, Stage } from './fake-effects.ts';
import type { Lease, LeaseNeed } from './scheduler.ts';

const WAITING = 10_000;
const DEVICES = 4;
const ROUNDS = 7;
const CHUNKS_PER_CALLER = 100;
const MODELS = ['tiny', 'base', 'small', 'medium', 'large'].map((name, rank) => makeModel(name, rank, 1000));

/** Asks for so many leases, then releases lease after lease until nobody waits. Returns µs of computing for each. */
async function drain(needOf: (number: number) => Omit<LeaseNeed, 'model'>): Promise<number> {
  const devices = Array.from({ length: DEVICES }, (_, index) => makeDevice(`cuda:${index}`, 8000));
  const stage = new Stage(devices, { QUEUE_MAX: String(WAITING), MODEL_IDLE_SECONDS: '0' });
  // Each device holds every model, so that what is measured is the choice and not a swap.
  const first: Lease[] = [];
  for (const model of MODELS) {
    const leases: Lease[] = [];
    for (const _ of devices) leases.push(await stage.hold(model));
    if (model === MODELS.at(-1)) first.push(...leases);
    else for (const lease of leases) lease.release();
  }
  const held = [...first];
  let served = 0;
  for (let number = 0; number < WAITING; number += 1) {
    const model = MODELS[number % MODELS.length];
    if (!model) continue;
    // Each has a signal of its own, as requests have.
    const { signal } = new AbortController();
    void stage.scheduler.lease({ model, ...needOf(number) }, signal).then((lease) => {
      served += 1;
      held.push(lease);
    });
  }
  await settle();
  const before = process.cpuUsage();
  while (served < WAITING) {
    for (const lease of held.splice(0)) lease.release();
    await Promise.resolve();
  }
  return spentUs(before) / WAITING;
}

/** The same with nothing to decide: whoever came first. */
async function drainArray(): Promise<number> {
  const queue: ((slot: number) => void)[] = [];
  const held: number[] = [];
  let served = 0;
  for (let number = 0; number < WAITING; number += 1) {
    void new Promise<number>((resolve) => queue.push(resolve)).then((slot) => {
      served += 1;
      held.push(slot);
    });
  }
  await settle();
  for (let slot = 0; slot < DEVICES; slot += 1) held.push(slot);
  const before = process.cpuUsage();
  while (served < WAITING) {
    for (const slot of held.splice(0)) queue.shift()?.(slot);
    await Promise.resolve();
  }
  return spentUs(before) / WAITING;
}

/** Of this process: other programs may take the processor at any moment, and do not count. */
function spentUs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

const sides: { name: string; drain: () => Promise<number> }[] = [
  { name: 'scheduler, requests of nobody', drain: () => drain(() => ({})) },
  { name: 'scheduler, as many callers', drain: () => drain((number) => ({ caller: String(number) })) },
  {
    name: 'scheduler, chunks of recordings',
    drain: () =>
      drain((number) => ({ caller: String(Math.floor(number / CHUNKS_PER_CALLER)), recording: 'of that caller' })),
  },
  { name: 'array, first come, first served', drain: drainArray },
];
const measured = sides.map(({ name }) => ({ name, us: [] as number[] }));
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const [index, { drain }] of sides.entries()) {
    const us = await drain();
    // The first round is for the compiler.
    if (round > 0) measured[index]?.us.push(us);
  }
}
const at = (us: number[], share: number) => us.toSorted((a, b) => a - b)[Math.ceil(share * us.length) - 1] ?? 0;
console.log(
  JSON.stringify({
    waiting: WAITING,
    models: MODELS.length,
    devices: DEVICES,
    sides: measured.map(({ name, us }) => ({ name, medianUs: at(us, 0.5), p95Us: at(us, 0.95) })),
  }),
);
