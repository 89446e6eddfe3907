// A whisper-cuda client whose base URL was moved: curl, the real engine, and a receiver of callbacks.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { expectSpeech, ffmpeg, SPEECH_PATH, SPEECH_SECONDS } from '../audio.ts';
import { curl } from '../curl.ts';
import { useWebServer } from '../deepgram/web-server.ts';
import { eventually, useGateway } from '../gateway.ts';
import { BASE, detailOf, expectCompleted, MODEL, statusOf, submit, untilStatus, upload } from './client.ts';

const RETRY_SECONDS = 0.5;
const gateway = useGateway({
  ...{ ALLOW_PRIVATE_URLS: 'true', MODEL_DOWNLOAD: 'false' },
  ...{ WEBHOOK_RETRY_SECONDS: String(RETRY_SECONDS), WEBHOOK_RETRIES_MAX: '2' },
});

let received: { method: string; path: string; type: string; text: string }[] = [];
/** What the receiver answers, in order; then 200. */
let statuses: number[] = [];
beforeEach(() => {
  received = [];
  statuses = [];
});
const receiver = useWebServer(async (request, response) => {
  const text = (await request.setEncoding('utf8').toArray()).join('');
  const { method = '', url: path = '', headers } = request;
  received.push({ method, path, type: String(headers['content-type']), text });
  response.writeHead(statuses.shift() ?? 200).end();
});
const hook = () => `${receiver().url}/done?of=them`;

async function delivered(count: number): Promise<string[]> {
  await eventually(async () => expect(received).toHaveLength(count), 30_000);
  for (const { method, path, type } of received) {
    expect({ method, path, type }).toEqual({ method: 'POST', path: '/done?of=them', type: 'application/json' });
  }
  return received.map(({ text }) => text);
}

const directory = mkdtempSync(join(tmpdir(), 'compat-whisper-cuda-'));
afterAll(() => rmSync(directory, { recursive: true }));
function fileOf(name: string, bytes: Buffer | string): string {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
}

const english = (file: string, fields: Record<string, string> = {}) =>
  submit(gateway().url, file, { callback_url: hook(), language: 'English', ...fields });

test('a recording is transcribed, the result is sent, and can be asked for', async () => {
  const sentMs = Date.now();
  const id = await english(SPEECH_PATH);
  const [text = ''] = await delivered(1);
  const body = expectCompleted(text);
  expect(body).toMatchObject({ job_id: id, model: MODEL, language: 'English' });
  expect(body.callback).toEqual({ delivered: false, delivered_at_ms: null, error: null });
  expectSpeech(body.result.text);
  expect(body.result.token_count).toBeGreaterThan(20);
  expect(body.result.segments.at(-1)?.end).toBeLessThanOrEqual(SPEECH_SECONDS);

  const { callback, ...rest } = await untilStatus(gateway().url, id, (job) =>
    expect(job.callback.delivered).toBe(true),
  );
  expect(callback).toEqual({ delivered: true, delivered_at_ms: expect.any(Number), error: null });
  expect(callback.delivered_at_ms).toBeGreaterThanOrEqual(sentMs);
  expect(rest).toEqual({ ...body, callback: undefined });
  expect((await curl(`${gateway().url}${BASE}/queue`)).body).toBe('{"status":"idle","queued":[],"running":[]}');
});

test.each(['english', 'en', 'en-GB'])('the language may be %j; Russian is the default', async (language) => {
  const id = await english(SPEECH_PATH, { language });
  const [text = ''] = await delivered(1);
  expect(expectCompleted(text)).toMatchObject({ job_id: id, language });
  expectSpeech(expectCompleted(text).result.text);
  const other = await submit(gateway().url, SPEECH_PATH, { callback_url: hook() });
  expect(expectCompleted((await delivered(2))[1] ?? '')).toMatchObject({ job_id: other, language: 'Russian' });
});

test('of the silence before the speech half a second is left, and times count from there', async () => {
  const late = ffmpeg(['-i', SPEECH_PATH, '-af', 'adelay=20000:all=1'], 'mp3');
  await english(fileOf('late.mp3', late));
  const { result } = expectCompleted((await delivered(1))[0] ?? '');
  expectSpeech(result.text);
  expect(result.segments[0]?.start).toBeLessThan(1.5);
  expect(result.segments.at(-1)?.end).toBeLessThanOrEqual(SPEECH_SECONDS + 0.5);
});

test('nothing but silence is an empty text, not a failure', async () => {
  const silence = ffmpeg(['-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '5', '-c:a', 'pcm_s16le'], 'wav');
  await english(fileOf('silence.wav', silence));
  expect(expectCompleted((await delivered(1))[0] ?? '').result).toMatchObject({
    ...{ text: '', segments: [], token_count: 0 },
  });
});

test('what is no audio fails, and that is sent, too', async () => {
  const id = await english(fileOf('text.mp3', 'this is no audio'));
  const [text = ''] = await delivered(1);
  const body = JSON.parse(text);
  expect(Object.keys(body)).toEqual(['job_id', 'status', 'result', 'error']);
  expect(body).toEqual({ job_id: id, status: 'failed', result: null, error: expect.stringMatching(/audio/) });
  expect(await statusOf(gateway().url, id)).toMatchObject({ status: 'failed', result: null, error: body.error });
});

test('a receiver that fails first gets the same body again, until it takes it', async () => {
  statuses = [500, 503];
  const id = await english(SPEECH_PATH);
  await delivered(1);
  const { callback: tried } = await untilStatus(gateway().url, id, ({ callback }) =>
    expect(callback.error).toMatch(/50[03]/),
  );
  expect(tried).toMatchObject({ delivered: false, delivered_at_ms: null });
  expect(new Set(await delivered(3)).size).toBe(1);
  await untilStatus(gateway().url, id, ({ callback }) =>
    expect(callback).toMatchObject({ delivered: true, error: null }),
  );
});

test('a receiver that always fails is given up, and the result can still be asked for', async () => {
  statuses = [410, 410, 410, 410];
  const id = await english(SPEECH_PATH);
  await delivered(3);
  const job = await untilStatus(gateway().url, id, ({ callback }) => expect(callback.error).toMatch(/410/));
  expect(job).toMatchObject({ status: 'completed', callback: { delivered: false, delivered_at_ms: null } });
  expectSpeech(job.result?.text ?? '');
});

describe('refusals', () => {
  test.each([
    ['file', undefined, {}],
    ['model', SPEECH_PATH, { model: undefined }],
    ['callback_url', SPEECH_PATH, { callback_url: undefined }],
    ['file, model, callback_url', undefined, { model: undefined, callback_url: undefined }],
  ])('a form without %s', async (missing, file, fields) => {
    const answer = await upload(gateway().url, file, { callback_url: hook(), ...fields });
    expect(answer.status).toBe(422);
    expect(detailOf(answer)).toBe(`Field required: ${missing}.`);
  });

  test.each([
    ['an empty file', () => fileOf('empty.wav', ''), {}, /empty/],
    ['a model that is not there', () => SPEECH_PATH, { model: 'huge' }, /'huge' is not enabled. Enabled: .*tiny-q5_1/],
    ['a language that is none', () => SPEECH_PATH, { language: 'Klingon' }, /Klingon/],
    ['a callback that is no URL', () => SPEECH_PATH, { callback_url: 'example.com/done' }, /./],
  ])('%s', async (_what, file, fields, detail) => {
    const answer = await upload(gateway().url, file(), { callback_url: hook(), ...fields });
    expect(answer.status).toBe(400);
    expect(detailOf(answer)).toMatch(detail);
    expect(received).toEqual([]);
  });

  test('a job nobody has, a path nobody knows, another method', async () => {
    const at = (path: string, ...options: string[]) => curl(`${gateway().url}${BASE}${path}`, ...options);
    expect((await at('/status?job_id=none')).status).toBe(404);
    expect((await at('/status')).status).toBe(422);
    const unknown = await at('/nothing');
    expect([unknown.status, detailOf(unknown)]).toEqual([404, 'Not Found']);
    const method = await at('/transcribe');
    expect([method.status, detailOf(method), method.headers.get('allow')]).toEqual([405, 'Method Not Allowed', 'POST']);
  });
});

test('health is ready', async () => {
  expect((await curl(`${gateway().url}${BASE}/health`)).body).toBe('{"status":"ready"}');
});

describe('a gateway with keys, among strangers', () => {
  const guarded = useGateway({ API_KEYS: 'secret' });

  test('health is for everyone, the rest is not, and callbacks may not go inside', async () => {
    const at = (path: string, ...options: string[]) => curl(`${guarded().url}${BASE}${path}`, ...options);
    expect((await at('/health')).status).toBe(200);
    expect((await at('/queue')).status).toBe(401);
    expect((await at('/queue', '-H', 'Authorization: Bearer secret')).status).toBe(200);
    const form = ['-F', `file=@${SPEECH_PATH}`, '-F', `model=${MODEL}`, '-F', `callback_url=${hook()}`];
    expect((await at('/transcribe', ...form)).status).toBe(401);
    const inside = await at('/transcribe', '-H', 'X-API-Key: secret', ...form);
    expect([inside.status, detailOf(inside)]).toEqual([400, expect.stringMatching(/./)]);
  });
});
