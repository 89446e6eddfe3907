// What an answer of Deepgram's API must look like, key by key and digit by digit.
import { expect } from 'vitest';

export interface Word {
  word: string;
  start: number;
  end: number;
  confidence: number;
  punctuated_word?: string;
  language?: string;
}
export interface Alternative {
  transcript: string;
  confidence: number;
  words: Word[];
  paragraphs?: {
    transcript: string;
    paragraphs: {
      sentences: { text: string; start: number; end: number }[];
      num_words: number;
      start: number;
      end: number;
    }[];
  };
  entities?: unknown[];
  languages?: string[];
}
export interface Channel {
  search?: { query: string; hits: { confidence: number; start: number; end: number; snippet: string }[] }[];
  alternatives: Alternative[];
  detected_language?: string;
}
export interface Utterance {
  start: number;
  end: number;
  confidence: number;
  channel: number;
  transcript: string;
  words: Word[];
  id: string;
}
export interface ListenBody {
  metadata: {
    request_id: string;
    sha256: string;
    duration: number;
    channels: number;
    models: string[];
    model_info: Record<string, { name: string; version: string; arch: string }>;
    warnings?: { parameter: string; type: string; message: string }[];
    tags?: string[];
    extra?: Record<string, string>;
  };
  results: { channels: Channel[]; utterances?: Utterance[] };
}
export interface ModelEntry {
  name: string;
  canonical_name: string;
  architecture: string;
  languages: string[];
  version: string;
  uuid: string;
  batch: boolean;
  streaming: boolean;
  formatted_output: boolean;
}

export const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Words bare and in lowercase, as they come when nothing was asked for. */
export const PLAIN_TRANSCRIPT =
  /^and so my fellow americans ask not what your country can do for you ask what you can do/;

const METADATA = [
  ...['transaction_key', 'request_id', 'sha256', 'created', 'duration', 'channels', 'models', 'model_info'],
];

/** Keys that an answer has besides those that it always has. */
export interface Asked {
  metadata?: ('warnings' | 'tags' | 'extra')[];
  results?: 'utterances'[];
  channel?: ('search' | 'detected_language')[];
  alternative?: ('paragraphs' | 'entities' | 'languages')[];
  word?: ('punctuated_word' | 'language')[];
}

/** Exactly the keys that were asked for, in the vendor's order; nothing null. Returns the one channel's alternative. */
export function expectAnswer(body: ListenBody, asked: Asked = {}): Alternative {
  const { metadata, results } = body;
  expect(Object.keys(body)).toEqual(['metadata', 'results']);
  expect(Object.keys(metadata)).toEqual([...METADATA, ...(asked.metadata ?? [])]);
  expect(metadata).toMatchObject({
    transaction_key: 'deprecated',
    request_id: expect.stringMatching(UUID),
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    channels: results.channels.length,
    models: [expect.stringMatching(UUID)],
  });
  expect(metadata.model_info).toEqual({
    [String(metadata.models[0])]: {
      name: 'tiny-q5_1-whisper',
      version: expect.stringMatching(/^\d{4}-\d\d-\d\d\.\d+$/),
      arch: 'whisper',
    },
  });
  expect(Object.keys(results)).toEqual(['channels', ...(asked.results ?? [])]);
  for (const channel of results.channels) {
    expect(Object.keys(channel).sort()).toEqual(['alternatives', ...(asked.channel ?? [])].sort());
    expect(channel.alternatives).toHaveLength(1);
    expectAlternative(channel.alternatives[0] as Alternative, asked);
  }
  for (const utterance of results.utterances ?? []) expectUtterance(utterance, asked.word);
  expect(JSON.stringify(body)).not.toContain('null');
  return results.channels[0]?.alternatives[0] as Alternative;
}

function expectAlternative(alternative: Alternative, asked: Asked): void {
  expect(Object.keys(alternative)).toEqual(['transcript', 'confidence', 'words', ...(asked.alternative ?? [])]);
  const { transcript, confidence, words } = alternative;
  expectWords(words, asked.word);
  expect(confidence).toBe(upperMedian(words));
  expect(transcript).toBe(words.map((word) => word.punctuated_word ?? word.word).join(' '));
}

function expectWords(words: Word[], asked: Asked['word'] = []): void {
  let endedAt = 0;
  for (const word of words) {
    expect(Object.keys(word)).toEqual(['word', 'start', 'end', 'confidence', ...asked]);
    expect(word.start).toBeGreaterThanOrEqual(endedAt);
    expect(word.end).toBeGreaterThanOrEqual(word.start);
    expect(word.confidence).toBeGreaterThanOrEqual(0);
    expect(word.confidence).toBeLessThanOrEqual(1);
    endedAt = word.end;
  }
}

function expectUtterance(utterance: Utterance, asked: Asked['word']): void {
  const { id, start, end, confidence, transcript, words } = utterance;
  expect(Object.keys(utterance)).toEqual(['start', 'end', 'confidence', 'channel', 'transcript', 'words', 'id']);
  expect(id).toMatch(UUID);
  expect(words.length).toBeGreaterThan(0);
  expectWords(words, asked);
  expect([start, end]).toEqual([words[0]?.start, words.at(-1)?.end]);
  expect(confidence).toBe(upperMedian(words));
  expect(transcript).toBe(words.map((word) => word.punctuated_word ?? word.word).join(' '));
}

function upperMedian(words: Word[]): number {
  const sorted = words.map(({ confidence }) => confidence).sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

const FLOATS = /"(?:start|end|confidence|duration)":([^,}\]]+)/g;

/** On the text of the body: a parsed 11.0 is 11. Fewer digits would be another float32, and none would be an integer. */
export function expectFloatTexts(text: string): void {
  const floats = [...text.matchAll(FLOATS)].map(([, float = '']) => float);
  expect(floats.length).toBeGreaterThan(0);
  for (const float of floats) {
    expect(float).toMatch(/^(?:0|[1-9]\d*)\.\d+$/);
    if (float.endsWith('.0')) continue;
    const [, zeros = ''] = /^0\.(0*)/.exec(float) ?? [];
    const digits = float.replace(/^0\.0*|\./g, '').length;
    const single = Math.fround(Number(float));
    expect(Number(single.toPrecision(digits))).toBe(Number(float));
    if (digits > 1) expect(Math.fround(Number(single.toPrecision(digits - 1)))).not.toBe(single);
    expect(zeros.length).toBeLessThan(7);
  }
  // Counts stay whole.
  for (const [, count = ''] of text.matchAll(/"(?:channels?|num_words)":(\d[^,}\]]*)/g)) expect(count).toMatch(/^\d+$/);
}
