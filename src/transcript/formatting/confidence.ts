// How sure the engine was of several words at once. Pure.
import type { FormattedWord } from './words.ts';

/** The upper median, as Deepgram has it: held in every one of its answers that was looked at (2024–2026). */
export function confidenceOf(words: FormattedWord[]): number {
  const sorted = words.map(({ confidence }) => confidence).sort((first, second) => first - second);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
