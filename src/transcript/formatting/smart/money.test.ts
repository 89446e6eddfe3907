import { it } from 'vitest';
import { expectWritten } from '../said.cases.ts';
import { money } from './money.ts';

it.each([
  ['five dollars', '$5'],
  ['5 dollars.', '$5.'],
  ['one dollar', '$1'],
  ['a hundred dollars', '$100'],
  ['a ten dollar bill', 'a $10 bill'],
  ['one thousand two hundred and fifty dollars', '$1,250'],
  ['five dollars and twenty five cents', '$5.25'],
  ['five dollars and five cents', '$5.05'],
  ['$5 and 25 cents', '$5.25'],
  ['$1250 and five cents', '$1,250.05'],
  ['two million dollars', '$2 million'],
  ['2 million dollars.', '$2 million.'],
  ['2.5 million dollars', '$2.5 million'],
  ['two point five billion euros', '€2.5 billion'],
  ['2,534,000 dollars', '$2,534,000'],
  ['three point five dollars', '$3.50'],
  ['twenty euros', '€20'],
  ['five hundred yen', '¥500'],
  ['twenty five cents', 'twenty five cents'],
  ['five pounds', 'five pounds'],
  ['five. Dollars are', 'five. Dollars are'],
  ['$5, and 25 cents', '$5, and 25 cents'],
  ['$5 and 250 cents', '$5 and 250 cents'],
  ['$5', '$5'],
  ['$5.50', '$5.50'],
  ['the fifth dollar', 'the fifth dollar'],
  ['dollars', 'dollars'],
  ['', ''],
])('%s → %s', (before, after) => expectWritten(money, before, after));
