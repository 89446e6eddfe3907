// Digits said one by one or in groups → `555-123-4567`, the form of North American phone numbers. Pure.
import { readNumber } from '../spoken-number.ts';
import { endsSentence, type FormattedWord, joined, type Rewrite, rewrite } from '../words.ts';

/** Digits as they were said together, and the number of words that took. */
interface DigitGroup {
  digits: string;
  /** Empty but for the last group of a word: `5-5-5` is three groups. */
  wordCount: number;
}

const NATIONAL_DIGITS = 10;
/** With the country's 1 before it. */
const INTERNATIONAL_DIGITS = 11;
/** Where a group must end: after the area code and the exchange. */
const AREA_DIGITS = 3;
const EXCHANGE_DIGITS = 6;
const GROUPED = /^\+?\d+(?:[-.]\d+)*$/;
const WORD_CHARACTERS_MAX = 24;

export function phoneNumbers(words: FormattedWord[]): FormattedWord[] {
  return rewrite(words, matchPhoneNumber);
}

function matchPhoneNumber(words: FormattedWord[], at: number): Rewrite | null {
  const decimal = readNumber(words, at);
  // The digits after a point begin nothing.
  if (decimal?.digits.includes('.')) return { count: decimal.count, words: words.slice(at, at + decimal.count) };
  if (at > 0 && groupsOf(words, at - 1).length > 0 && !endsBefore(words, at)) return null;
  const groups: DigitGroup[] = [];
  let digits = '';
  let count = 0;
  while (digits.length <= INTERNATIONAL_DIGITS) {
    const more = count > 0 && endsBefore(words, at + count) ? [] : groupsOf(words, at + count);
    if (more.length === 0) break;
    groups.push(...more);
    digits += more.map((group) => group.digits).join('');
    count += more.reduce((sum, { wordCount }) => sum + wordCount, 0);
  }
  const number = isCounting(groups) ? null : phoneNumber(digits, groups);
  if (!number || (count === 1 && groups.length <= 4 && groups.length > 1)) return null;
  const word = joined(words.slice(at, at + count), number);
  return { count, words: [{ ...word, punctuated: word.punctuated.replace(/^\(/, '') }] };
}

/** `one two three …` up to ten has as many digits as a phone number. */
function isCounting(groups: DigitGroup[]): boolean {
  return groups.every(({ digits }, index) => index === 0 || Number(digits) === Number(groups[index - 1]?.digits) + 1);
}

function phoneNumber(digits: string, groups: DigitGroup[]): string | null {
  const country = digits.length === INTERNATIONAL_DIGITS && digits.startsWith('1') ? '1' : '';
  const national = digits.slice(country.length);
  // No area code begins with 0 or 1.
  if (national.length !== NATIONAL_DIGITS || /^[01]/.test(national)) return null;
  const ends = new Set<number>();
  groups.reduce((sum, group) => {
    ends.add(sum + group.digits.length);
    return sum + group.digits.length;
  }, -country.length);
  if (!ends.has(AREA_DIGITS) || !ends.has(EXCHANGE_DIGITS) || (country && !ends.has(0))) return null;
  const parts = [
    national.slice(0, AREA_DIGITS),
    national.slice(AREA_DIGITS, EXCHANGE_DIGITS),
    national.slice(EXCHANGE_DIGITS),
  ];
  return (country ? [country, ...parts] : parts).join('-');
}

/** What is said at this place, if it is nothing but digits; none else. */
function groupsOf(words: FormattedWord[], at: number): DigitGroup[] {
  const word = words[at]?.word ?? '';
  if (word.length > WORD_CHARACTERS_MAX) return [];
  if (GROUPED.test(word)) {
    const parts = word.replace('+', '').split(/[-.]/);
    return parts.map((digits, index) => ({ digits, wordCount: index === parts.length - 1 ? 1 : 0 }));
  }
  if (word === 'oh' && at > 0 && readNumber(words, at - 1)) return [{ digits: '0', wordCount: 1 }];
  const number = readNumber(words, at);
  if (!number || number.isOrdinal || number.isWritten || number.digits.includes('.')) return [];
  return [{ digits: number.digits, wordCount: number.count }];
}

function endsBefore(words: FormattedWord[], at: number): boolean {
  const [last, next] = [words[at - 1], words[at]];
  return last === undefined || next === undefined || endsSentence(last, next);
}
