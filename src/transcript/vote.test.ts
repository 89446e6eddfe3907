import { describe, expect, it } from 'vitest';
import type { ChunkFinal } from './event.ts';
import type { Segment } from './transcript.ts';
import { mostSpoken, vote } from './vote.ts';

interface Heard {
  spokenMs?: number;
  avgLogprob?: number;
  noSpeechProbability?: number;
  text?: string;
}

/** A chunk of one segment: words of half a second. */
function heard(language: string, of: Heard = {}): ChunkFinal {
  const {
    spokenMs = 15_000,
    avgLogprob = -0.1,
    noSpeechProbability = 0.05,
    text = ' and so we spoke for a while',
  } = of;
  const words = Array.from({ length: spokenMs / 500 }, (_, index) => ({
    text: 'so',
    startMs: index * 500,
    endMs: index * 500 + 500,
    probability: 0.9,
  }));
  const segment = { startMs: 0, endMs: 27_000, text, tokenIds: [], pieces: [], words, temperature: 0 };
  return { type: 'chunk-final', language, segments: [{ ...segment, avgLogprob, noSpeechProbability }] };
}

const silent = (language: string): ChunkFinal => ({ type: 'chunk-final', language, segments: [] });

describe('vote', () => {
  it('is decided when two chunks of plain speech agree, not by the first alone', () => {
    expect(vote([heard('de')])).toEqual({ language: 'de', isDecided: false });
    expect(vote([heard('de'), heard('de')])).toEqual({ language: 'de', isDecided: true });
  });

  it('is not misled by a first chunk in another language, however long it talks', () => {
    const chunks = [heard('en', { spokenMs: 27_000 }), heard('de'), heard('de')];
    expect(vote(chunks)).toEqual({ language: 'de', isDecided: false });
    expect(vote([...chunks, heard('de')])).toEqual({ language: 'de', isDecided: true });
  });

  it('once decided stays decided, whatever comes later', () => {
    const chunks = [heard('de'), heard('de'), ...Array.from({ length: 9 }, () => heard('en'))];
    for (let count = 2; count <= chunks.length; count++) {
      expect(vote(chunks.slice(0, count))).toEqual({ language: 'de', isDecided: true });
    }
  });

  it.each<[string, Heard]>([
    ['unsure of its words', { avgLogprob: -1.3 }],
    ['most likely no speech', { noSpeechProbability: 0.8 }],
    ['only a word or two', { text: ' Okay.' }],
    ['not a word in letters', { text: ' 1 2 3 4 5 6 7 8 9 10 11 12 13' }],
  ])('does not count a chunk that is %s', (_, doubtful) => {
    expect(vote([heard('nn', doubtful), heard('nn', doubtful), heard('en')])).toEqual({
      language: 'en',
      isDecided: false,
    });
  });

  it('weighs a chunk by how sure it is and how much was said', () => {
    expect(vote([heard('cy', { avgLogprob: -0.9 }), heard('en', { spokenMs: 9_000 })]).language).toBe('en');
    expect(vote([heard('cy', { spokenMs: 2_000 }), heard('en', { spokenMs: 6_000 })]).language).toBe('en');
  });

  it('does not take one long word for speech', () => {
    const stretched = heard('la');
    const segment = stretched.segments[0];
    if (segment) segment.words = [{ text: 'Amen', startMs: 0, endMs: 27_000, probability: 0.9 }];
    expect(vote([stretched, heard('en', { spokenMs: 3_000 })]).language).toBe('en');
  });

  it('of a recording in two languages takes the one heard first, and comes to an end', () => {
    const chunks = Array.from({ length: 8 }, (_, index) => heard(index % 2 === 0 ? 'en' : 'es'));
    expect(vote(chunks.slice(0, 7)).isDecided).toBe(false);
    expect(vote(chunks)).toEqual({ language: 'en', isDecided: true });
  });

  it('without any confidence is what the first chunk with words was taken for, then the first at all', () => {
    expect(vote([silent('nn'), heard('ja', { text: '' }), silent('en')])).toEqual({ language: 'ja', isDecided: false });
    expect(vote([silent('nn'), silent('en')])).toEqual({ language: 'nn', isDecided: false });
    expect(vote([])).toEqual({ language: null, isDecided: false });
  });
});

describe('what is spoken most', () => {
  const segment = (language: string | undefined, ...wordsMs: number[]): Segment => ({
    startMs: 0,
    endMs: 60_000,
    text: ' x',
    tokenIds: [],
    pieces: [],
    words: wordsMs.map((durationMs) => ({ text: 'x', startMs: 0, endMs: durationMs, probability: 1 })),
    temperature: 0,
    avgLogprob: 0,
    noSpeechProbability: 0,
    ...(language !== undefined && { language }),
  });

  it('counts the time of words, not of what is stamped across a silence', () => {
    expect(mostSpoken([segment('fr', 30_000), segment('de', 600, 600), segment('fr')])).toBe('de');
  });

  it('adds up what is heard in pieces; of equals it is what was heard first', () => {
    expect(mostSpoken([segment('de', 500), segment('fr', 400), segment('fr', 400)])).toBe('fr');
    expect(mostSpoken([segment('fr', 500), segment('de', 500)])).toBe('fr');
  });

  it('is nothing where nothing is said to be in a language', () => {
    expect(mostSpoken([])).toBeNull();
    expect(mostSpoken([segment(undefined, 500)])).toBeNull();
  });
});

describe('what the engine says beforehand', () => {
  const detected = (language: string, probability: number, voiceMs = 20_000) =>
    ({ type: 'language-detected', language, probability, voiceMs }) as const;

  it('counts like a chunk that is written, as far as the engine is sure', () => {
    expect(vote([heard('de'), detected('de', 0.95)])).toEqual({ language: 'de', isDecided: true });
    expect(vote([heard('de'), detected('de', 0.79)]).isDecided).toBe(false);
    expect(vote([heard('de'), detected('de', 0.95, 5_000)]).isDecided).toBe(false);
    expect(vote([heard('de'), detected('en', 0.95)]).isDecided).toBe(false);
  });

  it('is better than nothing where it is all there is', () => {
    expect(vote([detected('fr', 0.4)])).toEqual({ language: 'fr', isDecided: false });
  });
});
