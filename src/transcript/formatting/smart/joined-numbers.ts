// Numbers said in pieces → one number: `nine two eight` → `928`, `seven forty seven` → `747`. Pure.
import { readNumber, readPair } from '../spoken-number.ts';
import { endsPhrase, type FormattedWord, joined, type Rewrite, rewrite } from '../words.ts';
import { isPriceNamed } from './money.ts';

/** Fewer may be anything: `one two` in `one two or three`. */
const DIGITS_MIN = 3;
/** With tens and digit, which leaves only one reading; `seven thirty` is a time as well. */
const FULL_REST = /^[2-9][1-9]$/;
const YEARS = /^year(?:-olds?)?$/;

export function joinedNumbers(words: FormattedWord[]): FormattedWord[] {
  return rewrite(
    words,
    (all, at) => matchAllDay(all, at) ?? matchPair(all, at) ?? matchNumber(all, at) ?? matchDigits(all, at),
  );
}

/** `twenty four seven`. */
function matchAllDay(words: FormattedWord[], at: number): Rewrite | null {
  const hours = readNumber(words, at);
  if (hours?.digits !== '24') return null;
  const last = words[at + hours.count - 1];
  const days = words[at + hours.count];
  if (!last || !days || endsPhrase(last) || !/^(?:seven|7)$/.test(days.word)) return null;
  const isGoingOn =
    readNumber(words, at + hours.count)?.count !== 1 || (!endsPhrase(days) && isNumber(words, at + hours.count + 1));
  if (isGoingOn || (at > 0 && isNumber(words, at - 1))) return null;
  const count = hours.count + 1;
  return { count, words: [joined(words.slice(at, at + count), '24/7')] };
}

/** `flight nine twenty three`; but `it costs five ninety nine` is a price, and `six twenty one year olds` are six. */
function matchPair(words: FormattedWord[], at: number): Rewrite | null {
  const pair = readPair(words, at);
  const isPrice = isPriceNamed(words, at);
  if (!pair || (pair.first.length > 1 && !isPrice)) return null;
  if (!FULL_REST.test(pair.rest) || YEARS.test(words[at + pair.count]?.word ?? '')) return null;
  const digits = isPrice ? `${pair.first}.${pair.rest}` : pair.first + pair.rest;
  return { count: pair.count, words: [joined(words.slice(at, at + pair.count), digits)] };
}

/** A number of several words stays whole: the end of `twenty four` or `three point one four one` begins no run of digits. */
function matchNumber(words: FormattedWord[], at: number): Rewrite | null {
  const count = readNumber(words, at)?.count ?? 0;
  return count > 1 ? { count, words: words.slice(at, at + count) } : null;
}

/** A comma between digits is a list and stays one. */
function matchDigits(words: FormattedWord[], at: number): Rewrite | null {
  let digits = '';
  let count = 0;
  // A run of any length is one number: it is consumed whole, so the pass stays linear.
  for (let word = words[at]; word; word = words[at + count]) {
    const digit = singleDigit(words, at + count);
    if (digit === null) break;
    digits += digit;
    count++;
    if (word.punctuated.toLowerCase() !== word.word) break;
  }
  if (count < DIGITS_MIN) return null;
  return { count, words: [joined(words.slice(at, at + count), digits)] };
}

function singleDigit(words: FormattedWord[], at: number): string | null {
  if (words[at]?.word === 'oh' && at > 0) return isNumber(words, at - 1) ? '0' : null;
  const number = readNumber(words, at);
  return number && !number.isOrdinal && /^\d$/.test(number.digits) ? number.digits : null;
}

function isNumber(words: FormattedWord[], at: number): boolean {
  return readNumber(words, at) !== null;
}
