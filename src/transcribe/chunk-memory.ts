// What lets a run that was broken off go on where it was: finished chunks, by what they were made from. Types only; jobs keep
// one on disk. A key that is found gives exactly what the engine would write again.
import type { ChunkFinal } from '../transcript/event.ts';

export interface ChunkMemory {
  recall(key: string): ChunkFinal | undefined;
  /** `final` would survive the end of the process when this returns. Throws `disk-full`. */
  keep(key: string, final: ChunkFinal): void;
}
