// What the tests of formatting say and hear: made-up words with plain times, and transcripts recorded from the engine.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Transcript } from '../transcript.ts';
import { monotonic, wordsFromPieces } from '../words.ts';
import { bare, type FormattedWord, textOf } from './words.ts';

interface Recorded {
  language: string;
  segments: { text: string; words: { word: string; start: number; end: number; probability: number }[] }[];
}

/** One word every 400 ms, 300 ms long, the first at 0; `|` rests for a second. */
export function said(text: string, confidence = 0.9): FormattedWord[] {
  let startMs = 0;
  const words: FormattedWord[] = [];
  for (const token of text.split(' ').filter((part) => part !== '')) {
    if (token === '|') startMs += 1000;
    else {
      words.push({ word: bare(token), punctuated: token, startMs, endMs: startMs + 300, confidence });
      startMs += 400;
    }
  }
  return words;
}

/** Runs a table of `said → written`; times must stay in order and no word may be empty, whatever the feature. */
export function expectWritten(
  format: (words: FormattedWord[]) => FormattedWord[],
  before: string,
  after: string,
): void {
  const words = format(said(before));
  expect(textOf(words)).toBe(after);
  expectWellFormed(words);
}

export function expectWellFormed(words: FormattedWord[]): void {
  let beforeMs = 0;
  for (const word of words) {
    expect(word.word, JSON.stringify(word)).not.toBe('');
    expect(word.punctuated, JSON.stringify(word)).not.toBe('');
    expect(word.punctuated).not.toMatch(/[ \t]/);
    expect(word.startMs).toBeGreaterThanOrEqual(beforeMs);
    expect(word.endMs).toBeGreaterThanOrEqual(word.startMs);
    expect(word.confidence).toBeGreaterThanOrEqual(0);
    expect(word.confidence).toBeLessThanOrEqual(1);
    beforeMs = word.startMs;
  }
}

export function transcriptOf(segments: FormattedWord[][], language = 'en'): Transcript {
  return {
    task: 'transcribe',
    model: 'tiny',
    language,
    durationMs: segments.at(-1)?.at(-1)?.endMs ?? 0,
    segments: segments.map((words) => ({
      startMs: words[0]?.startMs ?? 0,
      endMs: words.at(-1)?.endMs ?? 0,
      text: ` ${textOf(words)}`,
      tokenIds: [],
      pieces: [],
      words: words.map((word) => ({
        text: word.punctuated,
        startMs: word.startMs,
        endMs: word.endMs,
        probability: word.confidence,
      })),
      temperature: 0,
      avgLogprob: -0.2,
      noSpeechProbability: 0,
    })),
    diagnostics: [],
  };
}

/** By its name in `fixtures/`, here or one folder up. */
export function recorded(name: string): Transcript {
  const { language, segments }: Recorded = JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));
  const words = segments.map((segment) =>
    wordsFromPieces(
      monotonic(
        segment.words.map(({ word, start, end, probability }) => ({
          text: word,
          startMs: start * 1000,
          endMs: end * 1000,
          probability,
        })),
      ),
      language,
    ),
  );
  const formatted = words.map((segment) =>
    segment.map(({ text, startMs, endMs, probability }) => ({
      word: bare(text),
      punctuated: text,
      startMs,
      endMs,
      confidence: probability,
    })),
  );
  return transcriptOf(formatted, language);
}
