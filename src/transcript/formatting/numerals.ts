// Number words → digits: `nine hundred` → `900`, `twenty eighth` → `28th`; digits said one by one stay apart. English. Pure.
import { grouped, inLargeUnits } from './large-number.ts';
import { isUnit } from './measurements.ts';
import { readDecade, readNumber, readPair, type SpokenNumber } from './spoken-number.ts';
import { endsSentence, type FormattedWord, joined, type Rewrite, rewrite, spread, withCore } from './words.ts';

/** Mostly not counted: `at first`, `one of them`, `a second`, `a third of it`. */
const OFTEN_NO_NUMBER = new Set(['one', 'first', 'second', 'third']);
const COUNTED = new Set(['percent', 'dollar', 'euro', 'cent', 'degree', "o'clock", 'o’clock']);
const PLURALS = new Set(['teens', 'hundreds', 'thousands', 'millions', 'billions']);
/** What comes after the upper number of a fraction: `two thirds`, `one fifth`. */
const FRACTION =
  /^(?:half|halves|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|hundredths?)$/;

/** Below it a number may be a year, a room, a bus: without separators. */
const SEPARATED_MIN = 10_000;

/** `isSmart` writes as people do: `1,250` as the engine had it, `200,000`, `2.5 million`, and no digits for what may be anything. */
export function numerals(words: FormattedWord[], { isSmart = false } = {}): FormattedWord[] {
  return rewrite(words, (all, at) => {
    // `nine eleven`, `seven thirty` are a day, a time, a price or two numbers.
    const pair = isSmart ? readPair(all, at) : null;
    if (pair) return { count: pair.count, words: all.slice(at, at + pair.count) };
    const number = readDecade(all, at) ?? readNumber(all, at);
    if (isZero(all, at)) return { count: 1, words: all.slice(at, at + 1).map((word) => withCore(word, '0')) };
    if (!number?.isWritten) return number && matchSpelled(all, at, number, isSmart);
    // Digits are already what was asked for; a `million` after them stays.
    return isSmart ? null : withoutSeparators(all[at]);
  });
}

function matchSpelled(words: FormattedWord[], at: number, number: SpokenNumber, isSmart: boolean): Rewrite | null {
  if (isFraction(words, at, number) || isRatherAWord(words, at, number)) return null;
  const { count, digits } = number;
  const span = words.slice(at, at + count);
  const large = isSmart ? inLargeUnits(digits) : null;
  // `a million thanks`
  if (large && words[at]?.word === 'a' && count === 2) return null;
  if (large) return { count, words: spread(span, large) };
  return { count, words: [joined(span, isSmart && Number(digits) >= SEPARATED_MIN ? grouped(digits) : digits)] };
}

function withoutSeparators(word: FormattedWord | undefined): Rewrite | null {
  if (!word?.word.includes(',')) return null;
  return { count: 1, words: [joined([word], word.word.replaceAll(',', ''))] };
}

function isFraction(words: FormattedWord[], at: number, number: SpokenNumber): boolean {
  const isUpper = !number.isOrdinal && FRACTION.test(words[at + number.count]?.word ?? '');
  const before = at > 0 ? readNumber(words, at - 1) : null;
  const isLower = number.isOrdinal && before?.count === 1 && !before.isOrdinal;
  // `a tenth of`
  const isPart = number.isOrdinal && words[at - 1]?.word === 'a' && words[at + number.count]?.word === 'of';
  return isUpper || isLower || isPart;
}

function isRatherAWord(words: FormattedWord[], at: number, number: SpokenNumber): boolean {
  const [word, next] = [words[at]?.word ?? '', words[at + number.count]?.word ?? ''];
  // `the early two thousands`
  if (PLURALS.has(next)) return true;
  // `half a million`, `a tenth of a million`.
  if (word === 'a') return ['half', 'of'].includes(words[at - 1]?.word ?? '');
  if (number.count > 1 || !OFTEN_NO_NUMBER.has(word)) return false;
  if (number.isOrdinal) return true;
  // `one` is counted beside another number and before what is counted in numbers.
  return !isUnit(next) && !COUNTED.has(next) && !isBesideNumber(words, at);
}

function isBesideNumber(words: FormattedWord[], at: number): boolean {
  const [previous, word, next] = [words[at - 1], words[at], words[at + 1]];
  const isBefore = word !== undefined && !endsSentence(word, next) && isCardinal(words, at + 1);
  return isBefore || (previous !== undefined && !endsSentence(previous, word) && isCardinal(words, at - 1));
}

function isCardinal(words: FormattedWord[], at: number): boolean {
  return readNumber(words, at)?.isOrdinal === false || isZero(words, at);
}

/** The `oh` of `two oh one`. */
function isZero(words: FormattedWord[], at: number): boolean {
  const isOh = words[at]?.word === 'oh' && at > 0;
  return isOh && [at - 1, at + 1].every((beside) => readNumber(words, beside)?.isOrdinal === false);
}
