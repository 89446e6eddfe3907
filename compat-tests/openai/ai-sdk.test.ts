// @ai-sdk/openai, whose schema refuses an answer that lacks a single number.
import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, transcribe } from 'ai';
import { expect, test } from 'vitest';
import { expectSpeech, SPEECH_SECONDS, speech, speechAs } from '../audio.ts';
import { useGateway } from '../gateway.ts';

const gateway = useGateway();
const model = (id: string) => createOpenAI({ baseURL: `${gateway().url}/v1`, apiKey: 'none' }).transcription(id);

test('timestampGranularities segment gives segments, the language as a code and the duration', async () => {
  const result = await transcribe({
    model: model('whisper-1'),
    audio: speech(),
    providerOptions: { openai: { timestampGranularities: ['segment'] } },
  });
  expectSpeech(result.text);
  expect(result.language).toBe('en');
  expect(result.durationInSeconds).toBeCloseTo(SPEECH_SECONDS, 1);
  expect(result.warnings).toEqual([]);
  expect(
    result.segments
      .map(({ text }) => text)
      .join('')
      .trim(),
  ).toBe(result.text);
  for (const { startSecond, endSecond } of result.segments) expect(endSecond).toBeGreaterThan(startSecond);
});

test('timestampGranularities word gives one entry for each word', async () => {
  const result = await transcribe({
    model: model('whisper-1'),
    audio: speech(),
    providerOptions: { openai: { timestampGranularities: ['word'] } },
  });
  expect(
    result.segments
      .map(({ text }) => text)
      .join(' ')
      .toLowerCase(),
  ).toContain('what your country can do');
  expect(result.segments.every(({ text }) => /^\S+$/.test(text))).toBe(true);
});

test('models of the gpt kind and other containers need no options', async () => {
  const result = await transcribe({ model: model('gpt-4o-mini-transcribe'), audio: speechAs('flac') });
  expectSpeech(result.text);
});

test('an error arrives with its message and status', async () => {
  const error = await transcribe({ model: model('no-such-model'), audio: speech() }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(APICallError.isInstance(error)).toBe(true);
  expect(error).toMatchObject({ statusCode: 404, message: expect.stringContaining('no-such-model') });
});
