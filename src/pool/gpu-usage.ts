// Owns the looks at how busy the GPUs are: once a second while anybody measures, none otherwise. Nothing is decided by them.
import type { Clock } from '../lib/clock.ts';
import type { Gpu } from './nvidia-smi.ts';
import type { Device } from './protocol.ts';

/** Between two looks, from the end of one to the start of the next. */
const LOOK_EVERY_MS = 1000;

/** Of one GPU, every program on it counted, in the words of those who ask for it: `measurements` are kept as they are. */
export interface GpuUsage {
  index: number;
  util_avg_percent: number;
  util_max_percent: number;
  vram_total_mb: number;
  vram_used_avg_mb: number;
  vram_used_max_mb: number;
  /** On average. */
  vram_used_percent: number;
  vram_used_percent_max: number;
}

/** Sums over the looks, so that a measurement of hours takes no more room than one of seconds. */
interface Tally {
  index: number;
  totalMb: number;
  looks: number;
  percentSum: number;
  percentMax: number;
  usedMbSum: number;
  usedMbMax: number;
}

export interface GpuMeterParts {
  /** Those of ours; other GPUs of the machine do not count. */
  devices: readonly Device[];
  look: () => Promise<Gpu[] | null>;
  clock: Clock;
}

export class GpuMeter {
  readonly #uuids: Set<string | null>;
  readonly #look: GpuMeterParts['look'];
  readonly #clock: Clock;
  /** One for each that measures: GPUs by their index. */
  readonly #measurements = new Set<Map<number, Tally>>();
  /** What was seen last; empty while nobody measures. */
  #latest: Gpu[] = [];
  #isLooking = false;
  /** Null while a look is under way. */
  #cancelNext: (() => void) | null = null;

  constructor({ devices, look, clock }: GpuMeterParts) {
    this.#uuids = new Set(devices.filter(({ kind }) => kind === 'cuda').map(({ uuid }) => uuid));
    this.#look = look;
    this.#clock = clock;
  }

  /**
   * Measures until the returned function is called, which has to be: the GPU that was busiest meanwhile. Null without an
   * NVIDIA GPU, and when all was over before the first look.
   */
  measure(): () => GpuUsage | null {
    if (this.#uuids.size === 0) return () => null;
    const tallies = new Map<number, Tally>();
    this.#measurements.add(tallies);
    // Somebody else measures already; the next look may come too late for a short run.
    add(tallies, this.#latest);
    if (!this.#isLooking) void this.#lookOn();
    return () => {
      this.#measurements.delete(tallies);
      if (this.#measurements.size === 0 && this.#cancelNext) this.#rest();
      return busiest([...tallies.values()]);
    };
  }

  async #lookOn(): Promise<void> {
    this.#isLooking = true;
    this.#cancelNext = null;
    const gpus = (await this.#look()) ?? [];
    if (this.#measurements.size === 0) {
      this.#rest();
      return;
    }
    this.#latest = gpus.filter(({ uuid }) => this.#uuids.has(uuid));
    for (const tallies of this.#measurements) add(tallies, this.#latest);
    this.#cancelNext = this.#clock.after(LOOK_EVERY_MS, () => void this.#lookOn());
  }

  #rest(): void {
    this.#cancelNext?.();
    this.#cancelNext = null;
    this.#isLooking = false;
    this.#latest = [];
  }
}

function add(tallies: Map<number, Tally>, gpus: readonly Gpu[]): void {
  for (const { index, memoryTotalMb: totalMb, memoryUsedMb, utilisationPercent } of gpus) {
    const tally = tallies.get(index) ?? {
      index,
      totalMb,
      looks: 0,
      percentSum: 0,
      percentMax: 0,
      usedMbSum: 0,
      usedMbMax: 0,
    };
    tally.looks += 1;
    tally.percentSum += utilisationPercent;
    tally.percentMax = Math.max(tally.percentMax, utilisationPercent);
    tally.usedMbSum += memoryUsedMb;
    tally.usedMbMax = Math.max(tally.usedMbMax, memoryUsedMb);
    tallies.set(index, tally);
  }
}

/** By what it computed; of those that are alike, the one with more memory in use: there the model is. */
function busiest(tallies: Tally[]): GpuUsage | null {
  const [first] = tallies.toSorted(
    (a, b) => b.percentSum / b.looks - a.percentSum / a.looks || b.usedMbSum / b.looks - a.usedMbSum / a.looks,
  );
  if (!first) return null;
  const { index, totalMb, looks, percentSum, percentMax, usedMbSum, usedMbMax } = first;
  // A GPU that shares the system's memory has no total.
  const shareOf = (mb: number) => (totalMb > 0 ? tenths((100 * mb) / totalMb) : 0);
  return {
    index,
    util_avg_percent: tenths(percentSum / looks),
    util_max_percent: percentMax,
    vram_total_mb: totalMb,
    vram_used_avg_mb: tenths(usedMbSum / looks),
    vram_used_max_mb: usedMbMax,
    vram_used_percent: shareOf(usedMbSum / looks),
    vram_used_percent_max: shareOf(usedMbMax),
  };
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
