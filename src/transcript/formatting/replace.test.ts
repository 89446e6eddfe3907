import { describe, expect, it } from 'vitest';
import { REPLACEMENTS_MAX, type Replacement, replace } from './replace.ts';
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
    ['hello', [], 'hello'],
    ['', [['a', 'b']], ''],
  ])('%s with %j → %s', (before, pairs, after) => {
    expectWritten((words) => replace(words, rules(...pairs)), before, after);
  });

  it('splits the time evenly and keeps the confidence', () => {
    expect(replace(said('k8s', 0.7), rules(['k8s', 'a b c']))).toEqual([
      { word: 'a', punctuated: 'a', startMs: 0, endMs: 100, confidence: 0.7 },
      { word: 'b', punctuated: 'b', startMs: 100, endMs: 200, confidence: 0.7 },
      { word: 'c', punctuated: 'c', startMs: 200, endMs: 300, confidence: 0.7 },
    ]);
  });

  it('keeps the case of the replacement in the bare word', () => {
    expect(replace(said('kubernetis.'), rules(['kubernetis', 'Kubernetes']))[0]).toMatchObject({ word: 'Kubernetes' });
  });

  it('looks at no more rules than its bound', () => {
    const many = rules(...Array.from({ length: REPLACEMENTS_MAX }, (_, index): [string, string] => [`x${index}`, 'y']));
    const beyond = [...many, ...rules(['hello', 'bye'])];
    expect(replace(said('hello x1'), beyond).map(({ word }) => word)).toEqual(['hello', 'y']);
  });
});
