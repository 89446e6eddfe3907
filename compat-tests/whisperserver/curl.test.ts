// A WhisperServer client whose base URL was moved: curl and the real engine.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { expectSpeech, ffmpeg, SPEECH_PATH, speechAs } from '../audio.ts';
import { curl } from '../curl.ts';
import { useGateway } from '../gateway.ts';

const gateway = useGateway({ MODEL_DOWNLOAD: 'false' });

const directory = mkdtempSync(join(tmpdir(), 'compat-whisperserver-'));
afterAll(() => rmSync(directory, { recursive: true }));
function fileOf(name: string, bytes: Buffer | string): string {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
}

const transcribe = (file: string, query = 'model=tiny-q5_1', ...options: string[]) =>
  curl(`${gateway().url}/compat/whisperserver/transcribe?${query}`, '-F', `file=@${file}`, ...options);

test('the text, and nothing else; the second time out of the cache', async () => {
  const first = await transcribe(SPEECH_PATH);
  expect(first.status).toBe(200);
  expect(first.headers.get('content-type')).toMatch(/^application\/json/);
  expect(first.headers.get('x-cache')).toBe('miss');
  const { text } = JSON.parse(first.body);
  expect(first.body).toBe(JSON.stringify({ text }));
  expectSpeech(text);
  const second = await transcribe(SPEECH_PATH);
  expect([second.headers.get('x-cache'), second.body]).toEqual(['hit', first.body]);
});

test.each(['', 'model=', 'model=tiny-q5_1&language=en', 'language=English'])('?%s is understood', async (query) => {
  const answer = await transcribe(SPEECH_PATH, query);
  expect(answer.status).toBe(200);
  expectSpeech(JSON.parse(answer.body).text);
});

test('any format is understood', async () => {
  const answer = await transcribe(fileOf('speech.mp3', speechAs('mp3')));
  expectSpeech(JSON.parse(answer.body).text);
});

test('silence is an empty text', async () => {
  const silence = ffmpeg(['-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '3'], 'wav');
  expect((await transcribe(fileOf('silence.wav', silence))).body).toBe('{"text":""}');
});

test('what has no effect is named', async () => {
  const answer = await transcribe(SPEECH_PATH, 'model=tiny-q5_1&words=true');
  expect(answer.headers.get('x-warning')).toBe('words: has no effect');
});

test('refusals are one sentence', async () => {
  const at = (path: string, ...options: string[]) => curl(`${gateway().url}/compat/whisperserver${path}`, ...options);
  for (const [answer, status, detail] of [
    [await transcribe(SPEECH_PATH, 'model=huge'), 400, 'Unsupported model: huge.'],
    [await transcribe(SPEECH_PATH, 'language=Klingon'), 400, 'Unsupported language: Klingon.'],
    [await transcribe(fileOf('empty.wav', '')), 400, 'The file is empty.'],
    [await transcribe(fileOf('text.wav', 'this is no audio')), 400, expect.stringMatching(/audio/)],
    [await at('/transcribe', '-F', 'audio=x'), 422, 'Field required: file.'],
    [await at('/transcribe'), 405, 'Method Not Allowed'],
    [await at('/nothing'), 404, 'Not Found'],
  ] as const) {
    expect([answer.status, JSON.parse(answer.body)]).toEqual([status, { error: detail }]);
  }
});
