import { expect, it } from 'vitest';
import { said } from './said.cases.ts';
import { utterances } from './utterances.ts';

const texts = (text: string, splitMs: number) => utterances(said(text), splitMs).map((utterance) => utterance.text);

// Words are 100 ms apart; `|` adds a second.
it.each<[string, number, string[]]>([
  ['one two. three', 800, ['one two. three']],
  ['one two | three', 800, ['one two', 'three']],
  ['one two | three', 1100, ['one two | three'.replace(' |', '')]],
  ['one two | three', 1099, ['one two', 'three']],
  ['one two', 99, ['one', 'two']],
  ['one two', 100, ['one two']],
  ['one | two | three', 2000, ['one two three']],
  ['', 800, []],
])('%s at %i ms → %j', (text, splitMs, expected) => {
  expect(texts(text, splitMs)).toEqual(expected);
});

it('tells times, words and the upper median of the confidences', () => {
  const words = [...said('Hello', 0.5), ...said('| there.', 0.9)];
  expect(utterances(words, 2000)).toEqual([{ startMs: 0, endMs: 1300, confidence: 0.9, text: 'Hello there.', words }]);
});
