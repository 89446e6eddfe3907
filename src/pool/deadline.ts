// How long an inference may stay silent before its engine counts as stuck. Pure. Generous on purpose: it bounds a hang, it
// does not measure speed.
import type { Device } from './protocol.ts';

/** What the engine hears at a time. */
export const WINDOW_MS = 30_000;
const BASE_MS = 15_000;
/** A day. Also what a timer can still hold: a longer one would fire at once. */
const DEADLINE_MS_MAX = 24 * 3_600_000;

/**
 * Per 30-second window by model rank (tiny 0 … large 4): one encoding and, at worst, six decodings of 220 tokens with five
 * beams. For a CPU, two busy cores (tiny took 2 s for a window there); larger models in proportion to their weights.
 */
const WINDOW_MS_BY_RANK: Record<Device['kind'], readonly number[]> = {
  cuda: [10_000, 10_000, 15_000, 20_000, 30_000],
  cpu: [30_000, 60_000, 180_000, 480_000, 900_000],
};

export function deadlineMs(of: { kind: Device['kind']; rank: number; durationMs: number; factor: number }): number {
  const byRank = WINDOW_MS_BY_RANK[of.kind];
  const windowMs = byRank[Math.min(byRank.length - 1, Math.max(0, Math.round(of.rank)))] ?? 0;
  const windows = Math.max(1, Math.ceil(of.durationMs / WINDOW_MS));
  return Math.min(DEADLINE_MS_MAX, of.factor * (BASE_MS + windows * windowMs));
}
