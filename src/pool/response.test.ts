import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inFile } from '../lib/stored.ts';
import type { DecodingOptions } from '../transcript/request.ts';
import { chunkFinalFrom, parseResponse } from './response.ts';
import { loudnessOf } from './voice.ts';

const recorded = (name: string) => readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8');
const options: DecodingOptions = { task: 'transcribe', language: null, prompt: null, temperature: 0 };
const chunk = (startMs: number, durationMs: number) => ({
  stored: inFile(''),
  byteOffset: 0,
  byteLength: 0,
  startMs,
  durationMs,
});
/** As loud as speech in its first half, silent in its second. */
const levels = (durationMs: number) =>
  Array.from({ length: durationMs / 20 }, (_, index) => (index < durationMs / 40 && index % 2 === 0 ? 0.2 : 0.0001));

const translated = (body: string, of: Partial<Parameters<typeof chunkFinalFrom>[1]> = {}) =>
  chunkFinalFrom(parseResponse(body), {
    chunk: chunk(0, 11_000),
    options,
    isLanguageDetected: true,
    loudness: loudnessOf([]),
    ...of,
  });

/** A recorded answer with something changed, for what could not be provoked here. */
const altered = (change: (segment: Record<string, unknown>) => void) => {
  const body = JSON.parse(recorded('speech-detected.json'));
  change(body.segments[0]);
  return JSON.stringify(body);
};

test('trap: tokens called words', () => {
  const { segments, language } = translated(recorded('speech-detected.json'));
  const [segment] = segments;
  expect(language).toBe('en');
  expect(segment?.pieces).toHaveLength(26);
  expect(segment?.words.map((word) => word.text).join(' ')).toBe(
    'And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.',
  );
  expect(segment?.pieces[0]?.text).toBe(' And');
  expect(segment?.tokenIds).toHaveLength(26);
});

test('times are moved to where the chunk begins, are clamped to the chunk and never go back', () => {
  const { segments } = translated(recorded('two-windows-detected.json'), {
    chunk: chunk(60_000, 43_000),
    loudness: loudnessOf(levels(43_000)),
  });
  expect(segments.map((segment) => [segment.startMs, segment.endMs])).toEqual([
    [60_000, 71_000],
    [71_000, 82_000],
    [82_000, 89_000],
    [90_000, 93_000],
    [93_000, 103_000],
  ]);
  for (const segment of segments) {
    let earliestMs = segment.startMs;
    for (const word of segment.words) {
      expect(word.startMs).toBeGreaterThanOrEqual(earliestMs);
      expect(word.endMs).toBeGreaterThanOrEqual(word.startMs);
      earliestMs = word.startMs;
    }
    expect(segment.words.at(-1)?.endMs).toBeLessThanOrEqual(segment.endMs);
  }
});

describe('no-speech probability', () => {
  test('is the engine’s where it detected the language, in the window it detected it in', () => {
    const { segments } = translated(recorded('two-windows-detected.json'), {
      chunk: chunk(0, 44_000),
      loudness: loudnessOf(levels(44_000)),
    });
    const figures = segments.map((segment) => segment.noSpeechProbability);
    expect(figures.slice(0, 3)).toEqual([0.19982726871967316, 0.19982726871967316, 0.19982726871967316]);
    // The engine says 0.00000003 for both; there is silence under them.
    expect(figures.slice(3)).toEqual([1, 1]);
  });

  test('is measured where the language was given: the engine’s own figure is stale', () => {
    const { segments } = translated(recorded('speech-short-lines.json'), {
      isLanguageDetected: false,
      loudness: loudnessOf(levels(11_000)),
    });
    expect(segments.map((segment) => segment.noSpeechProbability)).toEqual([0.5, 1]);
  });
});

describe('numbers are finite', () => {
  test.each(['start', 'end', 'avg_logprob', 'no_speech_prob'])('when %s is not a number, or is left out', (name) => {
    for (const value of [null, undefined]) {
      const final = translated(altered((segment) => Object.assign(segment, { [name]: value })));
      const [segment] = final.segments;
      for (const figure of [segment?.startMs, segment?.endMs, segment?.avgLogprob, segment?.noSpeechProbability]) {
        expect(figure).toSatisfy(Number.isFinite);
      }
    }
  });

  test('a mean that is not a number is computed from the pieces', () => {
    const [segment] = translated(altered((each) => Object.assign(each, { avg_logprob: null }))).segments;
    expect(segment?.avgLogprob).toBeCloseTo(-0.2, 0);
  });

  test('when words and tokens are left out', () => {
    const body = altered((segment) => {
      delete segment.words;
      delete segment.tokens;
      segment.avg_logprob = null;
    });
    expect(translated(body).segments[0]).toMatchObject({ words: [], pieces: [], tokenIds: [], avgLogprob: 0 });
  });

  test('when a word has neither times nor a probability', () => {
    const [segment] = translated(altered((each) => Object.assign(each, { words: [{ word: ' Yes' }] }))).segments;
    expect(segment?.words).toEqual([{ text: 'Yes', startMs: 0, endMs: 10_600, probability: 0 }]);
  });
});

test('silence and audio of 0.05 s have no segments', () => {
  expect(translated(recorded('silence-detected.json')).segments).toEqual([]);
  expect(translated(recorded('too-short.json')).segments).toEqual([]);
});

test('a segment of spaces is none', () => {
  expect(translated(altered((segment) => Object.assign(segment, { text: '  ' }))).segments).toEqual([]);
});

test.each(['', 'File Not Found (/inference)', '[]', '{"text":" Hello"}', '{"language":"english","segments":[{}]}'])(
  'an answer that is no transcript is the engine’s failure: %j',
  (body) => {
    expect(() => parseResponse(body)).toThrow(expect.objectContaining({ code: 'engine-failed' }));
  },
);
