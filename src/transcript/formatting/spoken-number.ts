// Reads a number at a place in the text, spelled out or in digits, for every feature that has to do with numbers. English.
// Decides nothing about what it is for: that is up to numerals, smart_format, measurements and redact. Pure.
import numbers from './data/numbers.json' with { type: 'json' };
import { endsPhrase, type FormattedWord } from './words.ts';

/** `seven forty seven`, `twelve fifteen`: what may be an hour and what may be its minutes, said together. */
export interface Pair {
  count: number;
  first: string;
  rest: string;
}

export interface SpokenNumber {
  /** How many words it takes. */
  count: number;
  /** `900`, `3.5`, `28th`: no thousands separators. */
  digits: string;
  isOrdinal: boolean;
  /** It was in digits already. */
  isWritten: boolean;
}

interface Token {
  text: string;
  /** How many words are used up with this token, when it is the last of its word. */
  wordsRead: number | null;
  /** Hyphenated to the one before: `twenty-second` is a day, `twenty second` may be a time. */
  isHyphenated: boolean;
}

/** The words from a place on, taken apart only as far as a reading looks, and never past punctuation or another word. */
class Tokens {
  readonly #words: FormattedWord[];
  readonly #from: number;
  readonly #read: Token[] = [];
  #wordsRead = 0;
  #isAtEnd = false;

  constructor(words: FormattedWord[], from: number) {
    this.#words = words;
    this.#from = from;
  }

  at(index: number): Token | undefined {
    while (index >= this.#read.length && !this.#isAtEnd) this.#readWord();
    return this.#read[index];
  }

  /** Nothing where the number can go no further. */
  text(index: number): string {
    return this.at(index)?.text ?? '';
  }

  #readWord(): void {
    const word = this.#words[this.#from + this.#wordsRead];
    const parts = word && word.word.length <= WORD_CHARACTERS_MAX ? word.word.split('-') : [];
    if (!word || parts.length === 0 || !parts.every(isNumberPart)) {
      this.#isAtEnd = true;
      return;
    }
    this.#wordsRead++;
    for (const [position, text] of parts.entries()) {
      const wordsRead = position === parts.length - 1 ? this.#wordsRead : null;
      this.#read.push({ text, wordsRead, isHyphenated: position > 0 });
    }
    this.#isAtEnd = this.#read.length >= TOKENS_MAX || endsPhrase(word);
  }
}

/** A part of the number and the token after it. */
interface Part {
  value: number;
  next: number;
  isOrdinal: boolean;
}

/** `nine hundred and ninety nine trillion …`: no number of ours needs more tokens, so a reading looks no further. */
const TOKENS_MAX = 32;
const WORD_CHARACTERS_MAX = 40;
const WRITTEN = /^(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?$/;
const WRITTEN_ORDINAL = /^\d{1,4}(?:st|nd|rd|th)$/;
/** 1700 to 2099 are said in pairs: `nineteen ninety nine`. */
const YEAR_PAIR_MIN = 17;
const YEAR_PAIR_MAX = 20;
/** Centuries of which one says `the eighteen hundreds`, `the twenty twenties`. */
const CENTURY_MIN = 11;
const CENTURY_MAX = 20;
const HOUR_MAX = 12;
/** A pause in the middle of a number; between two numbers it may be shorter, which nobody can tell. */
const REST_MS = 300;

/** Words that are part of a number only between others: `a hundred and five`, `two and a half`. */
const AROUND = new Set(['a', 'and', 'half']);
/** `and a half`. */
const HALF_TOKENS = 3;

const UNITS = new Map(Object.entries(numbers.units));
const TEENS = new Map(Object.entries(numbers.teens));
const TENS = new Map(Object.entries(numbers.tens));
const SCALES = new Map(Object.entries(numbers.scales));
const ORDINALS = new Map(Object.entries(numbers.ordinals));

/** What a spelled-out number can begin with. */
const STARTS = new Set(['zero', 'a', ...[UNITS, TEENS, TENS, ORDINALS].flatMap((names) => [...names.keys()])]);

/** The longest number that begins with the word at `at`; `asDate` reads `twenty second` as the 22nd. */
export function readNumber(words: FormattedWord[], at: number, asDate = false): SpokenNumber | null {
  const word = words[at];
  if (!word || word.word.length > WORD_CHARACTERS_MAX) return null;
  if (/^\d/.test(word.word)) return readWritten(words, at, word);
  // Nearly every word is asked, and nearly none begins a number.
  if (!STARTS.has(word.word.split('-', 1)[0] ?? '')) return null;
  const tokens = new Tokens(words, at);
  const whole = readWhole(tokens, asDate);
  if (!whole) return null;
  if (whole.isOrdinal) return spelled(tokens, whole.next, withSuffix(whole.value), true);
  return (
    readFraction(tokens, whole) ?? readHalf(tokens, whole) ?? spelled(tokens, whole.next, String(whole.value), false)
  );
}

/** None where a number goes on before or after it, or where the voice rested between the two. */
export function readPair(words: FormattedWord[], at: number): Pair | null {
  const [before, word, second] = [words[at - 1], words[at], words[at + 1]];
  const first = UNITS.get(word?.word ?? '') ?? TEENS.get(word?.word ?? '') ?? 0;
  if (!word || !second || first < 1 || first > HOUR_MAX || endsPhrase(word) || second.startMs - word.endMs > REST_MS)
    return null;
  const rest = readNumber(words, at + 1);
  if (!rest || rest.isWritten || !/^[1-9]\d$/.test(rest.digits)) return null;
  const last = words[at + rest.count];
  const isGoingOn = last && !endsPhrase(last) && isNumberWord(words[at + 1 + rest.count]);
  if (isGoingOn || (before && !endsPhrase(before) && isNumberWord(before))) return null;
  return { count: 1 + rest.count, first: String(first), rest: rest.digits };
}

/** `nineteen sixties` → `1960s`, `eighteen hundreds` → `1800s`. */
export function readDecade(words: FormattedWord[], at: number): SpokenNumber | null {
  const [word, next] = [words[at], words[at + 1]];
  const century = TEENS.get(word?.word ?? '') ?? TENS.get(word?.word ?? '') ?? 0;
  if (!word || !next || century < CENTURY_MIN || century > CENTURY_MAX || endsPhrase(word)) return null;
  const decade = next.word === 'hundreds' ? 0 : TENS.get(next.word.replace(/ies$/, 'y'));
  if (decade === undefined || !next.word.endsWith('s')) return null;
  return { count: 2, digits: `${century * 100 + decade}s`, isOrdinal: false, isWritten: false };
}

/** `28` → `28th`. */
export function withSuffix(value: number): string {
  const isTeen = Math.trunc(value / 10) % 10 === 1;
  return value + (isTeen ? 'th' : (['th', 'st', 'nd', 'rd'][value % 10] ?? 'th'));
}

/** `2.5` and `million` → `2500000`, on the digits themselves, where floating point would round. */
export function scaled(digits: string, zeros: number): string {
  const [whole = '', fraction = ''] = digits.split('.');
  const moved = `${whole}${fraction.slice(0, zeros).padEnd(zeros, '0')}`.replace(/^0+(?=\d)/, '');
  const rest = fraction.slice(zeros);
  return rest === '' ? moved : `${moved}.${rest}`;
}

function readWritten(words: FormattedWord[], at: number, word: FormattedWord): SpokenNumber | null {
  if (WRITTEN_ORDINAL.test(word.word)) return { count: 1, digits: word.word, isOrdinal: true, isWritten: true };
  if (!WRITTEN.test(word.word)) return null;
  const digits = word.word.replaceAll(',', '');
  if (endsPhrase(word)) return { count: 1, digits, isOrdinal: false, isWritten: true };
  const tokens = new Tokens(words, at + 1);
  const isHalved = !digits.includes('.') && saysAndAHalf(tokens, 0);
  const zeros = SCALES.get(tokens.text(isHalved ? HALF_TOKENS : 0));
  const amount = isHalved ? `${digits}.5` : digits;
  const count = 1 + (isHalved ? HALF_TOKENS : 0) + (zeros === undefined ? 0 : 1);
  return { count, digits: scaled(amount, zeros ?? 0), isOrdinal: false, isWritten: true };
}

function isNumberWord(word: FormattedWord | undefined): boolean {
  if (!word || word.word.length > WORD_CHARACTERS_MAX) return false;
  return /^\d/.test(word.word) || word.word.split('-').every((part) => isNumberPart(part) && !AROUND.has(part));
}

function isNumberPart(text: string): boolean {
  return (
    UNITS.has(text) ||
    TEENS.has(text) ||
    TENS.has(text) ||
    SCALES.has(text) ||
    ORDINALS.has(text) ||
    AROUND.has(text) ||
    ['zero', 'oh', 'hundred', 'hundredth', 'point'].includes(text)
  );
}

/** The reading that ends before token `next`; none when that is in the middle of a hyphenated word. */
function spelled(tokens: Tokens, next: number, digits: string, isOrdinal: boolean): SpokenNumber | null {
  const count = tokens.at(next - 1)?.wordsRead;
  return count ? { count, digits, isOrdinal, isWritten: false } : null;
}

function readWhole(tokens: Tokens, asDate: boolean): Part | null {
  if (tokens.text(0) === 'zero') return { value: 0, next: 1, isOrdinal: false };
  const year = readYear(tokens);
  if (year) return year;
  let total = 0;
  let next = 0;
  let zerosBefore = Number.POSITIVE_INFINITY;
  while (true) {
    const from = next > 0 ? skipAnd(tokens, next) : 0;
    // `two thousand five six` is 2000 and digits, not 2005 and a six.
    const group = next > 0 && startsDigitRun(tokens, from) ? null : readBelowThousand(tokens, from, asDate);
    const soFar = next > 0 ? { value: total, next, isOrdinal: false } : null;
    if (!group) return soFar;
    const zeros = group.isOrdinal ? undefined : SCALES.get(tokens.text(group.next));
    if (zeros === undefined) return { ...group, value: total + group.value };
    if (zeros >= zerosBefore) return soFar;
    total += group.value * 10 ** zeros;
    next = group.next + 1;
    zerosBefore = zeros;
  }
}

function readYear(tokens: Tokens): Part | null {
  const century = TEENS.get(tokens.text(0)) ?? TENS.get(tokens.text(0)) ?? 0;
  if (century < YEAR_PAIR_MIN || century > YEAR_PAIR_MAX) return null;
  const isOh = tokens.text(1) === 'oh';
  const rest = readBelowHundred(tokens, isOh ? 2 : 1, false);
  if (!rest || rest.isOrdinal || isOh !== rest.value < 10) return null;
  const after = tokens.text(rest.next);
  if (after === 'hundred' || SCALES.has(after) || TEENS.has(after) || TENS.has(after)) return null;
  return { ...rest, value: century * 100 + rest.value };
}

function readBelowThousand(tokens: Tokens, at: number, asDate: boolean): Part | null {
  const text = tokens.text(at);
  const after = tokens.text(at + 1);
  const isA = text === 'a' && (after === 'hundred' || SCALES.has(after));
  const count = isA ? { value: 1, next: at + 1, isOrdinal: false } : readBelowHundred(tokens, at, asDate);
  if (!count || count.isOrdinal) return count;
  const hundred = tokens.text(count.next);
  if (hundred === 'hundredth') return { value: count.value * 100, next: count.next + 1, isOrdinal: true };
  if (hundred !== 'hundred') return count;
  const value = count.value * 100;
  const from = skipAnd(tokens, count.next + 1);
  const rest = startsDigitRun(tokens, from) ? null : readBelowHundred(tokens, from, asDate);
  // `one hundred one hundred` is two numbers.
  if (!rest || tokens.text(rest.next) === 'hundred') return { value, next: count.next + 1, isOrdinal: false };
  return { ...rest, value: value + rest.value };
}

function readBelowHundred(tokens: Tokens, at: number, asDate: boolean): Part | null {
  const text = tokens.text(at);
  const ordinal = ORDINALS.get(text);
  if (ordinal !== undefined) return { value: ordinal, next: at + 1, isOrdinal: true };
  const single = UNITS.get(text) ?? TEENS.get(text);
  if (single !== undefined) return { value: single, next: at + 1, isOrdinal: false };
  const tens = TENS.get(text);
  if (tens === undefined) return null;
  const following = tokens.at(at + 1);
  const unit = UNITS.get(following?.text ?? '');
  if (unit !== undefined) return { value: tens + unit, next: at + 2, isOrdinal: false };
  const last = ORDINALS.get(following?.text ?? '') ?? 10;
  const isTimeSpan = following?.text === 'second' && !following.isHyphenated && !asDate;
  if (last < 10 && !isTimeSpan) return { value: tens + last, next: at + 2, isOrdinal: true };
  return { value: tens, next: at + 1, isOrdinal: false };
}

/** `point five` of `two point five million`. */
function readFraction(tokens: Tokens, whole: Part): SpokenNumber | null {
  if (tokens.text(whole.next) !== 'point') return null;
  let fraction = '';
  let next = whole.next + 1;
  for (; next < TOKENS_MAX; next++) {
    const text = tokens.text(next);
    const digit = text === 'zero' || text === 'oh' ? 0 : UNITS.get(text);
    if (digit === undefined) break;
    fraction += digit;
  }
  if (fraction === '') return null;
  const zeros = SCALES.get(tokens.text(next));
  const digits = `${whole.value}.${fraction}`;
  if (zeros === undefined) return spelled(tokens, next, digits, false);
  return spelled(tokens, next + 1, scaled(digits, zeros), false);
}

/** `two and a half million`. */
function readHalf(tokens: Tokens, whole: Part): SpokenNumber | null {
  if (!saysAndAHalf(tokens, whole.next)) return null;
  const next = whole.next + HALF_TOKENS;
  const zeros = SCALES.get(tokens.text(next));
  const digits = `${whole.value}.5`;
  if (zeros === undefined) return spelled(tokens, next, digits, false);
  return spelled(tokens, next + 1, scaled(digits, zeros), false);
}

function saysAndAHalf(tokens: Tokens, at: number): boolean {
  return tokens.text(at) === 'and' && tokens.text(at + 1) === 'a' && tokens.text(at + 2) === 'half';
}

function skipAnd(tokens: Tokens, at: number): number {
  return tokens.text(at) === 'and' ? at + 1 : at;
}

function startsDigitRun(tokens: Tokens, at: number): boolean {
  const isDigit = (text: string) => UNITS.has(text) || text === 'zero' || text === 'oh';
  return isDigit(tokens.text(at)) && isDigit(tokens.text(at + 1));
}
