// Takes out what was uttered but not said: `uh`, `um`. `uh-huh` and its like are answers and stay. English: elsewhere the same
// letters are words (German `um`, Portuguese `um`). Pure.
import fillers from './data/filler-words.json' with { type: 'json' };
import { type FormattedWord, rewrite } from './words.ts';

const FILLERS = new Set(fillers);
const REMOVAL = { count: 1, words: [] };

export function withoutFillerWords(words: FormattedWord[]): FormattedWord[] {
  return rewrite(words, (all, at) => (FILLERS.has(all[at]?.word ?? '') ? REMOVAL : null));
}
