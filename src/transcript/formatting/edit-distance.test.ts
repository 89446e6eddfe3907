import { describe, expect, it } from 'vitest';
import { distancesByEnd, distancesByStart } from './edit-distance.ts';

/** By the book, with the whole table. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (const [index, character] of [...one].entries()) {
    const next = [index + 1];
    for (let column = 1; column <= other.length; column++) {
      const change = (row[column - 1] ?? 0) + (other[column - 1] === character ? 0 : 1);
      next.push(Math.min(change, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

function leastByEnd(pattern: string, text: string): number[] {
  return [...text].map((_, end) =>
    Math.min(...Array.from({ length: end + 2 }, (_unused, start) => distance(pattern, text.slice(start, end + 1)))),
  );
}

/** A small generator of its own, so that every run tries the same strings. */
function strings(seed: number) {
  let state = seed;
  return (length: number): string =>
    Array.from({ length }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return 'abc '[state >>> 30];
    }).join('');
}

describe('distancesByEnd', () => {
  it.each([
    ['cat', 'cat'],
    ['cat', 'concatenate'],
    ['cat', 'dog'],
    ['a', 'bab'],
    ['kitten', 'sitting'],
  ])('%s in %s', (pattern, text) => {
    expect([...distancesByEnd(pattern, text)]).toEqual(leastByEnd(pattern, text));
  });

  it.each([1, 5, 31, 32, 33, 63, 64, 65, 97, 130])('agrees with the whole table for %i characters', (length) => {
    const next = strings(length);
    for (let round = 0; round < 5; round++) {
      const [pattern, text] = [next(length), next(40)];
      expect([...distancesByEnd(pattern, text)]).toEqual(leastByEnd(pattern, text));
    }
  });
});

it.each([
  ['cat', 'the cat'],
  ['cat', ''],
  ['kitten', 'sitting'],
])('distancesByStart of %s in %s', (pattern, text) => {
  const expected = Array.from({ length: text.length + 1 }, (_, length) =>
    distance(pattern, text.slice(text.length - length)),
  );
  expect([...distancesByStart(pattern, text)]).toEqual(expected);
});
