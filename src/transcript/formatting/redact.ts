// Takes numbers out of the transcript that are nobody's business. Finds them by pattern, in digits or (English) spelled out; what
// takes understanding, like a name, it leaves to be warned of. Where it must guess, it redacts. Pure.
import months from './data/months.json' with { type: 'json' };
import { readNumber } from './spoken-number.ts';
import { endsPhrase, type FormattedWord, joined, rewrite } from './words.ts';

/** Neighbouring words that are one number; `digits` are its digits alone. */
interface NumberSpan {
  first: number;
  count: number;
  digits: string;
  /** Nothing but digits, so that the next number may go on with it: `555`, `5-5-5`; not `$5`, `B12`. */
  isDigitsOnly: boolean;
}

interface Find {
  spanCount: number;
  label: string;
}

const CARD = 'CREDIT_CARD';
const CARD_EXPIRATION = 'CREDIT_CARD_EXPIRATION';
const CARD_CODE = 'CVV';
const SOCIAL_SECURITY_NUMBER = 'SSN';
const CARD_LABELS = [CARD, CARD_EXPIRATION, CARD_CODE];
const LABELS_BY_NAME = new Map([
  ['pci', CARD_LABELS],
  ['pii', [...CARD_LABELS, SOCIAL_SECURITY_NUMBER]],
  ['ssn', [SOCIAL_SECURITY_NUMBER]],
  ['credit_card', [CARD]],
  ['credit_card_expiration', [CARD_EXPIRATION]],
  ['cvv', [CARD_CODE]],
]);
const NUMBERS = new Set(['numbers', 'true']);
const AGGRESSIVE_NUMBERS = 'aggressive_numbers';
/** `redact=false` asks for nothing. */
const NOTHING = new Set(['false', '0']);
/** Found in part: a name is personal too. */
const INCOMPLETE = new Set(['pii']);

const NUMBER_DIGITS_MIN = 3;
const CARD_DIGITS_MIN = 13;
const CARD_DIGITS_MAX = 19;
const SOCIAL_SECURITY_GROUPS = '3-2-4';
const SOCIAL_SECURITY_DIGITS = 9;
/** `the security code is`, `it expires in May`: how far before its number a cue may stand. */
const CUE_WORDS_MAX = 5;
const MONTHS = new Set(months);
/** `January of`, `January the 3rd of`: how far before its year a month may stand. */
const MONTH_WORDS_MAX = 4;
const DIGITS_ONLY = /^[\d\-.,/()+]+$/;

/** The names that ask for something. */
export function askedRedactions(names: string[]): string[] {
  return names.filter((name) => !NOTHING.has(name));
}

/** What cannot be found by pattern, or not all of it. */
export function unsupportedRedactions(names: string[]): string[] {
  return names.filter(
    (name) => INCOMPLETE.has(name) || !(LABELS_BY_NAME.has(name) || NUMBERS.has(name) || name === AGGRESSIVE_NUMBERS),
  );
}

/** `[SSN_2]` is the second of its kind; a number of no kind is `[REDACTED]`. */
export function redact(words: FormattedWord[], names: string[], isEnglish: boolean): FormattedWord[] {
  const labels = new Set(names.flatMap((name) => LABELS_BY_NAME.get(name) ?? []));
  const isEach = names.includes(AGGRESSIVE_NUMBERS);
  const digitsMin = isEach ? 1 : names.some((name) => NUMBERS.has(name)) ? NUMBER_DIGITS_MIN : Number.POSITIVE_INFINITY;
  const counters = new Map<string, number>();
  const texts = new Map<number, { count: number; text: string }>();
  for (const run of runsOf(numberSpans(words, isEnglish))) {
    let rest: NumberSpan[] = [];
    const settleRest = () => {
      if (digitCount(rest) >= digitsMin) texts.set(rest[0]?.first ?? 0, { count: wordCount(rest), text: '[REDACTED]' });
      rest = [];
    };
    for (let index = 0; index < run.length; index++) {
      const span = run[index] as NumberSpan;
      const find = findAt(words, run, index, labels);
      if (!find) {
        rest.push(span);
        continue;
      }
      settleRest();
      const number = (counters.get(find.label) ?? 0) + 1;
      counters.set(find.label, number);
      const monthLength = find.label === CARD_EXPIRATION ? monthBefore(words, span.first) : 0;
      const count = monthLength + wordCount(run.slice(index, index + find.spanCount));
      texts.set(span.first - monthLength, { count, text: `[${find.label}_${number}]` });
      index += find.spanCount - 1;
    }
    settleRest();
  }
  return rewrite(words, (all, at) => {
    const found = texts.get(at);
    if (!found) return null;
    const word = joined(all.slice(at, at + found.count), found.text);
    return { count: found.count, words: [{ ...word, word: found.text }] };
  });
}

function numberSpans(words: FormattedWord[], isEnglish: boolean): NumberSpan[] {
  const spans: NumberSpan[] = [];
  for (let at = 0; at < words.length; at++) {
    const span = spanAt(words, at, isEnglish, spans.at(-1));
    if (!span) continue;
    spans.push(span);
    at += span.count - 1;
  }
  return spans;
}

function spanAt(words: FormattedWord[], at: number, isEnglish: boolean, previous?: NumberSpan): NumberSpan | null {
  const { word } = words[at] as FormattedWord;
  if (isEnglish && (word === 'oh' || word === 'o') && isZero(words, at, previous)) {
    return { first: at, count: 1, digits: '0', isDigitsOnly: true };
  }
  const number = isEnglish ? readNumber(words, at) : null;
  if (!number || (number.isWritten && number.count === 1)) {
    const digits = word.replace(/\D/g, '');
    return digits === '' ? null : { first: at, count: 1, digits, isDigitsOnly: DIGITS_ONLY.test(word) };
  }
  // A lone `second` or `third` counts nothing that anyone could be known by.
  if (number.isOrdinal && number.count === 1) return null;
  return { first: at, count: number.count, digits: number.digits.replace(/\D/g, ''), isDigitsOnly: !number.isOrdinal };
}

/** Within a run of digits, or before one digit: `oh five`. */
function isZero(words: FormattedWord[], at: number, previous?: NumberSpan): boolean {
  const isInRun = previous !== undefined && previous.first + previous.count === at;
  const word = words[at];
  return isInRun || (word !== undefined && !endsPhrase(word) && /^\d$/.test(readNumber(words, at + 1)?.digits ?? ''));
}

/** Numbers with no word between them. Whisper puts full stops between the groups of a card's number, so those count for nothing. */
function runsOf(spans: NumberSpan[]): NumberSpan[][] {
  const runs: NumberSpan[][] = [];
  for (const span of spans) {
    const previous = runs.at(-1)?.at(-1);
    const isNext = previous !== undefined && previous.first + previous.count === span.first;
    if (isNext && previous.isDigitsOnly && span.isDigitsOnly) runs.at(-1)?.push(span);
    else runs.push([span]);
  }
  return runs;
}

function findAt(words: FormattedWord[], run: NumberSpan[], index: number, labels: Set<string>): Find | null {
  const finds = [
    { label: CARD, spanCount: cardLength(run, index) },
    { label: SOCIAL_SECURITY_NUMBER, spanCount: socialSecurityLength(run, index) },
    { label: CARD_CODE, spanCount: cuedLength(words, run, index, isCardCodeCue, 4) },
    { label: CARD_EXPIRATION, spanCount: cuedLength(words, run, index, isExpirationCue, 6) },
  ];
  return finds.find(({ label, spanCount }) => labels.has(label) && spanCount > 0) ?? null;
}

/** How many spans from `index` on make up a card's number; the longest, since a shorter one may pass the check by chance. */
function cardLength(run: NumberSpan[], index: number): number {
  let digits = '';
  let length = 0;
  for (let next = index; next < run.length; next++) {
    digits += run[next]?.digits.slice(0, CARD_DIGITS_MAX + 1);
    if (digits.length > CARD_DIGITS_MAX) break;
    if (digits.length >= CARD_DIGITS_MIN && passesLuhn(digits)) length = next - index + 1;
  }
  return length;
}

function socialSecurityLength(run: NumberSpan[], index: number): number {
  const groups = run.slice(index, index + 3).map(({ digits }) => digits.length);
  if (groups.join('-') === SOCIAL_SECURITY_GROUPS) return groups.length;
  if (groups[0] === SOCIAL_SECURITY_DIGITS) return 1;
  const isWhole = index === 0 && run.length <= SOCIAL_SECURITY_DIGITS && digitCount(run) === SOCIAL_SECURITY_DIGITS;
  return isWhole ? run.length : 0;
}

/** The three or more digits that follow a cue. */
function cuedLength(
  words: FormattedWord[],
  run: NumberSpan[],
  index: number,
  isCue: (word: string, next: string) => boolean,
  digitsMax: number,
): number {
  const first = run[index]?.first ?? 0;
  const before = words.slice(Math.max(0, first - CUE_WORDS_MAX), first).map(({ word }) => word);
  if (index > 0 || !before.some((word, position) => isCue(word, before[position + 1] ?? ''))) return 0;
  let length = 0;
  while (digitCount(run.slice(0, length + 1)) <= digitsMax && length < run.length) length++;
  return digitCount(run.slice(0, length)) >= NUMBER_DIGITS_MIN ? length : 0;
}

/** How many words before a year belong to its month: `January`, `January 3rd,`. */
function monthBefore(words: FormattedWord[], first: number): number {
  for (let length = 1; length <= Math.min(MONTH_WORDS_MAX, first); length++) {
    const word = words[first - length]?.word ?? '';
    if (MONTHS.has(word)) return length;
    if (!/^(?:of|the)$/.test(word) && !readNumber(words, first - length)) return 0;
  }
  return 0;
}

function isCardCodeCue(word: string, next: string): boolean {
  return ['cvv', 'cvv2', 'cvc', 'cvc2'].includes(word) || (word === 'security' && next === 'code');
}

function isExpirationCue(word: string): boolean {
  return word.startsWith('expir') || word === 'exp';
}

/** The checksum of every card's number: each second digit from the right counts twice. */
function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = Number(digits[digits.length - 1 - index]);
    const doubled = index % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

function digitCount(spans: NumberSpan[]): number {
  return spans.reduce((sum, { digits }) => sum + digits.length, 0);
}

function wordCount(spans: NumberSpan[]): number {
  return spans.reduce((sum, { count }) => sum + count, 0);
}
