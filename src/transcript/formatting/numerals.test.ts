import { describe, expect, it } from 'vitest';
import { numerals } from './numerals.ts';
import { expectWritten, said } from './said.cases.ts';

it.each([
  ['nine hundred', '900'],
  ['There were nine hundred, maybe more.', 'There were 900, maybe more.'],
  ['nine two eight', '9 2 8'],
  ['nine, two, eight', '9, 2, 8'],
  ['the twenty eighth', 'the 28th'],
  ['the twenty-eighth of June.', 'the 28th of June.'],
  ['"Twenty people"', '"20 people"'],
  ['one thousand two hundred', '1200'],
  ['1,250 people and 1,000,000 more', '1250 people and 1000000 more'],
  ['2 million people', '2 million people'],
  ['two million people', '2000000 people'],
  ['three point five', '3.5'],
  ['it is 50% or $5', 'it is 50% or $5'],
  ['May 3rd, 2024 at 3:30', 'May 3rd, 2024 at 3:30'],
  // Words that mostly count nothing.
  ['no one knows', 'no one knows'],
  ['One of them', 'One of them'],
  ['no one. Two came.', 'no one. 2 came.'],
  ['one two', '1 2'],
  ['four, one, two', '4, 1, 2'],
  ['one mile', '1 mile'],
  ['one percent', '1 percent'],
  ['room one oh one', 'room 1 0 1'],
  ['two oh one six', '2 0 1 6'],
  ['oh one', 'oh one'],
  ['two, oh no', '2, oh no'],
  ['half a million and a thousand', 'half a million and 1000'],
  ["at one o'clock", "at 1 o'clock"],
  ['wait a second', 'wait a second'],
  ['at first', 'at first'],
  ['the third time', 'the third time'],
  ['the fourth time', 'the 4th time'],
  ['two thirds of it', 'two thirds of it'],
  ['one fifth of it', 'one fifth of it'],
  ['three quarters', 'three quarters'],
  ['a thirty second rest', 'a 30 second rest'],
  ['hundreds of people', 'hundreds of people'],
  ['the nineteen sixties', 'the 1960s'],
  ['the eighteen hundreds.', 'the 1800s.'],
  ['the twenty twenties', 'the 2020s'],
  ['the early two thousands', 'the early two thousands'],
  ['the roaring twenties', 'the roaring twenties'],
  ['nineteen, sixties', '19, sixties'],
  ['two hundred thousand', '200000'],
  ['seven forty seven', '7 47'],
  ['two and a half', '2.5'],
  ['two and a few', '2 and a few'],
  ['and then', 'and then'],
  ['', ''],
])('%s → %s', (before, after) => expectWritten(numerals, before, after));

it('spans the time of the words it joins', () => {
  expect(numerals(said('so nine hundred people'))[1]).toMatchObject({ word: '900', startMs: 400, endMs: 1100 });
});

describe('smart', () => {
  it.each([
    ['1,250', '1,250'],
    ['two hundred thousand people', '200,000 people'],
    ['nine thousand people', '9000 people'],
    ['two million people.', '2 million people.'],
    ['between ten and twenty million', 'between 10 and 20 million'],
    ['one million two hundred thousand and five', '1,200,005'],
    ['A million thanks', 'A million thanks'],
    ['a thousand and one nights', '1001 nights'],
    ['nine eleven', 'nine eleven'],
    ['At twelve fifteen people came', 'At twelve fifteen people came'],
    ['a tenth of it', 'a tenth of it'],
    ['at seven thirty, then', 'at seven thirty, then'],
    ['six twenty one year olds', 'six twenty one year olds'],
    ['seven | forty', '7 40'],
    ['seven, forty', '7, 40'],
    ['seven forty two hundred', '7 4200'],
    ['two and a half hours', '2.5 hours'],
  ])('%s → %s', (before, after) => expectWritten((words) => numerals(words, { isSmart: true }), before, after));
});
