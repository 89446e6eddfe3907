import { describe, expect, it } from 'vitest';
import { said } from './said.cases.ts';
import { readNumber, scaled, withSuffix } from './spoken-number.ts';

describe('readNumber', () => {
  it.each([
    ['five', '5', 1],
    ['zero', '0', 1],
    ['nineteen apples', '19', 1],
    ['twenty eight', '28', 2],
    ['twenty-eight', '28', 1],
    ['twenty-eight thousand', '28000', 2],
    ['ninety nine', '99', 2],
    ['nine hundred', '900', 2],
    ['a hundred', '100', 2],
    ['a hundred and twenty plums', '120', 4],
    ['nine hundred and', '900', 2],
    ['one hundred five', '105', 3],
    ['one hundred one hundred', '100', 2],
    ['twelve hundred', '1200', 2],
    ['two thousand twenty four', '2024', 4],
    ['one thousand two hundred and fifty', '1250', 6],
    ['five million three hundred thousand and one', '5300001', 7],
    ['two million million', '2000000', 2],
    ['nine hundred ninety nine trillion', '999000000000000', 5],
    ['twenty twenty four', '2024', 3],
    ['nineteen ninety nine', '1999', 3],
    ['twenty oh five', '2005', 3],
    ['eighteen twelve', '1812', 2],
    ['nineteen hundred', '1900', 2],
    ['twenty twenty thousand', '20', 1],
    ['seventeen eighteen nineteen', '17', 1],
    ['twenty five fifty', '25', 2],
    ['one two three', '1', 1],
    ['one twenty three', '1', 1],
    ['eight hundred five five five', '800', 2],
    ['two thousand five six', '2000', 2],
    ['three point one four', '3.14', 4],
    ['two point five million', '2500000', 4],
    ['zero point five', '0.5', 3],
    ['three point', '3', 1],
    ['two and a half', '2.5', 4],
    ['two and a half million', '2500000', 5],
    ['2 and a half million', '2500000', 5],
    ['2 and a half', '2.5', 4],
    ['2.5 and a half', '2.5', 1],
    ['two, and a half', '2', 1],
    ['two and a', '2', 1],
    ['two and half', '2', 1],
    ['nine, hundred', '9', 1],
    ['nine. hundred', '9', 1],
    [`nine ${'x'.repeat(50)} hundred`, '9', 1],
    ['5', '5', 1],
    ['1,250', '1250', 1],
    ['1,250,000.50', '1250000.50', 1],
    ['2 million', '2000000', 2],
    ['2.5 million', '2500000', 2],
    ['2. million', '2', 1],
  ])('%s → %s', (text, digits, count) => {
    expect(readNumber(said(text), 0)).toMatchObject({ digits, count, isOrdinal: false });
  });

  it.each([
    ['first', '1st', 1],
    ['twenty eighth', '28th', 2],
    ['twenty-first', '21st', 1],
    ['twelfth', '12th', 1],
    ['one hundredth', '100th', 2],
    ['one hundred and third', '103rd', 4],
    ['28th', '28th', 1],
    ['twenty-second', '22nd', 1],
  ])('%s → %s', (text, digits, count) => {
    expect(readNumber(said(text), 0)).toMatchObject({ digits, count, isOrdinal: true });
  });

  it('reads twenty second as a day only where a day is meant', () => {
    expect(readNumber(said('twenty second'), 0)).toMatchObject({ digits: '20', count: 1 });
    expect(readNumber(said('twenty second'), 0, true)).toMatchObject({ digits: '22nd', count: 2 });
  });

  it.each([
    'hundred',
    'and five',
    'a',
    'a few',
    'oh',
    'point five',
    'twenty-one-year-old',
    'someone',
    '$5',
    '1,25',
    '5mm',
    '3:30',
    '',
  ])('no number: %s', (text) => {
    expect(readNumber(said(text), 0)).toBeNull();
  });
});

it.each([
  [1, '1st'],
  [2, '2nd'],
  [3, '3rd'],
  [4, '4th'],
  [11, '11th'],
  [12, '12th'],
  [13, '13th'],
  [21, '21st'],
  [111, '111th'],
  [122, '122nd'],
])('%i → %s', (value, text) => {
  expect(withSuffix(value)).toBe(text);
});

it.each([
  ['2', 6, '2000000'],
  ['2.5', 6, '2500000'],
  ['0.75', 3, '750'],
  ['1.2345', 3, '1234.5'],
  ['0', 3, '0'],
])('%s by ten to the %i → %s', (digits, zeros, expected) => {
  expect(scaled(digits, zeros)).toBe(expected);
});
