// `one thousand two hundred dollars and fifty cents` → `$1,200.50`; `two million dollars` → `$2 million`. Pure.
import currencies from '../data/currencies.json' with { type: 'json' };
import { grouped, inLargeUnits } from '../large-number.ts';
import { readNumber, readPair, scaled } from '../spoken-number.ts';
import { endsPhrase, type FormattedWord, type Rewrite, rewrite, spread } from '../words.ts';

interface Amount {
  count: number;
  sign: string;
  digits: string;
  /** `$5` is as it should be, and `a dollar` is no price: only with cents do they become one. */
  needsCents: boolean;
}

interface Figure {
  count: number;
  digits: string;
}

const SIGNS = new Map(Object.entries(currencies));
const WRITTEN = /^([$€£¥₹])(\d{1,15})$/;
const WRITTEN_CHARACTERS_MAX = 16;
/** Of `half a million`, `three quarters of a billion`. */
const PARTS: [words: string[], digits: string][] = [
  [['half'], '0.5'],
  [['a', 'half'], '0.5'],
  [['one', 'half'], '0.5'],
  [['a', 'quarter'], '0.25'],
  [['one', 'quarter'], '0.25'],
  [['three', 'quarters'], '0.75'],
];
const CENTS = /^cents?$/;
/** What a price may go on with, when its last number counts nothing of its own: `five dollars fifty for that`. */
const AFTER_PRICE = new Set(
  'a an and apiece at but each for if in is it now on or per plus please so that then to today was when'.split(' '),
);
const PRICE_CUES =
  /^(?:cost|costs|costing|pay|pays|paid|paying|price|prices|priced|spend|spends|spent|spending|charge|charged|worth|owe|owed)$/;
const PRICE_CUE_WORDS_MAX = 4;

export function money(words: FormattedWord[]): FormattedWord[] {
  return rewrite(words, matchMoney);
}

/** `it costs …`, `she paid …`: the number that comes is money, whatever it is called. */
export function isPriceNamed(words: FormattedWord[], at: number): boolean {
  return words.slice(Math.max(0, at - PRICE_CUE_WORDS_MAX), at).some(({ word }) => PRICE_CUES.test(word));
}

function matchMoney(words: FormattedWord[], at: number): Rewrite | null {
  const pair = readPair(words, at);
  // `twelve ninety nine dollars` is said of two prices, and is none of ninety nine dollars.
  if (pair && pair.first.length > 1 && isPluralCurrency(words[at + pair.count])) {
    return { count: pair.count + 1, words: words.slice(at, at + pair.count + 1) };
  }
  const amount = readAmount(words, at) ?? readSingle(words, at) ?? readWrittenAmount(words[at]);
  if (!amount) return null;
  const cents = amount.digits.includes('.') ? null : readCents(words, at + amount.count);
  if (!cents && amount.needsCents) return null;
  const count = amount.count + (cents?.count ?? 0);
  const cores = cents ? [`${amount.sign}${grouped(amount.digits)}.${cents.digits}`] : coresOf(amount);
  return { count, words: spread(words.slice(at, at + count), cores) };
}

/** `five dollars`, `2 million euros`. */
function readAmount(words: FormattedWord[], at: number): Amount | null {
  const figure = readPart(words, at) ?? readFigure(words, at);
  if (!figure) return null;
  const [last, currency] = [words[at + figure.count - 1], words[at + figure.count]];
  const sign = SIGNS.get(currency?.word ?? '');
  if (!sign || !last || endsPhrase(last)) return null;
  return { count: figure.count + 1, sign, digits: figure.digits, needsCents: false };
}

function readFigure(words: FormattedWord[], at: number): Figure | null {
  // `four twenty five dollars`, but `four twenty five dollar bills` are four.
  const pair = readPair(words, at);
  if (pair?.first.length === 1 && /[1-9]$/.test(pair.rest) && isPluralCurrency(words[at + pair.count])) {
    return { count: pair.count, digits: pair.first + pair.rest };
  }
  const number = readNumber(words, at);
  const isPart = words[at]?.word === 'a' && words[at - 1]?.word === 'of' && isFraction(words[at - 2]);
  return number && !number.isOrdinal && !isPart ? number : null;
}

function isPluralCurrency(word: FormattedWord | undefined): boolean {
  return word !== undefined && SIGNS.has(word.word) && word.word.endsWith('s');
}

/** `half a million`, `a quarter of a million`. */
function readPart(words: FormattedWord[], at: number): Figure | null {
  const found = PARTS.find(([part]) => part.every((word, offset) => words[at + offset]?.word === word));
  if (!found) return null;
  const [part, digits] = found;
  const from = at + part.length + (words[at + part.length]?.word === 'of' ? 1 : 0);
  const whole = words[from]?.word === 'a' ? readNumber(words, from) : null;
  if (!whole || !/^10+$/.test(whole.digits) || words.slice(at, from).some(endsPhrase)) return null;
  return { count: from - at + whole.count, digits: scaled(digits, whole.digits.length - 1) };
}

/** The `tenth` of `a tenth of a million`. */
function isFraction(word: FormattedWord | undefined): boolean {
  return word !== undefined && /(?:th|thirds?|ths)$/.test(word.word);
}

/** `a dollar fifty`. */
function readSingle(words: FormattedWord[], at: number): Amount | null {
  const sign = words[at]?.word === 'a' ? SIGNS.get(words[at + 1]?.word ?? '') : undefined;
  return sign ? { count: 2, sign, digits: '1', needsCents: true } : null;
}

function readWrittenAmount(word: FormattedWord | undefined): Amount | null {
  if (!word || word.word.length > WRITTEN_CHARACTERS_MAX) return null;
  const [, sign, digits] = WRITTEN.exec(word.word) ?? [];
  return sign && digits ? { count: 1, sign, digits, needsCents: true } : null;
}

/** `and fifty cents`, `fifty cents`, and a mere `fifty` where nothing comes that it could count. */
function readCents(words: FormattedWord[], at: number): Figure | null {
  const before = words[at - 1];
  if (!before || endsPhrase(before)) return null;
  const isAnd = words[at]?.word === 'and';
  const from = isAnd ? at + 1 : at;
  const number = readNumber(words, from);
  if (!number || !/^\d{1,2}$/.test(number.digits)) return null;
  const [last, next] = [words[from + number.count - 1], words[from + number.count]];
  const count = from - at + number.count;
  const isNamed = CENTS.test(next?.word ?? '') && last !== undefined && !endsPhrase(last);
  if (isNamed) return { count: count + 1, digits: number.digits.padStart(2, '0') };
  const isLast = !next || (last && endsPhrase(last)) || AFTER_PRICE.has(next.word);
  const isMere = !isAnd && !number.isWritten && number.digits.length === 2 && isLast;
  return isMere ? { count, digits: number.digits } : null;
}

function coresOf({ sign, digits }: Amount): string[] {
  const large = inLargeUnits(digits);
  if (large) return [sign + large[0], large[1]];
  const [whole = '', fraction] = digits.split('.');
  return [sign + grouped(fraction === undefined ? whole : `${whole}.${fraction.padEnd(2, '0')}`)];
}
