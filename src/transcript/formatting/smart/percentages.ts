// `fifty percent` → `50%`. Pure.
import { readNumber } from '../spoken-number.ts';
import { endsPhrase, type FormattedWord, joined, type Rewrite, rewrite } from '../words.ts';

export function percentages(words: FormattedWord[]): FormattedWord[] {
  return rewrite(words, matchPercentage);
}

function matchPercentage(words: FormattedWord[], at: number): Rewrite | null {
  const number = readNumber(words, at);
  const last = words[at + (number?.count ?? 0) - 1];
  if (!number || number.isOrdinal || !last || endsPhrase(last)) return null;
  const [next, afterNext] = [words[at + number.count], words[at + number.count + 1]];
  const signCount = next?.word === 'percent' ? 1 : next?.word === 'per' && afterNext?.word === 'cent' ? 2 : 0;
  if (signCount === 0) return null;
  const count = number.count + signCount;
  return { count, words: [joined(words.slice(at, at + count), `${number.digits}%`)] };
}
