import { expect, it } from 'vitest';
import { withoutPunctuation } from './punctuate.ts';
import { expectWritten, said } from './said.cases.ts';

it.each([
  ['And so, my fellow Americans: ask not!', 'and so my fellow americans ask not'],
  ["Don't pay $5, pay 50%.", "don't pay $5 pay 50%"],
  ['«Привет,» — МИР!', 'привет мир'],
  ['At 3:30 p.m. in the U.S.', 'at 3:30 p.m. in the u.s.'],
  ['', ''],
])('%s → %s', (before, after) =>
  expectWritten((words) => withoutPunctuation(words.filter(({ word }) => word !== '')), before, after),
);

it('leaves the rest of a word alone', () => {
  expect(withoutPunctuation(said('Hello,'))).toEqual([
    { word: 'hello', punctuated: 'hello', startMs: 0, endMs: 300, confidence: 0.9 },
  ]);
});
