// The bodies of section 4 of the contract, checked key by key.
import { expect } from 'vitest';
import { SPEECH_SECONDS } from '../audio.ts';

export interface VerboseSegment {
  id: number;
  seek: number;
  start: number;
  end: number;
  text: string;
  tokens: number[];
  temperature: number;
  avg_logprob: number;
  compression_ratio: number;
  no_speech_prob: number;
}

export interface Verbose {
  task: string;
  language: string;
  duration: number;
  text: string;
  segments?: VerboseSegment[];
  words?: { word: string; start: number; end: number }[];
  usage: unknown;
}

const SEGMENT_KEYS = [
  'avg_logprob',
  'compression_ratio',
  'end',
  'id',
  'no_speech_prob',
  'seek',
  'start',
  'temperature',
  'text',
  'tokens',
];

export const DURATION_USAGE = { type: 'duration', seconds: SPEECH_SECONDS };

/** A verbose_json body for the sentence in English, with exactly these lists. */
export function expectVerbose(body: Verbose, lists: ('segments' | 'words')[], task = 'transcribe'): void {
  expect(Object.keys(body).sort()).toEqual(['task', 'language', 'duration', 'text', 'usage', ...lists].sort());
  expect(body).toMatchObject({ task, language: 'english', usage: DURATION_USAGE });
  expect(body.duration).toBeCloseTo(SPEECH_SECONDS, 1);
  expect(body.text).toBe(body.text.trim());
  if (body.segments) expectSegments(body.segments, body.text);
  if (body.words) expectWords(body.words, body.text);
}

function expectSegments(segments: VerboseSegment[], text: string): void {
  expect(segments.length).toBeGreaterThan(0);
  let previousEnd = 0;
  for (const [index, segment] of segments.entries()) {
    expect(Object.keys(segment).sort()).toEqual(SEGMENT_KEYS);
    for (const { 0: key, 1: value } of Object.entries(segment)) {
      if (key !== 'text' && key !== 'tokens') expect(value, key).toSatisfy(Number.isFinite);
    }
    expect(segment.id).toBe(index);
    expect(segment.tokens.length).toBeGreaterThan(0);
    expect(segment.tokens).toSatisfy((tokens: unknown[]) => tokens.every(Number.isInteger));
    expect(segment.start).toBeGreaterThanOrEqual(previousEnd);
    expect(segment.end).toBeGreaterThan(segment.start);
    expect(segment.end).toBeLessThanOrEqual(SPEECH_SECONDS + 0.2);
    expect(segment.avg_logprob).toBeLessThanOrEqual(0);
    expect(segment.compression_ratio).toBeGreaterThan(0);
    expect(segment.no_speech_prob).toBeGreaterThanOrEqual(0);
    expect(segment.no_speech_prob).toBeLessThanOrEqual(1);
    previousEnd = segment.end;
  }
  const joined = segments.map((segment) => segment.text).join('');
  expect(joined).toMatch(/^ \S/);
  expect(joined.trim()).toBe(text);
}

/** Whole words in text order, as programs match them against the text; never the engine's tokens. */
function expectWords(words: NonNullable<Verbose['words']>, text: string): void {
  const bare = (word: string) => word.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, '');
  expect(words.map(({ word }) => word)).toEqual(
    text
      .split(/\s+/)
      .map(bare)
      .filter((word) => word !== ''),
  );
  let previousStart = 0;
  for (const word of words) {
    expect(Object.keys(word).sort()).toEqual(['end', 'start', 'word']);
    expect(word.start).toBeGreaterThanOrEqual(previousStart);
    expect(word.end).toBeGreaterThanOrEqual(word.start);
    expect(word.end).toBeLessThanOrEqual(SPEECH_SECONDS + 0.2);
    previousStart = word.start;
  }
  expect(words.at(-1)?.end).toBeGreaterThan(SPEECH_SECONDS / 2);
}

/** The subtitles that these segments make, byte for byte. */
export function srtOf(segments: VerboseSegment[]): string {
  const cues = segments.map(
    ({ start, end, text }, index) => `${index + 1}\n${stamp(start, ',')} --> ${stamp(end, ',')}\n${text.trim()}\n`,
  );
  return `${cues.join('\n')}\n\n`;
}

export function vttOf(segments: VerboseSegment[]): string {
  const cues = segments.map(
    ({ start, end, text }) => `${stamp(start, '.')} --> ${stamp(end, '.')}\n${text.trim()}\n\n`,
  );
  return `WEBVTT\n\n${cues.join('')}`;
}

function stamp(seconds: number, separator: string): string {
  return new Date(Math.round(seconds * 1000)).toISOString().slice(11, 23).replace('.', separator);
}
