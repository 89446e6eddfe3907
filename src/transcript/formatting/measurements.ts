// Units after a number → their symbols: `five milligrams` → `five mg`. A unit without a number stays a word. English. Pure.
import units from './data/units.json' with { type: 'json' };
import { isPriceNamed } from './smart/money.ts';
import { readNumber } from './spoken-number.ts';
import { endsPhrase, type FormattedWord, type Rewrite, rewrite, spread } from './words.ts';

const SYMBOLS = new Map(Object.entries(units));
const UNIT_WORDS_MAX = Math.max(...[...SYMBOLS.keys()].map((name) => name.split(' ').length));
/** Units of money as well: `it costs two hundred pounds`. */
const MONEY = new Set(['pound', 'pounds']);
const ENDS_IN_DIGIT = /\d$/;

export function measurements(words: FormattedWord[]): FormattedWord[] {
  const isAfterNumber = placesAfterNumbers(words);
  return rewrite(words, (all, at) => (isAfterNumber.has(at) ? matchUnit(all, at) : null));
}

export function isUnit(word: string): boolean {
  return SYMBOLS.has(word);
}

function placesAfterNumbers(words: FormattedWord[]): Set<number> {
  const places = new Set<number>();
  for (let at = 0; at < words.length; at++) {
    const number = readNumber(words, at);
    // `3-4 inches`, `5'11 feet`: whatever ends in a digit counts.
    const count = number?.count ?? (ENDS_IN_DIGIT.test(words[at]?.word.slice(-1) ?? '') ? 1 : 0);
    if (count === 0) continue;
    at += count - 1;
    const last = words[at];
    const isMoney = MONEY.has(words[at + 1]?.word ?? '') && isPriceNamed(words, at + 1 - count);
    if (last && !endsPhrase(last) && !isMoney) places.add(at + 1);
  }
  return places;
}

/** The longest name wins: `miles per hour` before `miles`. */
function matchUnit(words: FormattedWord[], at: number): Rewrite | null {
  for (let count = Math.min(UNIT_WORDS_MAX, words.length - at); count > 0; count--) {
    const span = words.slice(at, at + count);
    const symbol = SYMBOLS.get(span.map(({ word }) => word).join(' '));
    if (symbol && !span.slice(0, -1).some(endsPhrase)) return { count, words: written(span, symbol) };
  }
  return null;
}

/** Symbols keep their case even where words are lowercase: a `MW` is not a `mw`. */
function written(span: FormattedWord[], symbol: string): FormattedWord[] {
  const cores = symbol.split(' ');
  return spread(span, cores).map((word, index) => ({ ...word, word: cores[index] ?? word.word }));
}
