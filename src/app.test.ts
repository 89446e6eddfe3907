// Which route is mounted where, and who speaks for what no route settles.
import { expect, test } from 'vitest';
import { createApp } from './app.ts';
import { FakeTranscriber, fakeServices, KNOWN_KEY, listingOf } from './dialects/dialect.cases.ts';
import jfk from './dialects/openai/fixtures/jfk.json' with { type: 'json' };
import { silentLog } from './lib/log.ts';
import type { Transcript } from './transcript/transcript.ts';

const transcriber = new FakeTranscriber(jfk as Transcript);
transcriber.listings = [listingOf('tiny'), listingOf('default', 'tiny'), listingOf('whisper-1', 'tiny')];
const callbacks = { pending: 1, transcribing: 1, delivering: 0, failed: 0, failures: [] };
const build = (keys: string[] = []) =>
  createApp({
    log: silentLog,
    version: '1.2.3',
    readiness: async () => ({ ready: true, state: 'ready', reason: '', model: 'tiny' }),
    settings: { STRICT_MODEL_READY: false },
    serving: async () => ({ model: { name: 'tiny', state: 'ready' }, gpu: undefined, queueDepth: 0 }),
    callbacks: () => callbacks,
    dialects: fakeServices(transcriber, { keys }),
  });
const app = build();

function form(): FormData {
  const body = new FormData();
  body.append('model', 'whisper-1');
  body.append('file', new File(['audio'], 'a.wav'));
  return body;
}

test.each(['/v1/audio/transcriptions', '/audio/transcriptions', '/v1/audio/transcriptions/'])(
  'OpenAI’s clients are answered at %s',
  async (path) => {
    const response = await app.request(path, { method: 'POST', body: form() });
    expect(await response.json()).toMatchObject({ text: expect.stringContaining('Americans') });
    expect(response.headers.get('dg-request-id')).toBeNull();
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
  },
);

test.each(['/v1/listen', '/v1/listen/', '/v1/listen?model=nova-3'])(
  'Deepgram’s clients are answered at %s',
  async (path) => {
    const headers = { origin: 'https://page.example' };
    const response = await app.request(path, { method: 'POST', body: 'audio', headers });
    expect(await response.json()).toMatchObject({ metadata: { channels: 1 } });
    expect(response.headers.get('dg-request-id')).toBeTruthy();
    expect(response.headers.get('access-control-allow-origin')).toBe('https://page.example');
  },
);

test.each(['/v1/models', '/models'])('both find their models at %s', async (path) => {
  const body = await (await app.request(path)).json();
  expect(body).toMatchObject({ object: 'list', data: [{ id: 'tiny' }, {}, {}], stt: [{ canonical_name: 'tiny' }] });
});

test.each([
  ['/v1/none', {}, { error: { type: 'invalid_request_error' } }],
  ['/v1/none', { authorization: 'Token k' }, { err_code: 'Not Found' }],
  ['/v1/speak', {}, { err_code: 'Not Found' }],
  ['/v1/projects/p/keys', {}, { err_code: 'Not Found' }],
  ['/listen', {}, { error: {} }],
  ['/v2/listen/x', {}, { err_code: 'Not Found' }],
  ['/v2/whisper/none', {}, { error: expect.any(String) }],
  ['/v2/whisper/none', { authorization: 'Token k' }, { error: expect.any(String) }],
  ['/compat/whisper-diarization/none', { 'x-api-key': 'k' }, { detail: 'Not Found' }],
])('%s with %j is unknown, in the words of whoever asks', async (path, headers, body) => {
  const response = await app.request(path, { headers });
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject(body);
  expect(response.headers.get('x-request-id')).toMatch(/^req_/);
  expect(response.headers.has('dg-error')).toBe('err_code' in body);
});

test('jobs and models in memory are at the root', async () => {
  const accepted = await app.request('/jobs', { method: 'POST', body: form() });
  expect(accepted.status).toBe(202);
  const { job_id: id } = (await accepted.json()) as { job_id: string };
  expect(await (await app.request(`/jobs/${id}`)).json()).toMatchObject({ id, status: 'queued' });
  expect(await (await app.request('/model/status')).json()).toMatchObject({ state: 'unloaded' });
  expect(await (await app.request('/jobs/x/y')).json()).toEqual({ error: 'Unknown request URL: GET /jobs/x/y.' });
  expect(await (await app.request('/health')).json()).toMatchObject({ status: 'ok', version: '1.2.3', model: 'tiny' });
});

test('what has become of callbacks is for holders of a key, where there are any', async () => {
  expect(await (await app.request('/callbacks')).json()).toEqual(callbacks);
  const ask = async (headers: Record<string, string>) => await build([KNOWN_KEY]).request('/callbacks', { headers });
  for (const authorization of [`Bearer ${KNOWN_KEY}`, `Token ${KNOWN_KEY}`, `token ${KNOWN_KEY}`]) {
    expect(await (await ask({ authorization })).json(), authorization).toEqual(callbacks);
  }
  for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: `Basic ${KNOWN_KEY}` }]) {
    const response = await ask(headers);
    expect(response.status, JSON.stringify(headers)).toBe(401);
    expect(await response.text()).not.toContain('pending');
  }
});

test('the description lists each route once', async () => {
  const { paths } = (await (await app.request('/openapi.json')).json()) as { paths: Record<string, unknown> };
  expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/v1/listen', '/v1/models', '/v1/audio/transcriptions']));
  expect(Object.keys(paths)).not.toContain('/models');
});

test('the description has a place for each group of routes', async () => {
  const { paths, tags } = (await (await app.request('/openapi.json')).json()) as {
    paths: Record<string, Record<string, { tags: string[] }>>;
    tags: { name: string }[];
  };
  const used = Object.values(paths).flatMap((methods) => Object.values(methods).flatMap((route) => route.tags));
  expect(new Set(tags.map(({ name }) => name))).toEqual(new Set(used));
});
