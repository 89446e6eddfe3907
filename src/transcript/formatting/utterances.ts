// Stretches of speech between pauses. Pure.
import { confidenceOf } from './confidence.ts';
import { type FormattedWord, textOf } from './words.ts';

export interface Utterance {
  startMs: number;
  endMs: number;
  confidence: number;
  text: string;
  words: FormattedWord[];
}

/** A new one begins where the pause between two words is longer than `splitMs`. */
export function utterances(words: FormattedWord[], splitMs: number): Utterance[] {
  const groups: FormattedWord[][] = [];
  let previous: FormattedWord | undefined;
  for (const word of words) {
    if (!previous || word.startMs - previous.endMs > splitMs) groups.push([]);
    groups.at(-1)?.push(word);
    previous = word;
  }
  return groups.map((group) => ({
    startMs: group[0]?.startMs ?? 0,
    endMs: group.at(-1)?.endMs ?? 0,
    confidence: confidenceOf(group),
    text: textOf(group),
    words: group,
  }));
}
