import { describe, expect, it } from 'vitest';
import { type BiasTerm, biasPrompt } from './prompt-bias.ts';

const terms = (...texts: string[]): BiasTerm[] => texts.map((text) => ({ text }));

describe('biasPrompt', () => {
  it.each<[string | null, BiasTerm[], string | null]>([
    [null, [], null],
    ['Hello.', [], 'Hello.'],
    [null, terms('Whispergate', 'GPU'), 'Whispergate, GPU.'],
    ['Hello. ', terms('Whispergate'), 'Hello. Whispergate.'],
    ['', terms('Whispergate'), 'Whispergate.'],
    [null, terms(' two\n words ', 'TWO words', ''), 'two words.'],
    // In the caller's order, whatever the boost.
    [
      null,
      [
        { text: 'a', boost: 1 },
        { text: 'b', boost: 5 },
      ],
      'a, b.',
    ],
  ])('%j with %j → %j', (prompt, list, expected) => {
    expect(biasPrompt(prompt, list)).toEqual({ prompt: expected, dropped: [] });
  });

  it('drops what a prompt cannot say', () => {
    const list = [
      { text: 'less', boost: -2 },
      { text: 'none', boost: 0 },
      { text: 'odd', boost: Number.NaN },
      { text: 'more' },
    ];
    expect(biasPrompt(null, list)).toEqual({ prompt: 'more.', dropped: ['less', 'none', 'odd'] });
  });

  it('keeps the most wanted when there is no room for all', () => {
    const list = Array.from({ length: 100 }, (_, index) => ({ text: `term${index}`, boost: index }));
    const { prompt, dropped } = biasPrompt(null, list);
    expect(prompt).toMatch(/term98, term99\.$/);
    expect(dropped).toContain('term0');
    expect(dropped.length + (prompt?.split(', ').length ?? 0)).toBe(100);
    // No fewer than whisper's tokens: 150 of at least two characters, with the separators.
    expect(prompt?.length).toBeLessThanOrEqual(450);
  });

  it('leaves a long prompt whole and alone', () => {
    const prompt = 'a long story '.repeat(50);
    expect(biasPrompt(prompt, terms('x'))).toEqual({ prompt, dropped: ['x'] });
  });

  it('counts bytes where letters are not Latin', () => {
    expect(biasPrompt(null, terms('東'.repeat(49))).dropped).toEqual([]);
    expect(biasPrompt(null, terms('東'.repeat(50))).dropped).toHaveLength(1);
  });

  it('is quick to drop a hostile list', () => {
    const list = Array.from({ length: 50_000 }, (_, index) => ({ text: `${'x'.repeat(100)}${index}` }));
    const startedAt = performance.now();
    expect(biasPrompt(null, list).dropped.length).toBeGreaterThan(49_000);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });
});
