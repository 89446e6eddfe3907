import { describe, expect, it } from 'vitest';
import { ADDED_CHARACTERS_MAX, REPLACEMENT_WORDS_MAX, REPLACEMENTS_MAX, type Replacement, replace } from './replace.ts';
import { expectWritten, said } from './said.cases.ts';

const rules = (...pairs: [string, string | null][]): Replacement[] =>
  pairs.map(([find, replacement]) => ({ find, replacement }));

describe('replace', () => {
  it.each<[string, [string, string | null][], string]>([
    ['Monika, hello', [['monika', 'Monica']], 'Monica, hello'],
    ['MONIKA', [['monika', 'Monica']], 'Monica'],
    ['monika Monika', [['Monika', 'Monica']], 'monika Monica'],
    // With a capital goes first, whatever the order.
    [
      'bill Bill',
      [
        ['bill', 'invoice'],
        ['Bill', 'William'],
      ],
      'invoice William',
    ],
    [
      'new york city',
      [
        ['new', 'old'],
        ['new york', 'NYC'],
      ],
      'NYC city',
    ],
    ['the "k eight s" way', [['k eight s', 'K8s']], 'the "K8s" way'],
    ['K8s, then', [['k8s', 'Kubernetes in short']], 'Kubernetes in short, then'],
    // Without replacement it goes, and the sentence is mended.
    ['So, basically, it works', [['basically', null]], 'So it works'],
    ['Basically it works', [['basically', '']], 'It works'],
    ['it works basically.', [['basically', null]], 'it works.'],
    [
      'a b a',
      [
        ['a', 'b'],
        ['b', 'a'],
      ],
      'b a b',
    ],
    ['straßE', [['straße', 'road']], 'road'],
    [
      'C++ and c#',
      [
        ['c++', 'Rust'],
        ['c#', 'Go'],
      ],
      'Rust and Go',
    ],
    [
      'hello',
      [
        ['', 'x'],
        ['...', 'y'],
        ['  ', 'z'],
      ],
      'hello',
    ],
    ['good morning', [['good morning all', 'x']], 'good morning'],
    [
      'good morning all of you',
      [
        ['good morning', 'hello'],
        ['good morning all of us', 'x'],
        ['good', 'bad'],
      ],
      'hello all of you',
    ],
    [
      'a b',
      [
        ['a b', 'first'],
        ['a b', 'second'],
      ],
      'first',
    ],
    [
      'New york',
      [
        ['new york', 'NYC'],
        ['New', 'Old'],
      ],
      'Old york',
    ],
    ['hello', [], 'hello'],
    ['', [['a', 'b']], ''],
  ])('%s with %j → %s', (before, pairs, after) => {
    expectWritten((words) => replace(words, rules(...pairs)).words, before, after);
  });

  it('splits the time evenly and keeps the confidence', () => {
    expect(replace(said('k8s', 0.7), rules(['k8s', 'a b c'])).words).toEqual([
      { word: 'a', punctuated: 'a', startMs: 0, endMs: 100, confidence: 0.7 },
      { word: 'b', punctuated: 'b', startMs: 100, endMs: 200, confidence: 0.7 },
      { word: 'c', punctuated: 'c', startMs: 200, endMs: 300, confidence: 0.7 },
    ]);
  });

  it('keeps the case of the replacement in the bare word', () => {
    expect(replace(said('kubernetis.'), rules(['kubernetis', 'Kubernetes'])).words[0]).toMatchObject({
      word: 'Kubernetes',
    });
  });

  it('looks at no more rules than its bound', () => {
    const many = rules(...Array.from({ length: REPLACEMENTS_MAX }, (_, index): [string, string] => [`x${index}`, 'y']));
    const beyond = [...many, ...rules(['hello', 'bye'])];
    expect(replace(said('hello x1'), beyond).words.map(({ word }) => word)).toEqual(['hello', 'y']);
  });

  it('applies no rule with more words than its bounds', () => {
    const [most, tooMany] = [REPLACEMENT_WORDS_MAX, REPLACEMENT_WORDS_MAX + 1].map((count) => 'b '.repeat(count));
    const { words, isCut } = replace(said('a c'), rules(['a', most ?? ''], ['c', tooMany ?? '']));
    expect(words.map(({ word }) => word)).toEqual([...Array(REPLACEMENT_WORDS_MAX).fill('b'), 'c']);
    expect(isCut).toBe(false);
  });

  it('adds no more than its bound, and goes on with what adds nothing', () => {
    const length = 1000;
    const hits = 1 + ADDED_CHARACTERS_MAX / length;
    const { words, isCut } = replace(
      said(`${'a '.repeat(hits)}gone other`),
      rules(['a', 'x'.repeat(1 + length)], ['gone', null], ['other', 'fine']),
    );
    expect(words.filter(({ word }) => word.length > 1 && word !== 'fine')).toHaveLength(hits - 1);
    expect(words.slice(-2).map(({ word }) => word)).toEqual(['a', 'fine']);
    expect(isCut).toBe(true);
  });

  it('is linear, however many rules begin alike and however much they put in', () => {
    const words = said('a '.repeat(100_000));
    const alike = Array.from({ length: 200 }, (_, index): [string, string] => [`${'a '.repeat(19)}b${index}`, 'x']);
    const startedAt = performance.now();
    expect(replace(words, rules(...alike)).words).toHaveLength(100_000);
    const { words: grown, isCut } = replace(words, rules(['a', 'b '.repeat(REPLACEMENT_WORDS_MAX)]));
    expect(grown.length).toBeLessThan(100_000 + ADDED_CHARACTERS_MAX);
    expect(isCut).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });
});
