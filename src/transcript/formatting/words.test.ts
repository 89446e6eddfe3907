import { describe, expect, it } from 'vitest';
import { expectWellFormed, recorded, said, transcriptOf } from './said.cases.ts';
import { endsSentence, joined, rewrite, splitPunctuation, spread, textOf, toFormattedWords } from './words.ts';

describe('splitPunctuation', () => {
  it.each([
    ['hello', '', 'hello', ''],
    ['"Hello,"', '"', 'Hello', ',"'],
    ["don't", '', "don't", ''],
    ['¿Cómo', '¿', 'Cómo', ''],
    ['$5.', '', '$5', '.'],
    ['50%,', '', '50%', ','],
    ['(555)', '(', '555', ')'],
    ['-5', '', '-5', ''],
    ['.5', '', '.5', ''],
    ['—so', '—', 'so', ''],
    ['p.m.', '', 'p.m.', ''],
    ['p.m.,', '', 'p.m.', ','],
    ['U.S.', '', 'U.S.', ''],
    ['Mr.', '', 'Mr', '.'],
    ['twenty-eight.', '', 'twenty-eight', '.'],
    ['a@b.com.', '', 'a@b.com', '.'],
    ['...', '...', '', ''],
    ['', '', '', ''],
    ['ます。', '', 'ます', '。'],
    ['👍!', '', '👍', '!'],
  ])('%s', (text, before, core, after) => {
    expect(splitPunctuation(text)).toEqual({ before, core, after });
  });
});

describe('endsSentence', () => {
  it.each([
    ['done.', 'Then', true],
    ['done?"', 'then', true],
    ['done,', 'Then', false],
    ['Mr.', 'Smith', false],
    ['Mr.', undefined, true],
    ['p.m.', 'on', false],
    ['p.m.', 'Then', true],
    ['U.S.', 'Army', false],
    ['p.m.', undefined, true],
    ['です。', 'はい', true],
  ])('%s before %s: %s', (text, next, expected) => {
    const [word, following] = [...said(text), ...said(next ?? '')];
    expect(word && endsSentence(word, following)).toBe(expected);
  });
});

describe('toFormattedWords', () => {
  it('keeps times and probabilities and leaves out what nobody said', () => {
    const words = toFormattedWords(transcriptOf([said('Hello, ... World.'), said('— / *')]));
    expect(words).toEqual([
      { word: 'hello', punctuated: 'Hello,', startMs: 0, endMs: 300, confidence: 0.9 },
      { word: 'world', punctuated: 'World.', startMs: 800, endMs: 1100, confidence: 0.9 },
    ]);
  });

  it('keeps the marks that are spoken', () => {
    const words = toFormattedWords(transcriptOf([said('you & me **** % and/or')]));
    expect(words.map(({ word }) => word)).toEqual(['you', '&', 'me', '****', '%', 'and/or']);
  });

  it.each(['english', 'spanish', 'russian', 'japanese', 'numbers'])('is well-formed on recorded %s', (name) => {
    const words = toFormattedWords(recorded(`../fixtures/${name}.json`));
    expect(words.length).toBeGreaterThan(0);
    expectWellFormed(words);
  });
});

describe('spread and joined', () => {
  it('shares the time evenly and keeps the outer punctuation', () => {
    expect(spread(said('("hi,"'), ['good', 'day', 'sir'])).toEqual([
      { word: 'good', punctuated: '("good', startMs: 0, endMs: 100, confidence: 0.9 },
      { word: 'day', punctuated: 'day', startMs: 100, endMs: 200, confidence: 0.9 },
      { word: 'sir', punctuated: 'sir,"', startMs: 200, endMs: 300, confidence: 0.9 },
    ]);
  });

  it('keeps the times and confidences of as many words', () => {
    const [first, second] = [...said('a', 0.2), ...said('b', 0.8)];
    const words = [first, { ...second, startMs: 350, endMs: 900 }] as ReturnType<typeof said>;
    expect(spread(words, ['x', 'y']).map(({ startMs, endMs, confidence }) => [startMs, endMs, confidence])).toEqual([
      [0, 300, 0.2],
      [350, 900, 0.8],
    ]);
  });

  it('means the confidence of what is joined', () => {
    expect(joined([...said('nine', 0.4), ...said('hundred.', 0.8)], '900')).toMatchObject({
      word: '900',
      punctuated: '900.',
      confidence: expect.closeTo(0.6),
    });
    expect(() => joined([], 'x')).toThrow();
  });
});

describe('rewrite mends a sentence after a removal', () => {
  const without = (text: string) =>
    textOf(rewrite(said(text), (words, at) => (words[at]?.word === 'x' ? { count: 1, words: [] } : null)));

  it.each([
    ['X, so it is.', 'So it is.'],
    ['so, x, it is', 'so it is'],
    ['so x it is', 'so it is'],
    ['so, x it is', 'so, it is'],
    ['it is x.', 'it is.'],
    ['it is, x.', 'it is.'],
    ['Is it? X. So what', 'Is it? So what'],
    ['Is it? x. so what', 'Is it? so what'],
    ['Yes. X. x. we do.', 'Yes. We do.'],
    ['x', ''],
    ['X. X.', ''],
  ])('%s → %s', (before, after) => {
    expect(without(before)).toBe(after);
  });
});
