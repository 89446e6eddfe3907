// Reads a number at a place in the text, spelled out or in digits, for every feature that has to do with numbers. English.
// Decides nothing about what it is for: that is up to numerals, smart_format, measurements and redact. Pure.
import numbers from './data/numbers.json' with { type: 'json' };
import { endsPhrase, type FormattedWord } from './words.ts';

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

const UNITS = new Map(Object.entries(numbers.units));
const TEENS = new Map(Object.entries(numbers.teens));
const TENS = new Map(Object.entries(numbers.tens));
const SCALES = new Map(Object.entries(numbers.scales));
const ORDINALS = new Map(Object.entries(numbers.ordinals));

/** The longest number that begins with the word at `at`; `asDate` reads `twenty second` as the 22nd. */
export function readNumber(words: FormattedWord[], at: number, asDate = false): SpokenNumber | null {
  const word = words[at];
  if (!word || word.word.length > WORD_CHARACTERS_MAX) return null;
  if (/^\d/.test(word.word)) return readWritten(words, at, word);
  const tokens = tokensFrom(words, at);
  const whole = tokens.length > 0 ? readWhole(tokens, asDate) : null;
  if (!whole) return null;
  if (whole.isOrdinal) return spelled(tokens, whole.next, withSuffix(whole.value), true);
  return readFraction(tokens, whole) ?? spelled(tokens, whole.next, String(whole.value), false);
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
  const scale = endsPhrase(word) ? undefined : SCALES.get(words[at + 1]?.word ?? '');
  if (scale === undefined) return { count: 1, digits, isOrdinal: false, isWritten: true };
  return { count: 2, digits: scaled(digits, scale), isOrdinal: false, isWritten: true };
}

/** Up to the first word that has no place in a number, or the first punctuation. */
function tokensFrom(words: FormattedWord[], at: number): Token[] {
  const tokens: Token[] = [];
  for (let index = at; index < words.length && tokens.length < TOKENS_MAX; index++) {
    const word = words[index] as FormattedWord;
    if (word.word.length > WORD_CHARACTERS_MAX) return tokens;
    const parts = word.word.split('-');
    if (!parts.every(isNumberPart)) return tokens;
    for (const [position, text] of parts.entries()) {
      const wordsRead = position === parts.length - 1 ? index - at + 1 : null;
      tokens.push({ text, wordsRead, isHyphenated: position > 0 });
    }
    if (endsPhrase(word)) return tokens;
  }
  return tokens;
}

function isNumberPart(text: string): boolean {
  return (
    UNITS.has(text) ||
    TEENS.has(text) ||
    TENS.has(text) ||
    SCALES.has(text) ||
    ORDINALS.has(text) ||
    ['zero', 'oh', 'a', 'and', 'hundred', 'hundredth', 'point'].includes(text)
  );
}

/** The reading that ends before token `next`; none when that is in the middle of a hyphenated word. */
function spelled(tokens: Token[], next: number, digits: string, isOrdinal: boolean): SpokenNumber | null {
  const count = tokens[next - 1]?.wordsRead;
  return count ? { count, digits, isOrdinal, isWritten: false } : null;
}

function readWhole(tokens: Token[], asDate: boolean): Part | null {
  if (tokens[0]?.text === 'zero') return { value: 0, next: 1, isOrdinal: false };
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
    const zeros = group.isOrdinal ? undefined : SCALES.get(tokens[group.next]?.text ?? '');
    if (zeros === undefined) return { ...group, value: total + group.value };
    if (zeros >= zerosBefore) return soFar;
    total += group.value * 10 ** zeros;
    next = group.next + 1;
    zerosBefore = zeros;
  }
}

function readYear(tokens: Token[]): Part | null {
  const century = TEENS.get(tokens[0]?.text ?? '') ?? TENS.get(tokens[0]?.text ?? '') ?? 0;
  if (century < YEAR_PAIR_MIN || century > YEAR_PAIR_MAX) return null;
  const isOh = tokens[1]?.text === 'oh';
  const rest = readBelowHundred(tokens, isOh ? 2 : 1, false);
  if (!rest || rest.isOrdinal || isOh !== rest.value < 10) return null;
  const after = tokens[rest.next]?.text ?? '';
  if (after === 'hundred' || SCALES.has(after) || TEENS.has(after) || TENS.has(after)) return null;
  return { ...rest, value: century * 100 + rest.value };
}

function readBelowThousand(tokens: Token[], at: number, asDate: boolean): Part | null {
  const text = tokens[at]?.text;
  const after = tokens[at + 1]?.text ?? '';
  const isA = text === 'a' && (after === 'hundred' || SCALES.has(after));
  const count = isA ? { value: 1, next: at + 1, isOrdinal: false } : readBelowHundred(tokens, at, asDate);
  if (!count || count.isOrdinal) return count;
  const hundred = tokens[count.next]?.text;
  if (hundred === 'hundredth') return { value: count.value * 100, next: count.next + 1, isOrdinal: true };
  if (hundred !== 'hundred') return count;
  const value = count.value * 100;
  const from = skipAnd(tokens, count.next + 1);
  const rest = startsDigitRun(tokens, from) ? null : readBelowHundred(tokens, from, asDate);
  if (!rest) return { value, next: count.next + 1, isOrdinal: false };
  return { ...rest, value: value + rest.value };
}

function readBelowHundred(tokens: Token[], at: number, asDate: boolean): Part | null {
  const text = tokens[at]?.text ?? '';
  const ordinal = ORDINALS.get(text);
  if (ordinal !== undefined) return { value: ordinal, next: at + 1, isOrdinal: true };
  const single = UNITS.get(text) ?? TEENS.get(text);
  if (single !== undefined) return { value: single, next: at + 1, isOrdinal: false };
  const tens = TENS.get(text);
  if (tens === undefined) return null;
  const following = tokens[at + 1];
  const unit = UNITS.get(following?.text ?? '');
  if (unit !== undefined) return { value: tens + unit, next: at + 2, isOrdinal: false };
  const last = ORDINALS.get(following?.text ?? '') ?? 10;
  const isTimeSpan = following?.text === 'second' && !following.isHyphenated && !asDate;
  if (last < 10 && !isTimeSpan) return { value: tens + last, next: at + 2, isOrdinal: true };
  return { value: tens, next: at + 1, isOrdinal: false };
}

/** `point five` of `two point five million`. */
function readFraction(tokens: Token[], whole: Part): SpokenNumber | null {
  if (tokens[whole.next]?.text !== 'point') return null;
  let fraction = '';
  let next = whole.next + 1;
  for (; next < tokens.length; next++) {
    const text = tokens[next]?.text ?? '';
    const digit = text === 'zero' || text === 'oh' ? 0 : UNITS.get(text);
    if (digit === undefined) break;
    fraction += digit;
  }
  if (fraction === '') return null;
  const zeros = SCALES.get(tokens[next]?.text ?? '');
  const digits = `${whole.value}.${fraction}`;
  if (zeros === undefined) return spelled(tokens, next, digits, false);
  return spelled(tokens, next + 1, scaled(digits, zeros), false);
}

function skipAnd(tokens: Token[], at: number): number {
  return tokens[at]?.text === 'and' ? at + 1 : at;
}

function startsDigitRun(tokens: Token[], at: number): boolean {
  const isDigit = (text = '') => UNITS.has(text) || text === 'zero' || text === 'oh';
  return isDigit(tokens[at]?.text) && isDigit(tokens[at + 1]?.text);
}
