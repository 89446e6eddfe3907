import { hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { inFile } from '../lib/stored.ts';
import type { AudioSelection } from '../transcript/recording.ts';
import type { DecodingOptions } from '../transcript/request.ts';
import { type CacheKeyParts, cacheKey, chunkKey, TRANSCRIPT_VERSION } from './key.ts';
import { transcriptSchema } from './schema.ts';

const options: DecodingOptions = { task: 'transcribe', language: null, prompt: null, temperature: 0 };
const selection: AudioSelection = { channel: null, raw: null };
const parts: CacheKeyParts = { audioSha256: 'a1', selection, modelDigest: 'm1', options, engine: 'whisper.cpp 1.9.1' };
const key = cacheKey(parts);

const otherOptions: { [Option in keyof DecodingOptions]: DecodingOptions[Option][] } = {
  task: ['translate'],
  language: ['en', 'null', ''],
  prompt: ['', 'null', 'Names: Ada', 'names: Ada'],
  temperature: [0.2, 1],
};

describe('what changes the result changes the key', () => {
  test.each(
    Object.entries(otherOptions).flatMap(([option, values]) => values.map((value) => [option, value] as const)),
  )('%s: %j', (option, value) => {
    expect(cacheKey({ ...parts, options: { ...options, [option]: value } })).not.toBe(key);
  });

  test.each(['audioSha256', 'modelDigest', 'engine'] as const)('%s', (part) => {
    expect(cacheKey({ ...parts, [part]: 'other' })).not.toBe(key);
  });

  const raw = { encoding: 'linear16', sampleRate: 8000, channels: 1 } as const;
  test.each<AudioSelection>([
    { channel: 0, raw: null },
    { channel: 1, raw: null },
    { channel: null, raw },
    { channel: 0, raw },
    { channel: null, raw: { ...raw, encoding: 'mulaw' } },
    { channel: null, raw: { ...raw, sampleRate: 16_000 } },
    { channel: null, raw: { ...raw, channels: 2 } },
  ])('another sound of the recording: %j', (other) => {
    expect(cacheKey({ ...parts, selection: other })).not.toBe(key);
  });

  test('an option that does not exist yet', () => {
    const tomorrow = { ...options, diarize: false };
    expect(cacheKey({ ...parts, options: tomorrow })).not.toBe(key);
  });

  test('no two ways of asking share a key', () => {
    const keys = otherOptions.task.flatMap((task) =>
      [null, ...otherOptions.language].flatMap((language) =>
        [null, ...otherOptions.prompt].map((prompt) =>
          cacheKey({ ...parts, options: { ...options, task, language, prompt } }),
        ),
      ),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('text moved from one part into its neighbour', () => {
    expect(cacheKey({ ...parts, engine: 'e', modelDigest: 'xm' })).not.toBe(
      cacheKey({ ...parts, engine: 'ex', modelDigest: 'm' }),
    );
  });
});

describe('what does not, does not', () => {
  test('the order of the options', () => {
    const reversed = Object.fromEntries(Object.entries(options).reverse()) as unknown as DecodingOptions;
    expect(cacheKey({ ...parts, options: reversed })).toBe(key);
  });

  test('an option that is undefined', () => {
    const withUndefined = { ...options, hotwords: undefined };
    expect(cacheKey({ ...parts, options: withUndefined })).toBe(key);
  });
});

describe('the key of one chunk', () => {
  const chunk = { stored: inFile('spool/1.pcm'), byteOffset: 44, byteLength: 640_000, startMs: 0, durationMs: 20_000 };
  const ofChunk = chunkKey(parts, chunk);

  test('is of that chunk, decoded in that way, and no transcript is found by it', () => {
    const others = [
      key,
      chunkKey(parts, { ...chunk, startMs: 32 }),
      chunkKey(parts, { ...chunk, byteLength: 640_002 }),
      chunkKey({ ...parts, options: { ...options, language: 'en' } }, chunk),
      chunkKey({ ...parts, options: { ...options, temperature: 0.2 } }, chunk),
      chunkKey({ ...parts, modelDigest: 'm2' }, chunk),
      chunkKey({ ...parts, engine: 'other' }, chunk),
      chunkKey({ ...parts, audioSha256: 'a2' }, chunk),
      chunkKey({ ...parts, selection: { ...selection, channel: 1 } }, chunk),
    ];
    expect(new Set([ofChunk, ...others]).size).toBe(others.length + 1);
  });

  test('is the same wherever the samples are decoded to', () => {
    expect(chunkKey(parts, { ...chunk, stored: inFile('spool/2.pcm'), byteOffset: 0 })).toBe(ofChunk);
  });
});

test('a key is a SHA-256 in hexadecimal, the same on every start', () => {
  expect(key).toMatch(/^[0-9a-f]{64}$/);
  const encoded = `[3,"whisper.cpp 1.9.1","m1","a1",[null,null],[["language",null],["prompt",null],["task","transcribe"],["temperature",0]]]`;
  expect(key).toBe(hash('sha256', encoded));
});

test('whoever changes the shape of a transcript raises TRANSCRIPT_VERSION', () => {
  const shape = hash('sha256', JSON.stringify(z.toJSONSchema(transcriptSchema))).slice(0, 12);
  expect(`${TRANSCRIPT_VERSION} ${shape}`).toMatchInlineSnapshot(`"3 6cea57121227"`);
});
