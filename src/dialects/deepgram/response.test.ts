import { describe, expect, test } from 'vitest';
import { FORMATTING_DEFAULTS, type FormattingOptions } from '../../transcript/formatting/format.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import { listingOf } from '../dialect.cases.ts';
import jfkJson from './fixtures/jfk.json' with { type: 'json' };
import meetingJson from './fixtures/meeting.json' with { type: 'json' };
import leftJson from './fixtures/stereo-left.json' with { type: 'json' };
import rightJson from './fixtures/stereo-right.json' with { type: 'json' };
import type { DeepgramRequest } from './request.ts';
import { writeResponse } from './response.ts';

const [jfk, meeting, left, right] = [jfkJson, meetingJson, leftJson, rightJson] as Transcript[] as [
  Transcript,
  Transcript,
  Transcript,
  Transcript,
];
const model = listingOf('tiny.en');
const details = { requestId: 'the-id', sha256: 'digest', createdAtMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678), model };
const plain: DeepgramRequest = {
  transcription: {
    model: 'default',
    options: { task: 'transcribe', language: 'en', prompt: null, temperature: 0 },
    cache: 'use',
    channel: null,
    raw: null,
  },
  isMultichannel: false,
  formatting: FORMATTING_DEFAULTS,
  isMultilingual: false,
  detectable: undefined,
  hasEntities: false,
  callback: undefined,
  tags: [],
  extra: {},
  warnings: [],
};

interface WordBody {
  word: string;
  start: number;
  end: number;
  confidence: number;
  punctuated_word?: string;
  language?: string;
}
interface Body {
  metadata: Record<string, unknown> & { warnings?: { parameter: string; message: string }[] };
  results: {
    channels: {
      alternatives: [{ transcript: string; confidence: number; words: WordBody[] } & Record<string, unknown>];
      search?: { query: string; hits: { confidence: number }[] }[];
      detected_language?: string;
    }[];
    utterances?: { channel: number; start: number; words: WordBody[]; id: string; transcript: string }[];
  };
}

const textOf = (transcripts: Transcript[], formatting: Partial<FormattingOptions> = {}, rest = {}) =>
  writeResponse(transcripts, { ...plain, ...rest, formatting: { ...FORMATTING_DEFAULTS, ...formatting } }, details);
const bodyOf = (...of: Parameters<typeof textOf>) => JSON.parse(textOf(...of)) as Body;
function alternativeOf(...of: Parameters<typeof textOf>) {
  const [channel] = bodyOf(...of).results.channels;
  return channel?.alternatives[0] ?? expect.fail('no channel');
}

test('nothing that was not asked for is there, and nothing is null', () => {
  const body = bodyOf([jfk]);
  expect(body.metadata).toEqual({
    transaction_key: 'deprecated',
    request_id: 'the-id',
    sha256: 'digest',
    created: '2026-01-02T03:04:05.678Z',
    duration: 11,
    channels: 1,
    models: [model.uuid],
    model_info: { [model.uuid]: { name: 'tiny-en-whisper', version: '2023-11-14.0', arch: 'whisper' } },
  });
  expect(Object.keys(body.results)).toEqual(['channels']);
  const [channel] = body.results.channels;
  expect(Object.keys(channel ?? {})).toEqual(['alternatives']);
  expect(Object.keys(alternativeOf([jfk]))).toEqual(['transcript', 'confidence', 'words']);
  expect(alternativeOf([jfk]).words[0]).toEqual({ word: 'and', start: 0.32, end: 0.32, confidence: 0.7825352 });
  expect(textOf([jfk])).not.toContain('null');
});

test('numbers are float32 with a point in them, counts are whole', () => {
  const text = textOf([jfk], { paragraphs: true, utterances: true, search: ['country'] });
  expect(text).toContain('"duration":11.0,"channels":1,');
  expect(text).toContain('"num_words":22,');
  expect(text).toContain('"channel":0,');
  for (const [, number = ''] of text.matchAll(/"(?:start|end|confidence|duration)":([^,}]+)/g)) {
    expect(number).toMatch(/^\d+\.\d+$/);
    expect(number.replace(/^0\.0*|\./g, '').length).toBeLessThanOrEqual(9);
  }
});

test('the confidence of several words is their upper median', () => {
  const { words, confidence } = alternativeOf([jfk]);
  const sorted = words.map((word) => word.confidence).sort((one, other) => one - other);
  expect(confidence).toBe(sorted[Math.floor(sorted.length / 2)]);
});

test('silence is no text, no words and no confidence', () => {
  const silence = { ...jfk, segments: [] };
  const options = { smartFormat: true, utterances: true, search: ['x'] };
  expect(textOf([silence], options)).toContain('"transcript":"","confidence":0.0,"words":[]');
  expect(bodyOf([silence], options).results.utterances).toEqual([]);
});

describe('formatting', () => {
  test('off: lowercase words without marks', () => {
    const { transcript, words } = alternativeOf([jfk]);
    expect(transcript).toMatch(/^and so my fellow americans ask not what/);
    expect(transcript).toBe(words.map(({ word }) => word).join(' '));
    expect(words.every((word) => !('punctuated_word' in word))).toBe(true);
  });

  test('punctuate: the text is the punctuated words, `word` stays bare', () => {
    const { transcript, words, ...rest } = alternativeOf([jfk], { punctuate: true });
    expect(transcript).toMatch(/^And so, my fellow Americans, ask not what/);
    expect(transcript).toBe(words.map((word) => word.punctuated_word).join(' '));
    expect(words[1]).toMatchObject({ word: 'so', punctuated_word: 'so,' });
    expect(rest).not.toHaveProperty('paragraphs');
  });

  test('smart_format: paragraphs too, and digits in `word`', () => {
    const { transcript, words, paragraphs } = alternativeOf([meeting], { smartFormat: true });
    expect(transcript).toContain('May 5th');
    expect(transcript).toContain('$25');
    expect(words.map(({ word }) => word)).toContain('$25');
    const { transcript: text, paragraphs: all } = paragraphs as {
      transcript: string;
      paragraphs: { num_words: number }[];
    };
    expect(text).toMatch(/^\nThe meeting/);
    expect(all.reduce((sum, { num_words }) => sum + num_words, 0)).toBe(words.length);
  });

  test('one inference serves them all: the transcript is left as it was', () => {
    const before = structuredClone(meeting);
    textOf([meeting], { smartFormat: true, redact: ['numbers'], replace: [{ find: 'may', replacement: 'June' }] });
    expect(meeting).toEqual(before);
  });

  test('replace, redact and search', () => {
    const options = {
      punctuate: true,
      replace: [{ find: 'country', replacement: 'whole wide world' }],
      search: ['fellow americans', 'nothing like it'],
    };
    const body = bodyOf([jfk], options);
    const { transcript, words } = alternativeOf([jfk], options);
    expect(transcript).toContain('your whole wide world can');
    expect(transcript).toBe(words.map((word) => word.punctuated_word).join(' '));
    const [found, missed] = body.results.channels[0]?.search ?? [];
    expect(found).toMatchObject({ query: 'fellow americans', hits: expect.any(Array) });
    expect(found?.hits[0]?.confidence).toBeGreaterThan(0.5);
    expect(missed?.hits.every((hit) => hit.confidence < 0.5)).toBe(true);
    const confidences = found?.hits.map((hit) => hit.confidence) ?? [];
    expect(confidences).toEqual(confidences.toSorted((one, other) => other - one));
    expect(alternativeOf([meeting], { redact: ['aggressive_numbers'] }).transcript).toMatch(/\[REDACTED\]/);
  });

  test('utterances split at pauses longer than asked for', () => {
    const count = (utteranceSplitMs: number) =>
      bodyOf([jfk], { utterances: true, utteranceSplitMs }).results.utterances?.length ?? 0;
    expect(count(300)).toBeGreaterThan(count(2000));
    expect(count(2000)).toBe(1);
  });
});

test('channels are told apart, and their utterances are in the order of time', () => {
  const body = bodyOf([left, right], { utterances: true, punctuate: true });
  expect(body.metadata.channels).toBe(2);
  expect(body.results.channels).toHaveLength(2);
  const { utterances = [] } = body.results;
  expect(new Set(utterances.map((utterance) => utterance.channel))).toEqual(new Set([0, 1]));
  const starts = utterances.map((utterance) => utterance.start);
  expect(starts).toEqual(starts.toSorted((one, other) => one - other));
  expect(new Set(utterances.map((utterance) => utterance.id)).size).toBe(utterances.length);
  expect(utterances.flatMap((utterance) => utterance.words)).toHaveLength(
    body.results.channels.flatMap((channel) => channel.alternatives[0].words).length,
  );
});

describe('languages', () => {
  test('of a detected one the bare code', () => {
    expect(bodyOf([jfk], {}, { detectable: [] }).results.channels[0]?.detected_language).toBe('en');
    expect(bodyOf([jfk]).results.channels[0]).not.toHaveProperty('detected_language');
  });
  test('of several at once the list and each word', () => {
    const { languages, words } = alternativeOf([jfk], {}, { isMultilingual: true });
    expect(languages).toEqual(['en']);
    expect(words.every((word) => word.language === 'en')).toBe(true);
    expect(alternativeOf([jfk])).not.toHaveProperty('languages');
  });
  test('of several at once each word says its own, and the list begins with what is spoken most', () => {
    const language = (index: number) => (index < meeting.segments.length - 1 ? 'de' : 'en');
    const segments = meeting.segments.map((segment, index) => ({ ...segment, language: language(index) }));
    const { languages, words } = alternativeOf([{ ...meeting, segments }], {}, { isMultilingual: true });
    expect(languages).toEqual(['de', 'en']);
    const borderMs = segments.at(-1)?.startMs ?? 0;
    for (const word of words) expect(word.language).toBe(word.start * 1000 < borderMs ? 'de' : 'en');
    expect(words.at(-1)?.language).toBe('en');
  });
  test('are a list of one even where nothing is said', () => {
    const { languages, words } = alternativeOf([{ ...jfk, segments: [] }], {}, { isMultilingual: true });
    expect([languages, words]).toEqual([['en'], []]);
  });
  test('that were not expected are warned of', () => {
    expect(bodyOf([jfk], {}, { detectable: ['es', 'fr'] }).metadata.warnings).toMatchObject([
      { parameter: 'detect_language', message: expect.stringContaining('english') },
    ]);
    expect(bodyOf([jfk], {}, { detectable: ['es', 'en'] }).metadata).not.toHaveProperty('warnings');
  });
});

test('what has no effect is named by the vendor’s name, once for all channels', () => {
  const spanish = { ...jfk, language: 'es' };
  const { warnings } = bodyOf([spanish, spanish], { smartFormat: true, profanityFilter: true }).metadata;
  expect(warnings).toMatchObject([
    { parameter: 'smart_format', type: 'unsupported_option' },
    { parameter: 'profanity_filter', type: 'unsupported_option' },
  ]);
});

test('tags, extra and entities are there when they were asked for', () => {
  const body = bodyOf([jfk], {}, { tags: ['a', 'b'], extra: { k: 'v' }, hasEntities: true });
  expect(body.metadata).toMatchObject({ tags: ['a', 'b'], extra: { k: 'v' } });
  expect(alternativeOf([jfk], {}, { hasEntities: true }).entities).toEqual([]);
});
