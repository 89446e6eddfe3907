// `May third, twenty twenty four` → `May 3rd, 2024`; `the third of May` → `the 3rd of May`. Pure.
import months from '../data/months.json' with { type: 'json' };
import { readNumber, type SpokenNumber } from '../spoken-number.ts';
import {
  endsPhrase,
  endsSentence,
  type FormattedWord,
  isCapitalised,
  joined,
  type Rewrite,
  rewrite,
  splitPunctuation,
} from '../words.ts';

const MONTHS = new Set(months);
/** Months only where the engine writes them as names. */
const ALSO_WORDS = new Set(['may', 'march', 'august']);
/** After an ordinal and no `the` these make it no day: `in June first time buyers`, `June third quarter results`. */
const NO_DAY =
  /^(?:quarter|party|parties|time|half|halves|person|place|world|class|classes|grade|base|round|floor|row|generation|rate|lady|name)s?$/;
const DAY_MAX = 31;
const YEAR = /^[12]\d{3}$/;

export function dates(words: FormattedWord[]): FormattedWord[] {
  return rewrite(words, (all, at) => matchMonthFirst(all, at) ?? matchDayFirst(all, at));
}

/** `May third`, `May the third`, `May twenty twenty four`. */
function matchMonthFirst(words: FormattedWord[], at: number): Rewrite | null {
  const month = words[at];
  if (!isMonth(month) || endsSentence(month, words[at + 1])) return null;
  const dayAt = words[at + 1]?.word === 'the' ? at + 2 : at + 1;
  const day = readDay(words, dayAt);
  if (!day || (dayAt === at + 1 && isRank(words, dayAt, day))) {
    const year = readYear(words, at + 1);
    return (
      year &&
      rewritten(words, at, [
        [at, at + 1],
        [at + 1, year],
      ])
    );
  }
  if (dayAt > at + 1 && !day.isOrdinal) return null;
  const yearAt = dayAt + day.count;
  const last = words[yearAt - 1];
  const year = last && !endsSentence(last, words[yearAt]) ? readYear(words, yearAt) : null;
  const before: [number, SpokenNumber | number][] = [
    [at, dayAt],
    [dayAt, day],
  ];
  if (!year) return rewritten(words, at, before);
  const found = rewritten(words, at, [...before, [yearAt, year]]);
  return {
    ...found,
    words: found.words.map((word, index, all) => (index === all.length - 2 ? withComma(word) : word)),
  };
}

/** `March second in command`. */
function isRank(words: FormattedWord[], at: number, { count, isOrdinal }: SpokenNumber): boolean {
  const [last, next, afterNext] = [words[at + count - 1], words[at + count], words[at + count + 1]];
  if (!isOrdinal || !last || !next || endsPhrase(last)) return false;
  return NO_DAY.test(next.word) || (next.word === 'in' && afterNext?.word === 'command');
}

/** `third of May`. */
function matchDayFirst(words: FormattedWord[], at: number): Rewrite | null {
  const day = readDay(words, at);
  if (!day?.isOrdinal) return null;
  const monthAt = at + day.count + 1;
  const month = words[monthAt];
  if (words[monthAt - 1]?.word !== 'of' || !isMonth(month)) return null;
  const year = endsSentence(month, words[monthAt + 1]) ? null : readYear(words, monthAt + 1);
  const parts: [number, SpokenNumber | number][] = [
    [at, day],
    [at + day.count, monthAt + 1],
  ];
  return rewritten(words, at, year ? [...parts, [monthAt + 1, year]] : parts);
}

function isMonth(word: FormattedWord | undefined): word is FormattedWord {
  return word !== undefined && MONTHS.has(word.word) && (isCapitalised(word) || !ALSO_WORDS.has(word.word));
}

function readDay(words: FormattedWord[], at: number): SpokenNumber | null {
  const number = readNumber(words, at, true);
  const day = Number.parseInt(number?.digits ?? '', 10);
  return number && day >= 1 && day <= DAY_MAX && !number.digits.includes('.') ? number : null;
}

function readYear(words: FormattedWord[], at: number): SpokenNumber | null {
  const number = readNumber(words, at);
  return number && !number.isOrdinal && number.count <= 4 && YEAR.test(number.digits) ? number : null;
}

/** Parts from left to right: a number becomes its digits, words up to a place stay as they are. */
function rewritten(words: FormattedWord[], at: number, parts: [number, SpokenNumber | number][]): Rewrite {
  let end = at;
  const written = parts.flatMap(([from, part]) => {
    end = typeof part === 'number' ? part : from + part.count;
    const span = words.slice(from, end);
    return typeof part === 'number' ? span : [joined(span, part.digits)];
  });
  return { count: end - at, words: written };
}

function withComma(word: FormattedWord): FormattedWord {
  const { before, core } = splitPunctuation(word.punctuated);
  return { ...word, punctuated: `${before}${core},` };
}
