// `one thousand two hundred dollars and fifty cents` → `$1,200.50`; `two million dollars` → `$2 million`. Pure.
import currencies from '../data/currencies.json' with { type: 'json' };
import { readNumber } from '../spoken-number.ts';
import { endsPhrase, type FormattedWord, type Rewrite, rewrite, spread } from '../words.ts';

interface Amount {
  count: number;
  sign: string;
  digits: string;
}

const SIGNS = new Map(Object.entries(currencies));
const WRITTEN = /^([$€£¥₹])(\d{1,15})$/;
const WRITTEN_CHARACTERS_MAX = 16;
const MILLION = 1e6;
const LARGE_UNITS: [number, string][] = [
  [1e12, 'trillion'],
  [1e9, 'billion'],
  [MILLION, 'million'],
];

export function money(words: FormattedWord[]): FormattedWord[] {
  return rewrite(words, matchMoney);
}

function matchMoney(words: FormattedWord[], at: number): Rewrite | null {
  const amount = readAmount(words, at) ?? readWrittenAmount(words[at]);
  if (!amount) return null;
  const cents = amount.digits.includes('.') ? null : readCents(words, at + amount.count);
  // `$5` alone is as it should be.
  if (!cents && amount.count === 1) return null;
  const count = amount.count + (cents?.count ?? 0);
  const cores = cents
    ? [`${amount.sign}${grouped(amount.digits)}.${cents.digits}`]
    : (inLargeUnits(amount) ?? [amount.sign + price(amount.digits)]);
  return { count, words: spread(words.slice(at, at + count), cores) };
}

/** `five dollars`, `2 million euros`. */
function readAmount(words: FormattedWord[], at: number): Amount | null {
  const number = readNumber(words, at);
  const last = words[at + (number?.count ?? 0) - 1];
  if (!number || number.isOrdinal || !last || endsPhrase(last)) return null;
  const sign = SIGNS.get(words[at + number.count]?.word ?? '');
  return sign ? { count: number.count + 1, sign, digits: number.digits } : null;
}

/** `$5`, to which cents may come. */
function readWrittenAmount(word: FormattedWord | undefined): Amount | null {
  if (!word || word.word.length > WRITTEN_CHARACTERS_MAX) return null;
  const [, sign, digits] = WRITTEN.exec(word.word) ?? [];
  return sign && digits ? { count: 1, sign, digits } : null;
}

/** `and fifty cents`. */
function readCents(words: FormattedWord[], at: number): { count: number; digits: string } | null {
  const before = words[at - 1];
  if (words[at]?.word !== 'and' || !before || endsPhrase(before)) return null;
  const number = readNumber(words, at + 1);
  if (!number || !/^\d{1,2}$/.test(number.digits)) return null;
  const isCents = /^cents?$/.test(words[at + 1 + number.count]?.word ?? '');
  return isCents ? { count: number.count + 2, digits: number.digits.padStart(2, '0') } : null;
}

/** Two words for what two words can say: `$2.5 million`, but `$2,534,000`. */
function inLargeUnits({ sign, digits }: Amount): string[] | null {
  const value = Number(digits);
  const unit = LARGE_UNITS.find(([size]) => value >= size);
  if (!unit || value % (unit[0] / 10) !== 0) return null;
  return [sign + value / unit[0], unit[1]];
}

function price(digits: string): string {
  const [whole = '', fraction] = digits.split('.');
  return fraction === undefined ? grouped(whole) : `${grouped(whole)}.${fraction.padEnd(2, '0')}`;
}

function grouped(whole: string): string {
  return whole.replace(/\B(?=(?:\d{3})+$)/g, ',');
}
