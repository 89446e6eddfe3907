import { describe, expect, test } from 'vitest';
import { type Transcript, transcriptText } from '../../transcript/transcript.ts';
import jfkJson from './fixtures/jfk.json' with { type: 'json' };
import spanishJson from './fixtures/jfk-in-spanish.json' with { type: 'json' };
import twiceJson from './fixtures/jfk-twice.json' with { type: 'json' };
import { modelEntry, type ResponseOptions, tokenUsage, writeResponse, writeResult } from './response.ts';

// Recorded from the real engine (whisper.cpp 1.9.1, tiny).
const jfk = jfkJson as Transcript;
const twice = twiceJson as Transcript;
const spanish = spanishJson as Transcript;
const silence: Transcript = { ...jfk, segments: [] };

const options = (over: Partial<ResponseOptions> & { model?: string } = {}): ResponseOptions => ({
  format: 'json',
  granularities: { words: false, segments: true },
  logprobs: false,
  transcription: { model: over.model ?? 'whisper-1' },
  ...over,
});
const json = (transcript: Transcript, over?: Parameters<typeof options>[0]) => {
  const { contentType, body } = writeResponse(transcript, options(over));
  expect(contentType).toBe('application/json');
  expect(body).toBe(JSON.stringify(JSON.parse(body)));
  return JSON.parse(body);
};
const plain = (transcript: Transcript, format: ResponseOptions['format']) => {
  const { contentType, body } = writeResponse(transcript, options({ format }));
  expect(contentType).toBe('text/plain; charset=utf-8');
  return body;
};
const text = transcriptText(jfk);

describe('json', () => {
  test('of whisper-1 is billed by the started second', () => {
    expect(json({ ...jfk, durationMs: 8470 })).toEqual({ text, usage: { type: 'duration', seconds: 9 } });
  });

  test.each(['gpt-4o-transcribe', 'gpt-4o-mini-transcribe-2025-12-15'])('of %s is billed by the token', (model) => {
    expect(json(jfk, { model })).toEqual({
      text,
      usage: {
        type: 'tokens',
        input_tokens: 110,
        input_token_details: { text_tokens: 0, audio_tokens: 110 },
        output_tokens: 26,
        total_tokens: 136,
      },
    });
  });

  test('of gpt-transcribe names the language, or none for silence', () => {
    expect(json(jfk, { model: 'gpt-transcribe' }).languages).toEqual([{ code: 'en' }]);
    expect(json(silence, { model: 'gpt-transcribe' }).languages).toEqual([]);
  });

  test('with logprobs: the tokens joined are the text, and their bytes too', () => {
    const { logprobs } = json(spanish, { logprobs: true });
    expect(logprobs.map(({ token }: { token: string }) => token).join('')).toBe(transcriptText(spanish));
    expect(Buffer.from(logprobs.flatMap(({ bytes }: { bytes: number[] }) => bytes)).toString()).toBe(
      transcriptText(spanish),
    );
    for (const { logprob } of logprobs) expect(logprob).toBeLessThanOrEqual(0);
  });

  test.each([0, Number.NaN, -1])('a probability of %s has a finite logprob', (probability) => {
    const [segment] = jfk.segments;
    const odd = { ...jfk, segments: [{ ...segment, pieces: [{ text: 'x', probability }] }] } as Transcript;
    expect(json(odd, { logprobs: true }).logprobs).toEqual([{ token: 'x', logprob: -9999, bytes: [120] }]);
  });

  test('of silence is an empty text', () => {
    expect(json(silence)).toEqual({ text: '', usage: { type: 'duration', seconds: 11 } });
  });

  test('of a translation is the text alone', () => {
    expect(json({ ...jfk, task: 'translate' })).toEqual({ text });
  });
});

describe('verbose_json', () => {
  const verbose = (transcript: Transcript, over: Partial<ResponseOptions> = {}) =>
    json(transcript, { format: 'verbose_json', ...over });

  test('has segments by default, with every key and every number finite', () => {
    const body = verbose(twice);
    expect(Object.keys(body)).toEqual(['task', 'language', 'duration', 'text', 'segments', 'usage']);
    expect(body).toMatchObject({
      task: 'transcribe',
      language: 'english',
      duration: 25,
      text: transcriptText(twice),
      usage: { type: 'duration', seconds: 25 },
    });
    expect(body.segments).toHaveLength(2);
    for (const [index, segment] of body.segments.entries()) {
      expect(Object.keys(segment)).toEqual([
        'id',
        'seek',
        'start',
        'end',
        'text',
        'tokens',
        'temperature',
        'avg_logprob',
        'compression_ratio',
        'no_speech_prob',
      ]);
      expect(segment.id).toBe(index);
      expect(segment.text).toMatch(/^ And so/);
      const { text: _text, tokens, ...numbers } = segment;
      for (const number of [...Object.values(numbers), ...tokens]) expect(number).toSatisfy(Number.isFinite);
      expect(segment.compression_ratio).toBeGreaterThan(1);
    }
  });

  test('stays finite whatever the engine measured', () => {
    const broken = {
      ...jfk,
      durationMs: Number.NaN,
      segments: jfk.segments.map((segment) => ({
        ...segment,
        text: '',
        tokenIds: [],
        avgLogprob: Number.NaN,
        noSpeechProbability: Number.POSITIVE_INFINITY,
        temperature: Number.NaN,
      })),
    };
    expect(JSON.stringify(verbose(broken))).not.toContain('null');
  });

  test('the decoder’s windows begin where the last segment before them ended', () => {
    const [segment] = jfk.segments;
    const at = (startMs: number, endMs: number) => ({ ...segment, startMs, endMs });
    const long = { ...jfk, segments: [at(0, 10_000), at(10_000, 29_000), at(29_000, 41_000), at(41_000, 60_000)] };
    expect(verbose(long as Transcript).segments.map(({ seek }: { seek: number }) => seek)).toEqual([0, 0, 2900, 4100]);
  });

  test('words alone leave the segments out', () => {
    const body = verbose(jfk, { granularities: { words: true, segments: false } });
    expect(Object.keys(body)).toEqual(['task', 'language', 'duration', 'text', 'words', 'usage']);
    expect(body.words.map(({ word }: { word: string }) => word)).toEqual(
      'And so my fellow Americans ask not what your country can do for you ask what you can do for your country'.split(
        ' ',
      ),
    );
    for (const word of body.words) expect(Object.keys(word)).toEqual(['word', 'start', 'end']);
    const starts = body.words.map(({ start }: { start: number }) => start);
    expect(starts).toEqual(starts.toSorted((a: number, b: number) => a - b));
  });

  test('words and segments come together when both are asked for', () => {
    const body = verbose(jfk, { granularities: { words: true, segments: true } });
    expect(body.segments).toHaveLength(1);
    expect(body.words).toHaveLength(22);
  });

  test('every word is found in the text, in order, without its punctuation', () => {
    const { words, text: whole } = verbose(spanish, { granularities: { words: true, segments: false } });
    let from = 0;
    for (const { word } of words) {
      expect(word).not.toMatch(/[¿?.\s]/);
      from = whole.indexOf(word, from) + word.length;
      expect(from).toBeGreaterThan(word.length - 1);
    }
    expect(words.map(({ word }: { word: string }) => word)).toContain('Qué');
  });

  test.each([
    ['don’t,', ['don’t']],
    ['"50%,"', ['50%']],
    ['$5.', ['$5']],
    ['#1:', ['#1']],
    ['&', ['&']],
    ['—', []],
    ['twenty-one!?', ['twenty-one']],
    ['「はい」', ['はい']],
  ])('the word %s is written %j', (written, expected) => {
    const [segment] = jfk.segments;
    const words = [{ text: written, startMs: 0, endMs: 10, probability: 1 }];
    const body = verbose({ ...jfk, segments: [{ ...segment, words }] } as Transcript, {
      granularities: { words: true, segments: false },
    });
    expect(body.words.map(({ word }: { word: string }) => word)).toEqual(expected);
  });

  test('of silence has no segments, not no key', () => {
    expect(verbose(silence)).toMatchObject({ text: '', segments: [] });
  });

  test('of a translation is English, with neither words nor usage', () => {
    const body = verbose({ ...spanish, task: 'translate' }, { granularities: { words: true, segments: false } });
    expect(Object.keys(body)).toEqual(['task', 'language', 'duration', 'text', 'segments']);
    expect(body).toMatchObject({ task: 'translate', language: 'english' });
  });

  test('names the language', () => {
    expect(verbose(spanish).language).toBe('spanish');
  });
});

test('text ends with a newline', () => {
  expect(plain(jfk, 'text')).toBe(`${text}\n`);
  expect(plain(silence, 'text')).toBe('\n');
});

test('srt ends with three newlines', () => {
  expect(plain(jfk, 'srt')).toBe(`1\n00:00:00,000 --> 00:00:10,500\n${text}\n\n\n`);
});

test('vtt ends with two newlines', () => {
  expect(plain(jfk, 'vtt')).toBe(`WEBVTT\n\n00:00:00.000 --> 00:00:10.500\n${text}\n\n`);
});

test('tokens are counted from what the engine decoded', () => {
  expect(tokenUsage(silence)).toMatchObject({ output_tokens: 0, input_tokens: 110, total_tokens: 110 });
});

test('a model has a time in whole seconds', () => {
  const listing = {
    id: 'whisper-1',
    installed: true,
    createdAtMs: 1_700_000_000_999,
    servedBy: 'base',
    uuid: 'u',
    languages: ['en'],
    timestamps: true,
  };
  expect(modelEntry(listing)).toEqual({
    id: 'whisper-1',
    object: 'model',
    created: 1_700_000_000,
    owned_by: 'whispergate',
  });
});

test.each(['json', 'text', 'srt', 'vtt', 'verbose_json'] as const)(
  'a result in %s is what a request that names nothing else is answered with',
  (format) => {
    expect(writeResult(jfk, format)).toEqual(writeResponse(jfk, options({ format })));
  },
);
