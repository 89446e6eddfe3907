// `three thirty p.m.` → `3:30 PM`; `at three thirty` → `at 3:30`. Pure.
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
  withCore,
} from '../words.ts';

interface Clock {
  count: number;
  text: string;
  /** Two spoken numbers, which are only a time where something says so. */
  hasSpokenMinutes: boolean;
}

const HALF_BY_WORD = new Map([
  ['a.m.', 'AM'],
  ['p.m.', 'PM'],
  ['a.m', 'AM'],
  ['p.m', 'PM'],
  ['am', 'AM'],
  ['pm', 'PM'],
]);
/** `3.30` is how the British write it, and `$3.30 PM` how the engine mishears it. */
const WRITTEN = /^[$£]?(1[0-2]|0?[1-9])[:.]([0-5]\d)$/;
const WRITTEN_CHARACTERS_MAX = 6;
/** Names that may stand after a time; after any other, the number is that of a house. */
const AFTER_TIME = new Set([
  ...months,
  ...'monday tuesday wednesday thursday friday saturday sunday'.split(' '),
  ...'eastern central mountain pacific greenwich gmt utc est edt cst cdt mst mdt pst pdt et ct mt pt cet bst'.split(
    ' ',
  ),
]);
const CUES = new Set(['at', 'by', 'until', 'till', 'around']);
const COUNTED = /^(?:percent|per|dollars?|euros?|cents?|people|times|years?|days?|hours?|minutes?)$/;

export function times(words: FormattedWord[]): FormattedWord[] {
  return rewrite(words, matchTime);
}

function matchTime(words: FormattedWord[], at: number): Rewrite | null {
  const clock = readWrittenClock(words[at]) ?? readSpokenClock(words, at);
  const last = words[at + (clock?.count ?? 0) - 1];
  if (!clock || !last) return null;
  const next = words[at + clock.count];
  const half = endsPhrase(last) ? undefined : readHalf(words, at + clock.count);
  const time = joined(words.slice(at, at + clock.count), clock.text);
  if (half && next) {
    return { count: clock.count + 1, words: [time, withHalf(next, half, words[at + clock.count + 1])] };
  }
  const isTold = clock.hasSpokenMinutes && CUES.has(words[at - 1]?.word ?? '');
  const isCounted =
    next !== undefined &&
    !endsPhrase(last) &&
    (COUNTED.test(next.word) || isOtherName(next) || readNumber(words, at + clock.count));
  return isTold && !isCounted ? { count: clock.count, words: [time] } : null;
}

/** `I am 5 am I not?` */
function readHalf(words: FormattedWord[], at: number): string | undefined {
  const [word, next] = [words[at], words[at + 1]];
  const isVerb = word?.punctuated === 'am' && next !== undefined && isMe(next);
  return isVerb ? undefined : HALF_BY_WORD.get(word?.word ?? '');
}

/** `at five twenty one Oak Street`. */
function isOtherName(word: FormattedWord): boolean {
  return isCapitalised(word) && !isMe(word) && !AFTER_TIME.has(word.word);
}

function isMe({ word }: FormattedWord): boolean {
  return /^i(?:['’]\w{1,2})?$/.test(word);
}

/** The last dot of `p.m.` may have been the sentence's. */
function withHalf(word: FormattedWord, half: string, next: FormattedWord | undefined): FormattedWord {
  const { core, after } = splitPunctuation(word.punctuated);
  const isEnd = core.endsWith('.') && after === '' && endsSentence(word, next);
  const written = withCore(word, half);
  return isEnd ? { ...written, punctuated: `${written.punctuated}.` } : written;
}

function readWrittenClock(word: FormattedWord | undefined): Clock | null {
  if (!word || word.word.length > WRITTEN_CHARACTERS_MAX) return null;
  const [, hour, minutes] = WRITTEN.exec(word.word) ?? [];
  return hour ? { count: 1, text: `${hour}:${minutes}`, hasSpokenMinutes: false } : null;
}

function readSpokenClock(words: FormattedWord[], at: number): Clock | null {
  const hour = readNumber(words, at);
  if (!isBetween(hour, 1, 12) || hour.count > 1) return null;
  const hourWord = words[at];
  const isOh = words[at + 1]?.word === 'oh';
  const minutes = hourWord && endsPhrase(hourWord) ? null : readNumber(words, at + (isOh ? 2 : 1));
  const hasMinutes = isOh ? isBetween(minutes, 1, 9) : isBetween(minutes, 10, 59);
  if (!minutes || !hasMinutes || minutes.isWritten || hour.isWritten) {
    return { count: 1, text: hour.digits, hasSpokenMinutes: false };
  }
  const count = hour.count + (isOh ? 1 : 0) + minutes.count;
  return { count, text: `${hour.digits}:${minutes.digits.padStart(2, '0')}`, hasSpokenMinutes: true };
}

function isBetween(number: SpokenNumber | null, least: number, most: number): number is SpokenNumber {
  if (!number || number.isOrdinal || !/^\d{1,2}$/.test(number.digits)) return false;
  return Number(number.digits) >= least && Number(number.digits) <= most;
}
