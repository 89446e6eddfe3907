import { Readable } from 'node:stream';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Hono } from 'hono';
import { beforeEach, describe, expect, test } from 'vitest';
import { GatewayError } from '../../errors.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { settle } from '../../lib/clock.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import { type FakeServices, FakeTranscriber, fakeServices, KNOWN_KEY, listingOf, serve } from '../dialect.cases.ts';
import type { DialectServices, GpuUsage } from '../dialect.ts';
import jfkTwice from './fixtures/jfk-twice.json' with { type: 'json' };
import { createWhisperCudaDialect } from './routes.ts';

const twice = jfkTwice as Transcript;
const NAME = 'whisper-cuda';
const ALL = ['en', 'ru', 'de'];

let transcriber: FakeTranscriber;
let services: FakeServices;
let app: Hono<HttpEnvironment>;

function build({ keys = [] as string[], ...rest }: Partial<Omit<DialectServices, 'keys'>> & { keys?: string[] } = {}) {
  services = { ...fakeServices(transcriber, { keys }), ...rest } as FakeServices;
  app = serve(createWhisperCudaDialect(services));
}

beforeEach(() => {
  transcriber = new FakeTranscriber(twice);
  transcriber.listings = [
    listingOf('base', 'base', { languages: ALL }),
    listingOf('tiny.en', 'tiny.en', { languages: ['en'] }),
    listingOf('large', 'large-v3', { languages: ALL }),
    listingOf('medium', 'medium', { languages: ALL, installed: false }),
  ];
  build();
  return async () => {
    await settle();
    expect(transcriber.recordingsHeld, 'recordings not released').toBe(0);
  };
});

type Part = [name: string, value: string | File];
const FILE: Part = ['file', new File(['audio'], 'C:\\calls\\call 1.wav', { type: 'audio/wav' })];
const MODEL: Part = ['model', 'base'];
const CALLBACK: Part = ['callback_url', 'https://example.com/done'];

function post(parts: Part[], init: RequestInit = {}) {
  const form = new FormData();
  for (const [name, value] of parts) form.append(name, value);
  return app.request('/transcribe', { method: 'POST', body: form, ...init });
}
const detailOf = async (response: Response) => ((await response.json()) as { detail: string }).detail;
const accept = async (...parts: Part[]) => {
  const response = await post([...parts, MODEL, CALLBACK, FILE]);
  expect(response.status).toBe(200);
  return ((await response.json()) as { job_id: string }).job_id;
};
const json = async (path: string) => (await app.request(path)).json();

describe('the form', () => {
  test('becomes a job, its file first or last, and is answered with nothing but an id', async () => {
    for (const parts of [
      [FILE, MODEL, CALLBACK],
      [MODEL, CALLBACK, FILE],
    ]) {
      const response = await post(parts);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ job_id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    }
    expect(services.jobs.accepted).toHaveLength(2);
    expect(services.jobs.accepted[0]).toEqual({
      id: expect.any(String),
      dialect: NAME,
      source: expect.objectContaining({ bytes: 5 }),
      filename: 'call 1.wav',
      transcription: {
        model: 'base',
        options: { task: 'transcribe', language: 'ru', prompt: null, temperature: 0 },
        cache: 'use',
        channel: null,
        raw: null,
        withoutLeadingSilence: true,
        caller: expect.any(String),
      },
      eachChannel: false,
      webhook: { url: 'https://example.com/done', method: 'POST' },
      details: { language: 'Russian' },
      idempotencyKey: null,
    });
  });

  test.each([
    ['Russian', 'ru'],
    ['russian', 'ru'],
    ['ru', 'ru'],
    ['ru-RU', 'ru'],
    [' German ', 'de'],
    ['auto', null],
  ])('language %j is %j, and is said again as it was written', async (language, code) => {
    await accept(['language', language]);
    expect(services.jobs.accepted[0]).toMatchObject({
      transcription: { options: { language: code } },
      details: { language },
    });
  });

  test('an empty language is the default', async () => {
    await accept(['language', ' ']);
    expect(services.jobs.accepted[0]).toMatchObject({
      transcription: { options: { language: 'ru' } },
      details: { language: 'Russian' },
    });
  });

  test('a model that knows English only takes that for the default, and refuses what was asked for', async () => {
    const english: Part = ['model', 'tiny.en'];
    expect((await post([english, CALLBACK, FILE])).status).toBe(200);
    expect(services.jobs.accepted[0]).toMatchObject({ transcription: { options: { language: 'en' } } });
    const response = await post([english, CALLBACK, ['language', 'Russian'], FILE]);
    expect(response.status).toBe(400);
    expect(await detailOf(response)).toContain('tiny.en');
  });
});

describe('refusals', () => {
  test.each<[string, Part[], string]>([
    ['no file', [MODEL, CALLBACK], 'file'],
    ['no model', [CALLBACK, FILE], 'model'],
    ['no callback', [MODEL, FILE], 'callback_url'],
    ['an empty callback', [MODEL, ['callback_url', ''], FILE], 'callback_url'],
    ['nothing that is needed', [['language', 'ru']], 'file, model, callback_url'],
    ['a file that is a text', [MODEL, CALLBACK, ['file', 'text']], 'file'],
    ['a file under another name', [MODEL, CALLBACK, ['audio', FILE[1]]], 'file'],
  ])('%s', async (_what, parts, missing) => {
    const response = await post(parts);
    expect(response.status).toBe(422);
    expect(await detailOf(response)).toBe(`Field required: ${missing}.`);
    expect(services.jobs.accepted).toEqual([]);
  });

  test('an empty file', async () => {
    const response = await post([MODEL, CALLBACK, ['file', new File([], 'empty.wav')]]);
    expect(response.status).toBe(400);
    expect(await detailOf(response)).toBe('The file is empty.');
  });

  test.each<[string, Part, string]>([
    ['a language that is none', ['language', 'Klingon'], 'Unsupported language: Klingon.'],
    ['a model that is none', ['model', 'huge'], "The model 'huge' is not enabled. Enabled: base, tiny.en."],
    ['a name without end', ['model', 'x'.repeat(60_000)], 'x…'],
  ])('%s: before its file is read where it came before it', async (_what, part, detail) => {
    const rest = [MODEL, CALLBACK].filter(([name]) => name !== part[0]);
    for (const parts of [
      [...rest, part, FILE],
      [FILE, ...rest, part],
    ]) {
      const response = await post(parts);
      expect(response.status).toBe(400);
      expect(await detailOf(response)).toContain(detail);
    }
    expect(transcriber.uploads).toHaveLength(1);
    expect(services.jobs.accepted).toEqual([]);
  });

  test('a field that is huge', async () => {
    expect((await post([MODEL, CALLBACK, ['language', 'x'.repeat(70_000)], FILE])).status).toBe(400);
  });

  test('a body that is huge', async () => {
    const big: Part = ['file', new File([new Uint8Array(2 * 1024 ** 2)], 'big.wav')];
    expect((await post([MODEL, CALLBACK, big])).status).toBe(413);
  });

  test('a callback to where we may not go, before the recording is read', async () => {
    services.jobs.refusal = new GatewayError('url-forbidden', 'The URL may not be reached.');
    const response = await post([MODEL, ['callback_url', 'http://10.0.0.1/'], FILE]);
    expect(response.status).toBe(400);
    expect(await detailOf(response)).toBe('callback_url: The URL may not be reached.');
    expect(transcriber.uploads).toEqual([]);
  });

  test('a body that is no form, and another method', async () => {
    const response = await app.request('/transcribe', {
      ...{ method: 'POST', body: '{}' },
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(400);
    for (const [path, method] of [
      ['/transcribe', 'GET'],
      ['/status', 'POST'],
      ['/queue', 'DELETE'],
      ['/health', 'POST'],
    ] as const) {
      const refused = await app.request(path, { method });
      expect(refused.status).toBe(405);
      expect(await refused.json()).toEqual({ detail: 'Method Not Allowed' });
    }
  });
});

describe('enabled models', () => {
  test('are those of the database, by exactly their names', async () => {
    build({ enabledModels: async () => ['base', 'medium', 'unheard-of'] });
    const ask = async (model: string) => post([['model', model], CALLBACK, FILE]);
    for (const model of ['base', 'medium']) expect((await ask(model)).status).toBe(200);
    for (const model of ['large', 'tiny.en', 'BASE', 'unheard-of']) {
      const response = await ask(model);
      expect(response.status).toBe(400);
      // What no file and no download could serve is not offered.
      expect(await detailOf(response)).toBe(`The model '${model}' is not enabled. Enabled: base, medium.`);
    }
  });

  test('may be none', async () => {
    build({ enabledModels: async () => [] });
    expect(await detailOf(await post([MODEL, CALLBACK, FILE]))).toContain('Enabled: none.');
  });

  test('that cannot be read are a reason to come back', async () => {
    const down = new GatewayError('model-not-ready', 'The database does not answer.', { retryAfterSeconds: 5 });
    build({ enabledModels: () => Promise.reject(down) });
    const response = await post([MODEL, CALLBACK, FILE]);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('5');
    expect(await detailOf(response)).toBe('The database does not answer.');
    expect(transcriber.uploads).toEqual([]);
  });
});

describe('a job', () => {
  test('is told of while it waits, while it runs and when it is done', async () => {
    const id = await accept();
    expect(await json(`/status?job_id=${id}`)).toMatchObject({ job_id: id, status: 'queued', result: null });
    services.jobs.begin(id);
    expect(await json(`/status?job_id=${id}`)).toMatchObject({ status: 'running', queue_time_s: 1.5 });
    services.jobs.finish(id, twice);
    expect(await json(`/status?job_id=${id}`)).toMatchObject({
      status: 'completed',
      model: 'base',
      language: 'Russian',
      processing_time_s: 2.5,
      result: { gpu: null, text: expect.stringContaining('my fellow Americans') },
      callback: { delivered: false },
    });
    services.jobs.change(id, { delivery: { state: 'delivered', atMs: 7, error: null } });
    expect(await json(`/status?job_id=${id}`)).toMatchObject({ callback: { delivered: true, delivered_at_ms: 7 } });
  });

  test('is sent as what the service sends, also after a restart', async () => {
    const id = await accept();
    const renderer = services.jobs.renderers.get(NAME) ?? expect.fail('nobody renders');
    const { details, ...job } = services.jobs.finish(id, twice);
    const kept = { ...job, details: JSON.parse(JSON.stringify(details)) };
    expect(JSON.parse(await renderer.document(kept, [twice]))).toMatchObject({ job_id: id, status: 'completed' });
    const failed = services.jobs.fail(await accept(), new GatewayError('audio-undecodable', 'It is damaged.'));
    expect(JSON.parse(await renderer.document(failed, []))).toEqual({
      ...{ job_id: failed.id, status: 'failed', result: null, error: 'It is damaged.' },
    });
  });

  test('is asked for by its id', async () => {
    const without = await app.request('/status');
    expect([without.status, await detailOf(without)]).toEqual([422, 'Field required: job_id.']);
    const unknown = await app.request('/status?job_id=nobody');
    expect([unknown.status, await detailOf(unknown)]).toEqual([404, 'There is no job nobody.']);
  });

  test('of another API is not found', async () => {
    const id = await accept();
    services.jobs.change(id, { dialect: 'jobs' });
    expect((await app.request(`/status?job_id=${id}`)).status).toBe(404);
    expect(await json('/queue')).toEqual({ status: 'idle', queued: [], running: [] });
  });
});

test('the GPU is watched while a job runs', () => {
  const usage = { index: 0 } as GpuUsage;
  build({ measureGpu: () => () => usage });
  expect(services.jobs.renderers.get(NAME)?.measure?.()()).toBe(usage);
});

test('the queue is in the order in which jobs will run', async () => {
  expect(await json('/queue')).toEqual({ status: 'idle', queued: [], running: [] });
  const [first, second, third] = [await accept(), await accept(), await accept()];
  services.jobs.begin(first);
  services.jobs.change(second, { position: 2 });
  services.jobs.change(third, { position: 1 });
  expect(await json('/queue')).toEqual({ status: 'busy', queued: [third, second], running: [first] });
  for (const id of [first, second, third]) services.jobs.finish(id, twice);
  expect(await json('/queue')).toEqual({ status: 'idle', queued: [], running: [] });
});

test.each(['starting', 'ready', 'error'] as const)('health is %s', async (state) => {
  build({ keys: [KNOWN_KEY], readiness: async () => ({ ready: state === 'ready', state, model: null }) });
  expect(await json('/health')).toEqual({ status: state });
});

test('keys are asked for everywhere else, in either header', async () => {
  build({ keys: [KNOWN_KEY] });
  for (const path of ['/queue', '/queue/', '/status?job_id=x']) {
    expect((await app.request(path)).status).toBe(401);
    for (const headers of [{ authorization: `Bearer ${KNOWN_KEY}` }, { 'x-api-key': KNOWN_KEY }]) {
      expect((await app.request(path, { headers: headers as Record<string, string> })).status).not.toBe(401);
    }
  }
});

test('a form that its caller tears off is no bad form', async () => {
  const incoming = Object.assign(new Readable({ read() {} }), { socket: { destroyed: true } });
  const headers = { 'content-type': 'multipart/form-data; boundary=b' };
  const answer = app.request('/transcribe', { method: 'POST', headers }, { incoming });
  incoming.push('--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF');
  await settle();
  incoming.destroy();
  expect((await answer).status).toBe(499);
  expect(services.jobs.accepted).toEqual([]);
});

test('it claims its own paths, and no others', () => {
  const { claims } = createWhisperCudaDialect(services);
  const claimed = (path: string) => claims(new Request(`http://gateway${path}`));
  expect(claimed('/compat/whisper-cuda/nothing')).toBe(true);
  expect(claimed('/compat/whisper-cuda')).toBe(true);
  expect(claimed('/compat/whisper-cuda-win')).toBe(false);
  expect(claimed('/transcribe')).toBe(false);
});

test('the description names every route, field and failure', () => {
  const { routes } = createWhisperCudaDialect(services);
  const document = new OpenAPIHono()
    .route('/compat/whisper-cuda', routes)
    .getOpenAPI31Document({ openapi: '3.1.0', info: { title: '', version: '' } });
  expect(Object.keys(document.paths ?? {}).sort()).toEqual(
    ['/health', '/queue', '/status', '/transcribe'].map((path) => `/compat/whisper-cuda${path}`),
  );
  const form = document.components?.schemas?.WhisperCudaForm as { required: string[] };
  expect(form.required.toSorted()).toEqual(['callback_url', 'file', 'model']);
});
