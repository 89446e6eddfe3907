// What is spoken in words and written in signs → the signs: addresses, dates, times, percentages, money, phone numbers, numbers.
// English. Each step takes what it knows and leaves the rest, so the particular come before the general. Pure.
import { numerals } from './numerals.ts';
import { dates } from './smart/dates.ts';
import { joinedNumbers } from './smart/joined-numbers.ts';
import { money } from './smart/money.ts';
import { percentages } from './smart/percentages.ts';
import { phoneNumbers } from './smart/phone-numbers.ts';
import { times } from './smart/times.ts';
import { webAddresses } from './smart/web-addresses.ts';
import type { FormattedWord } from './words.ts';

export function smartFormat(words: FormattedWord[]): FormattedWord[] {
  // The spoken dot, dash and slash of an address mean nothing to the others.
  const addressed = webAddresses(words);
  // A day takes its number before a year, an hour its minutes before a price, a price its cents before a percentage.
  const priced = percentages(money(times(dates(addressed))));
  // A phone number is a run of digits of a certain shape; what is left of the runs becomes one number each.
  const dialled = joinedNumbers(phoneNumbers(priced));
  return numerals(dialled, { isSmart: true });
}
