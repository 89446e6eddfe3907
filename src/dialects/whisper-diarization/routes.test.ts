import type { Hono } from 'hono';
import { beforeEach, describe, expect, test } from 'vitest';
import { GatewayError } from '../../errors.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import { type FakeServices, FakeTranscriber, fakeServices, KNOWN_KEY, listingOf, serve } from '../dialect.cases.ts';
import jfkJson from './fixtures/jfk.json' with { type: 'json' };
import { createWhisperDiarizationDialect } from './routes.ts';

const jfk = jfkJson as Transcript;
const USUAL_WARNINGS = ['speakers: are not told apart', 'stemming: has no effect, vocals are not taken out of music'];

let transcriber: FakeTranscriber;
let services: FakeServices;
let app: Hono<HttpEnvironment>;

const build = (keys: string[] = []) => {
  services = fakeServices(transcriber, { keys });
  app = serve(createWhisperDiarizationDialect(services));
};
beforeEach(() => {
  transcriber = new FakeTranscriber(jfk);
  transcriber.listings = [
    listingOf('default', 'base'),
    listingOf('base'),
    { ...listingOf('medium.en'), languages: ['en'] },
  ];
  build();
  return () => expect(transcriber.recordingsHeld, 'recordings not released').toBe(0);
});

type Part = [name: string, value: string | File];
const FILE: Part = ['file', new File(['audio'], 'recording.webm')];
const submit = (parts: Part[] = [FILE], init: RequestInit = {}) => {
  const body = new FormData();
  for (const [name, value] of parts) body.append(name, value);
  return app.request('/jobs', { method: 'POST', body, ...init });
};
const newJob = async (parts?: Part[]) => ((await (await submit(parts)).json()) as { job_id: string }).job_id;
const get = async (path: string) => {
  const answer = await app.request(path);
  return { status: answer.status, body: await answer.json() };
};
const accepted = () => services.jobs.accepted.at(-1) as (typeof services.jobs.accepted)[number];

describe('a job', () => {
  test('is queued behind others, processed and completed', async () => {
    const first = await newJob();
    const answer = await submit();
    expect(answer.status).toBe(201);
    const body = await answer.json();
    const id = accepted().id;
    expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(body).toEqual({ job_id: id, status: 'queued', position: 1, warnings: USUAL_WARNINGS });
    expect(await get(`/jobs/${id}`)).toEqual({ status: 200, body });
    expect((await get(`/jobs/${first}`)).body).toMatchObject({ position: 0 });

    services.jobs.begin(id);
    services.jobs.change(id, { progress: { percent: 40, chunk: 2, chunksTotal: 5 } });
    const processing = { job_id: id, status: 'processing', warnings: USUAL_WARNINGS };
    expect((await get(`/jobs/${id}`)).body).toEqual({ ...processing, progress: 'transcribing', percent: 40 });
    services.jobs.change(id, { progress: { percent: 100, chunk: 5, chunksTotal: 5 } });
    expect((await get(`/jobs/${id}`)).body).toEqual({ ...processing, progress: 'generating_output', percent: 100 });

    services.jobs.finish(id, jfk);
    expect((await get(`/jobs/${id}`)).body).toEqual({ job_id: id, status: 'completed', warnings: USUAL_WARNINGS });
  });

  test('fails with a sentence', async () => {
    const id = await newJob();
    services.jobs.fail(id, new GatewayError('audio-undecodable', 'The audio is damaged.'));
    const body = { job_id: id, status: 'failed', error: 'The audio is damaged.', warnings: USUAL_WARNINGS };
    expect(await get(`/jobs/${id}`)).toEqual({ status: 200, body });
    expect(await get(`/jobs/${id}/result`)).toEqual({
      status: 500,
      body: { detail: 'Job failed: The audio is damaged.' },
    });
  });

  test('has a result in Deepgram’s shape, once it is done', async () => {
    const asked: unknown[] = [];
    services.writers.deepgram = async (transcript, details) => {
      asked.push([transcript, details]);
      return { contentType: 'application/json', body: '{"metadata":{"duration":11.0},"results":{"utterances":[]}}' };
    };
    const id = await newJob();
    expect(await get(`/jobs/${id}/result`)).toEqual({ status: 202, body: { detail: 'Job is still queued' } });
    services.jobs.begin(id);
    expect(await get(`/jobs/${id}/result`)).toEqual({ status: 202, body: { detail: 'Job is still processing' } });
    const { createdAtMs } = services.jobs.finish(id, jfk);
    expect(await get(`/jobs/${id}/result`)).toEqual({
      status: 200,
      body: { metadata: { duration: 11 }, results: { utterances: [] }, warnings: USUAL_WARNINGS },
    });
    expect(asked).toEqual([[jfk, { requestId: id, sha256: transcriber.uploads[0], createdAtMs }]]);
  });

  test.each(['queued', 'running', 'done'] as const)('that is %s can be deleted', async (status) => {
    const id = await newJob();
    services.jobs.change(id, { status });
    const answer = await app.request(`/jobs/${id}`, { method: 'DELETE' });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ message: 'Job deleted' });
    for (const path of [`/jobs/${id}`, `/jobs/${id}/result`]) {
      expect(await get(path)).toEqual({ status: 404, body: { detail: 'Job not found' } });
    }
    expect((await app.request(`/jobs/${id}`, { method: 'DELETE' })).status).toBe(404);
  });

  test('is counted while it is queued or processed', async () => {
    expect((await get('/health')).body).toEqual({ status: 'healthy', queued_jobs: 0, processing_jobs: 0 });
    const [first] = [await newJob(), await newJob(), await newJob()];
    services.jobs.begin(first);
    expect((await get('/health')).body).toEqual({ status: 'healthy', queued_jobs: 2, processing_jobs: 1 });
  });
});

describe('the form', () => {
  test('may hold its fields before or after the file', async () => {
    const fields: Part[] = [
      ['whisper_model', 'base'],
      ['language', 'Spanish'],
      ['stemming', 'False'],
      ['batch_size', '8'],
      ['suppress_numerals', 'on'],
    ];
    for (const parts of [
      [FILE, ...fields],
      [...fields, FILE],
    ]) {
      await submit(parts);
      expect(accepted()).toMatchObject({
        transcription: { model: 'base', options: { task: 'transcribe', language: 'es' } },
        webhook: null,
        details: {
          warnings: [
            'speakers: are not told apart',
            'suppress_numerals: has no effect, numbers are written as the model writes them',
            'batch_size: has no effect, each device decodes one chunk at a time',
          ],
        },
      });
    }
  });

  test('without a model means medium.en, where that can serve', async () => {
    await submit();
    expect(accepted().transcription.model).toBe('medium.en');
    await submit([['language', 'es'], FILE]);
    expect(accepted().transcription.model).toBe('default');
    transcriber.listings = [listingOf('default', 'base'), { ...listingOf('medium.en'), installed: false }];
    await submit();
    expect(accepted().transcription.model).toBe('default');
    await submit([['whisper_model', 'medium.en'], FILE]);
    expect(accepted().transcription.model).toBe('medium.en');
  });

  test.each<[Part[], field: string, type: string]>([
    [[['language', 'en']], 'file', 'missing'],
    [[['batch_size', 'many'], FILE], 'batch_size', 'value_error'],
    [[FILE, ['batch_size', '0']], 'batch_size', 'value_error'],
    [[['stemming', 'perhaps'], FILE], 'stemming', 'value_error'],
    [[['language', 'klingon'], FILE], 'language', 'value_error'],
  ])('%j is refused for its %s', async (parts, field, type) => {
    const answer = await submit(parts);
    expect(answer.status).toBe(422);
    expect(await answer.json()).toEqual({
      detail: [{ type, loc: ['body', field], msg: expect.stringMatching(/./), input: null }],
    });
    expect(services.jobs.accepted).toEqual([]);
  });

  test.each<Part[][]>([
    [[['whisper_model', 'none'], FILE]],
    [[FILE, ['whisper_model', 'none']]],
    [[['whisper_model', 'medium.en'], ['language', 'es'], FILE]],
    [[FILE, ['language', 'es'], ['whisper_model', 'medium.en']]],
  ])('%j asks for what there is not', async (parts) => {
    expect((await submit(parts)).status).toBe(400);
    expect(services.jobs.accepted).toEqual([]);
  });
});

test('a key is asked for where there are keys, but not of who asks for its health', async () => {
  build([KNOWN_KEY]);
  for (const [method, path] of [
    ['POST', '/jobs'],
    ['GET', '/jobs/x'],
    ['DELETE', '/jobs/x'],
    ['GET', '/jobs/x/result'],
  ] as const) {
    expect((await app.request(path, { method })).status, `${method} ${path}`).toBe(401);
  }
  expect((await app.request('/health')).status).toBe(200);
  const headers = { authorization: `Bearer ${KNOWN_KEY}` };
  expect((await submit([FILE], { headers })).status).toBe(201);
});

test.each([
  ['GET', '/jobs', 'POST'],
  ['PUT', '/jobs/x', 'GET, DELETE'],
  ['POST', '/jobs/x/result', 'GET'],
  ['POST', '/health', 'GET'],
])('%s %s is not allowed', async (method, path, allow) => {
  const answer = await app.request(path, { method });
  expect(answer.status).toBe(405);
  expect(answer.headers.get('allow')).toBe(allow);
  expect(await answer.json()).toEqual({ detail: 'Method Not Allowed' });
});

test('claims what is below its path', () => {
  const { claims } = createWhisperDiarizationDialect(services);
  const claimed = (path: string) => claims(new Request(`http://gateway${path}`));
  expect(['', '/', '/jobs', '/none'].map((path) => claimed(`/compat/whisper-diarization${path}`))).toEqual(
    Array(4).fill(true),
  );
  expect(['/compat/whisper-diarizations', '/jobs', '/'].map(claimed)).toEqual(Array(3).fill(false));
});
