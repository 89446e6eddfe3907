// The memory that models have where no GPU has its own.
import { totalmem } from 'node:os';

const MIB = 2 ** 20;

/** A container's limit counts, where this Node can tell it. */
export function systemMemoryMb() {
  const limitBytes = process.constrainedMemory?.() || Number.POSITIVE_INFINITY;
  return Math.floor(Math.min(totalmem(), limitBytes) / MIB);
}
