import { expect, it } from 'vitest';
import { grouped, inLargeUnits } from './large-number.ts';

it.each([
  ['2000000', ['2', 'million']],
  ['2500000', ['2.5', 'million']],
  ['500000000', ['500', 'million']],
  ['3000000000000', ['3', 'trillion']],
  ['2534000', null],
  ['999999', null],
  ['1000000.5', null],
])('%s in large units: %j', (digits, expected) => {
  expect(inLargeUnits(digits)).toEqual(expected);
});

it.each([
  ['5', '5'],
  ['500', '500'],
  ['1250', '1,250'],
  ['1250000', '1,250,000'],
  ['1250.1234', '1,250.1234'],
])('%s grouped: %s', (digits, expected) => {
  expect(grouped(digits)).toBe(expected);
});
