import { describe, expect, it } from 'vitest';
import { said } from './said.cases.ts';
import { SEARCH_TERM_CHARACTERS_MAX, SEARCH_TERMS_MAX, search } from './search.ts';

const best = (text: string, term: string) => search(said(text, 1), [term])[0]?.hits[0];

describe('search', () => {
  it.each<[string, string, string, number]>([
    ['And so, my fellow Americans', 'fellow americans', 'fellow americans', 1],
    ['And so, my fellow Americans', 'Fellow, Americans!', 'fellow americans', 1],
    ['And so, my fellow Americans', 'fellow american', 'fellow americans', 1 - 2 / 16],
    ['the colour of money', 'color', 'colour', 1 - 2 / 6],
    ['we went in to town', 'into', 'in to', 1 - 2 / 5],
    ['we went into town', 'in to', 'into', 1 - 2 / 5],
    ['東 京 へ', '東 京', '東 京', 1],
  ])('%s: %s → %s', (text, term, snippet, confidence) => {
    expect(best(text, term)).toMatchObject({ snippet, confidence: expect.closeTo(confidence) });
  });

  it.each([
    ['the concatenation', 'cat'],
    ['hello world', 'xyzzy'],
    ['a b c', 'z'],
  ])('%s: %s is no match, which a zero says', (text, term) => {
    const hits = search(said(text, 1), [term])[0]?.hits ?? [];
    expect(hits.length).toBeGreaterThan(0);
    expect(hits.every(({ confidence }) => confidence === 0)).toBe(true);
  });

  it('is no surer than the engine was of the words', () => {
    expect(search([...said('good', 0.4), ...said('| dog', 0.8)], ['good dog'])[0]?.hits[0]?.confidence).toBeCloseTo(
      0.6,
    );
  });

  it('finds over the borders of words where none are written', () => {
    const [found] = search(said('今 日 は東 京 へ', 1), ['東京へ'], false);
    expect(found?.hits[0]).toMatchObject({ snippet: 'は東 京 へ', confidence: expect.closeTo(0.5) });
    expect(search(said('東 京 へ', 1), ['東京'], false)[0]?.hits[0]).toMatchObject({ snippet: '東 京', confidence: 1 });
  });

  it('keeps its place behind letters that grow when they are made lowercase', () => {
    const words = said('aİİİİ one two', 1).map((word) => ({ ...word, word: word.punctuated }));
    expect(search(words, ['one two'])[0]?.hits[0]).toMatchObject({ startMs: 400, endMs: 1100, confidence: 1 });
  });

  it('tells times', () => {
    expect(best('one two three four', 'two three')).toMatchObject({ startMs: 400, endMs: 1100 });
  });

  it('gives the best ten places, best first, zeros included, without overlap', () => {
    const words = said(`${'other words here '.repeat(20)} cat and cart and dog`, 1);
    const hits = search(words, ['cat'])[0]?.hits ?? [];
    expect(hits).toHaveLength(10);
    expect(hits.map(({ confidence }) => confidence)).toEqual(
      hits.map(({ confidence }) => confidence).toSorted((a, b) => b - a),
    );
    expect(hits.slice(0, 2).map(({ snippet }) => snippet)).toEqual(['cat', 'cart']);
    expect(hits.at(-1)?.confidence).toBe(0);
    const inTime = hits.toSorted((first, second) => first.startMs - second.startMs);
    for (const [index, hit] of inTime.entries()) {
      expect(hit.startMs).toBeGreaterThanOrEqual(inTime[index - 1]?.endMs ?? 0);
    }
  });

  it.each([
    ['', 'cat'],
    ['some words', ''],
    ['some words', '?!'],
    ['some words', 'x'.repeat(SEARCH_TERM_CHARACTERS_MAX + 1)],
  ])('%j: %.20j has no hits', (text, term) => {
    expect(search(said(text), [term])).toEqual([{ query: term, hits: [] }]);
  });

  it('answers in the order of the terms, up to its bound', () => {
    const terms = Array.from({ length: SEARCH_TERMS_MAX + 5 }, (_, index) => `term ${index}`);
    expect(search(said('some words'), terms).map(({ query }) => query)).toEqual(terms.slice(0, SEARCH_TERMS_MAX));
  });

  it('searches an hour of words for fifty of the longest terms within its time, and a megabyte in none', () => {
    const hour = said('the quick brown fox jumps over the lazy dog again '.repeat(1000), 1);
    const longest = 'quick brown dogs '.repeat(20).slice(0, SEARCH_TERM_CHARACTERS_MAX);
    const startedAt = performance.now();
    expect(search(hour, [...Array(49).fill(longest), 'x'.repeat(1_000_000)])).toHaveLength(50);
    // Measured at 0.3 s on a busy machine; anything that grows with the square of the words would take minutes.
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});
