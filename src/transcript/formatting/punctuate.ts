// The engine always writes case and punctuation; where neither was asked for, they are taken away. Pure.
import type { FormattedWord } from './words.ts';

export function withoutPunctuation(words: FormattedWord[]): FormattedWord[] {
  return words.map((word) => ({ ...word, punctuated: word.word }));
}
