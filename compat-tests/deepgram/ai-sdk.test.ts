// @ai-sdk/deepgram, which knows no other server than the vendor's: its fetch is sent here. Its schema refuses an answer
// without words.
import { createDeepgram } from '@ai-sdk/deepgram';
import { APICallError, transcribe } from 'ai';
import { expect, test } from 'vitest';
import { ffmpeg, SPEECH_SECONDS, speech } from '../audio.ts';
import { useGateway } from '../gateway.ts';
import { type ListenBody, PLAIN_TRANSCRIPT } from './shapes.ts';

const KEY = 'compat-key';
const gateway = useGateway({ API_KEYS: KEY });

type Model = Parameters<ReturnType<typeof createDeepgram>['transcription']>[0];
const asked: URL[] = [];
const answers: ListenBody[] = [];
const model = (id = 'nova-3', apiKey = KEY) =>
  createDeepgram({
    apiKey,
    fetch: async (input, init) => {
      const url = new URL(String(input));
      asked.push(url);
      const answer = await fetch(`${gateway().url}${url.pathname}${url.search}`, init);
      answers.push((await answer.clone().json()) as ListenBody);
      return answer;
    },
  }).transcription(id as Model);
const thrownBy = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

test('the text, the duration, and a segment for each word', async () => {
  const result = await transcribe({ model: model(), audio: speech() });
  expect(result.text).toMatch(PLAIN_TRANSCRIPT);
  expect(result.durationInSeconds).toBe(SPEECH_SECONDS);
  expect(result.segments.map(({ text }) => text).join(' ')).toBe(result.text);
  expect(result.warnings).toEqual([]);
});

test('its options, with what to redact joined by commas', async () => {
  const result = await transcribe({
    model: model('nova-2'),
    audio: speech(),
    providerOptions: {
      deepgram: { detectLanguage: true, smartFormat: true, diarize: true, redact: ['pci', 'ssn'], uttSplit: 0.5 },
    },
  });
  expect(asked.at(-1)?.searchParams.get('redact')).toBe('pci,ssn');
  expect(result.text).toMatch(/^And so,? my fellow Americans/);
  expect(result.language).toBe('en');
  // Both are known here, so neither is complained of.
  expect(answers.at(-1)?.metadata.warnings?.map(({ parameter }) => parameter)).toEqual(['diarize']);
});

test('silence is an empty text without segments, and no broken schema', async () => {
  const audio = ffmpeg(['-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '11'], 'wav');
  const result = await transcribe({ model: model(), audio });
  expect(result).toMatchObject({ text: '', segments: [], durationInSeconds: 11 });
});

test.each([
  ['a wrong key', 'nova-3', 'wrong', 401, 'Invalid credentials.'],
  ['an unknown model', 'no-such-model', KEY, 403, 'Project does not have access to the requested model.'],
])('%s is a call error with its status, our words and our body', async (_case, id, key, statusCode, message) => {
  const error = await thrownBy(transcribe({ model: model(id, key), audio: speech() }));
  expect(APICallError.isInstance(error)).toBe(true);
  expect(error).toMatchObject({ statusCode, message, responseBody: expect.stringContaining('"err_code":') });
});
