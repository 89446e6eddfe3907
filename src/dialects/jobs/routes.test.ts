// What a client of the jobs API sees, over jobs and models that the test moves by hand.
import type { Hono } from 'hono';
import { beforeEach, describe, expect, test } from 'vitest';
import { GatewayError } from '../../errors.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { FakeClock, settle } from '../../lib/clock.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import { type FakeServices, FakeTranscriber, fakeServices, KNOWN_KEY, listingOf, serve } from '../dialect.cases.ts';
import { ACCEPTED_AT_MS } from '../fake-jobs.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { createJobsDialect } from './routes.ts';
import { acceptedJob, jobDocument, jobList, modelStatus } from './schema.ts';

const transcript = jfk as Transcript;
let transcriber: FakeTranscriber;
let services: FakeServices;
let clock: FakeClock;
let app: Hono<HttpEnvironment>;

function build({ keys = [] as string[], strict = false } = {}): void {
  services = fakeServices(transcriber, { keys });
  clock = new FakeClock();
  app = serve(createJobsDialect(services, { STRICT_MODEL_READY: strict }, clock));
}

beforeEach(() => {
  transcriber = new FakeTranscriber(transcript);
  transcriber.listings = [
    listingOf('default', 'tiny'),
    listingOf('tiny'),
    listingOf('base', 'base', { installed: false }),
    listingOf('base.en', 'base.en', { languages: ['en'] }),
  ];
  build();
  return () => expect(transcriber.recordingsHeld, 'recordings not released').toBe(0);
});

type Part = [name: string, value: string | File];
const AUDIO: Part = ['audio', new File(['audio'], 'talk.mp3', { type: 'audio/mpeg' })];

function formOf(...parts: Part[]): FormData {
  const form = new FormData();
  for (const [name, value] of parts) form.append(name, value);
  return form;
}

const submit = (parts: Part[], headers: Record<string, string> = {}) =>
  app.request('/jobs', { method: 'POST', body: formOf(...parts), headers });
const submitJson = (body: unknown, headers: Record<string, string> = {}) =>
  app.request('/jobs', {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });

async function idOf(answer: Response | Promise<Response>): Promise<string> {
  const response = await answer;
  expect(response.status).toBe(202);
  return acceptedJob.parse(await response.json()).job_id;
}

async function refusalOf(answer: Response | Promise<Response>, status: number): Promise<string> {
  const response = await answer;
  expect(response.status).toBe(status);
  const body = (await response.json()) as { error: string };
  expect(body).toEqual({ error: expect.any(String) });
  return body.error;
}

const show = async (id: string) => jobDocument.parse(await (await app.request(`/jobs/${id}`)).json());

/** The records of a stream, each as it comes. */
async function* recordsOf(response: Response): AsyncGenerator<{ id?: string; data: Record<string, unknown> }> {
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  let rest = '';
  for await (const bytes of response.body ?? []) {
    rest += Buffer.from(bytes).toString();
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const lines = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
      expect(lines).not.toHaveProperty('event');
      if (lines.data) yield { ...lines, data: JSON.parse(lines.data) };
    }
  }
}

async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe('a job is asked for', () => {
  test('and acknowledged with its place in the queue', async () => {
    await idOf(submit([AUDIO]));
    const response = await submit([AUDIO]);
    const body = await response.json();
    const id = services.jobs.accepted[1]?.id;
    expect(body).toEqual({ job_id: id, status: 'queued', position: 2, estimated_wait_secs: 12 });
    expect(response.headers.get('location')).toBe(`/jobs/${id}`);
    expect(response.headers.get('idempotency-replayed')).toBeNull();
  });

  test('with nothing but audio: the default model, no language, no webhook', async () => {
    await idOf(submit([AUDIO]));
    expect(services.jobs.accepted).toMatchObject([
      {
        dialect: 'jobs',
        source: { sha256: transcriber.uploads[0], bytes: 5 },
        filename: 'talk.mp3',
        transcription: {
          model: 'default',
          options: { task: 'transcribe', language: null, prompt: null, temperature: 0 },
          cache: 'use',
          channel: null,
          raw: null,
          caller: expect.stringMatching(/./),
        },
        eachChannel: false,
        webhook: null,
        idempotencyKey: null,
      },
    ]);
  });

  const OPTIONS: Part[] = [
    ['model', 'tiny'],
    ['task', 'translate'],
    ['language', 'de-AT'],
    ['prompt', 'Wien.'],
    ['keywords[]', 'Whispergate'],
    ['keywords[]', 'Prater'],
    ['temperature', '0.4'],
    ['webhook_url', 'https://example.com/hook?key=1'],
  ];
  const ASKED = {
    transcription: {
      model: 'tiny',
      options: { task: 'translate', language: 'de', prompt: 'Whispergate, Prater. Wien.', temperature: 0.4 },
    },
    webhook: { url: 'https://example.com/hook?key=1', method: 'POST' },
  };
  test.each([
    ['before the audio', [...OPTIONS, AUDIO]],
    ['after it', [AUDIO, ...OPTIONS]],
    ['around it', [...OPTIONS.slice(0, 3), AUDIO, ...OPTIONS.slice(3)]],
  ])('with every option %s', async (_where, parts) => {
    transcriber.listings = [listingOf('tiny', 'tiny', { languages: ['en', 'de'] })];
    await idOf(submit(parts));
    expect(services.jobs.accepted).toMatchObject([ASKED]);
  });

  test('under the name `file`, with a path for a name', async () => {
    await idOf(submit([['file', new File(['x'], 'C:\\talks\\one.wav', { type: 'audio/wav' })]]));
    expect(services.jobs.accepted).toMatchObject([{ filename: 'one.wav' }]);
  });

  test('by a URL, in a form and in JSON: nothing is fetched yet', async () => {
    const url = 'https://example.com/talk.mp3';
    await idOf(submit([['url', url]]));
    await idOf(submitJson({ url, model: 'tiny', keywords: ['Prater'], temperature: 0.4 }));
    expect(services.jobs.accepted).toMatchObject([
      { source: { url }, filename: null },
      { source: { url }, transcription: { model: 'tiny', options: { prompt: 'Prater', temperature: 0.4 } } },
    ]);
    expect(transcriber.uploads).toEqual([]);
  });

  test('in JSON with fields that were left open', async () => {
    await idOf(submitJson({ url: 'https://example.com/a', model: '', language: null, webhook_url: '' }));
    expect(services.jobs.accepted).toMatchObject([
      { transcription: { model: 'default', options: { language: null } }, webhook: null },
    ]);
  });

  test('for a model that is not on disk yet', async () => {
    await idOf(submit([['model', 'base'], AUDIO]));
  });

  test('with several languages, of which one is found: that is said', async () => {
    const response = await submit([['languages[]', 'en'], ['languages[]', 'es'], AUDIO]);
    expect(response.headers.get('x-warning')).toMatch(/^languages: /);
    const document = await show(await idOf(response));
    expect(document).toMatchObject({ language: null, warnings: [expect.stringMatching(/^languages: /)] });
  });

  test.each<[string, Part[], number, string | RegExp]>([
    ['nothing', [['model', 'tiny']], 400, "missing 'audio' field"],
    ['audio as text', [['audio', 'words']], 400, "missing 'audio' field"],
    ['a file field that was left open', [['audio', '']], 400, 'audio field is empty'],
    ['the same by its other name', [['file', '']], 400, 'audio field is empty'],
    ['another task, first', [['task', 'summarize'], AUDIO], 400, "task must be 'transcribe' or 'translate'"],
    ['another task, last', [AUDIO, ['task', 'TRANSLATE']], 400, "task must be 'transcribe' or 'translate'"],
    ['a model nobody knows', [AUDIO, ['model', 'huge']], 404, "The model 'huge' is unknown."],
    ['a language that is none', [AUDIO, ['language', 'klingon']], 400, /klingon/],
    ['a language the model has not', [['model', 'base.en'], ['language', 'es'], AUDIO], 400, /'base.en'.*'es'/],
    ['two ways to name languages', [AUDIO, ['language', 'en'], ['languages', 'es']], 400, /together/],
    ['a temperature that is none', [AUDIO, ['temperature', 'hot']], 400, /^Invalid value for 'temperature'/],
    ['two sources', [AUDIO, ['url', 'https://example.com/a']], 400, "'audio' and 'url' cannot be used together."],
    ['a URL that is none', [['url', 'ftp://example.com/a']], 400, /^url: /],
  ])('with %s, and refused', async (_what, parts, status, message) => {
    const refusal = await refusalOf(submit(parts), status);
    if (typeof message === 'string') expect(refusal).toBe(message);
    else expect(refusal).toMatch(message);
    expect(services.jobs.accepted).toEqual([]);
  });

  test('what was said before the audio is judged before the audio is read', async () => {
    await refusalOf(submit([['model', 'huge'], AUDIO]), 404);
    expect(transcriber.uploads).toEqual([]);
  });

  test('with a webhook that may not be called', async () => {
    services.jobs.refusal = new GatewayError('url-forbidden', 'The address is private.');
    const refusal = await refusalOf(submit([AUDIO, ['webhook_url', 'http://10.0.0.1/']]), 400);
    expect(refusal).toBe('webhook_url: The address is private.');
  });

  test('in a body that is no form, or is cut short', async () => {
    const type = 'multipart/form-data; boundary=x';
    const cut = '--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\nau';
    for (const [contentType, body] of [
      ['audio/mpeg', 'audio'],
      ['multipart/form-data', 'audio'],
      [type, cut],
    ] as const) {
      const answer = app.request('/jobs', { method: 'POST', body, headers: { 'content-type': contentType } });
      expect(await refusalOf(answer, 400)).toMatch(/^multipart error: ./);
    }
  });

  test.each([
    ['{', 'The JSON body cannot be read.'],
    ['{}', "missing 'audio' field"],
    ['[]', /./],
    ['{"url": 7}', /^Invalid value for 'url'/],
    ['{"url": "https://example.com/a", "task": "dance"}', "task must be 'transcribe' or 'translate'"],
  ])('in JSON %s, and refused', async (body, message) => {
    expect(await refusalOf(submitJson(body), 400)).toMatch(message);
  });
});

describe('a request that is repeated', () => {
  const key = { 'idempotency-key': 'upload-17' };

  test('with its key is the same job', async () => {
    const first = await submit([AUDIO], key);
    const again = await submit([AUDIO], key);
    expect(again.status).toBe(202);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await again.json()).toEqual(await first.json());
    expect(services.jobs.accepted).toHaveLength(1);
  });

  test('by another caller with the same key is another job', async () => {
    build({ keys: [KNOWN_KEY, 'another'] });
    for (const authorization of [`Bearer ${KNOWN_KEY}`, 'Bearer another']) {
      await idOf(submit([AUDIO], { ...key, authorization }));
    }
    expect(services.jobs.accepted).toHaveLength(2);
    await idOf(submit([AUDIO], { ...key, 'x-api-key': KNOWN_KEY }));
    expect(services.jobs.accepted).toHaveLength(2);
  });

  test('for something else is refused', async () => {
    services.jobs.onAccept = () => {
      throw new GatewayError('idempotency-key-reused', 'The key was used for another request.');
    };
    expect(await refusalOf(submit([AUDIO], key), 422)).toBe('The key was used for another request.');
  });

  test('with a key without end is refused before anything is read', async () => {
    await refusalOf(submit([AUDIO], { 'idempotency-key': 'x'.repeat(256) }), 400);
    expect(transcriber.uploads).toEqual([]);
  });
});

describe('in the strict mode', () => {
  beforeEach(() => build({ strict: true }));

  test.each([
    ['unloaded', null, 30],
    ['loading', null, 10],
    ['waiting_for_gpu', 5, 5],
  ] as const)('a model that is %s is loaded, and the job refused', async (state, retryInSeconds, seconds) => {
    services.lifecycle.state = { ...services.lifecycle.state, state, retryInSeconds };
    const response = await submit([['model', 'tiny'], AUDIO]);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ error: 'model_not_ready', state, retry_after_secs: seconds });
    expect(response.headers.get('retry-after')).toBe(String(seconds));
    expect(services.lifecycle.asked).toEqual([
      ['status', 'tiny'],
      ['load', 'tiny'],
    ]);
    expect(transcriber.uploads, 'read in vain').toEqual([]);
    expect(services.jobs.accepted).toEqual([]);
  });

  test('one that must be downloaded says how long that takes', async () => {
    services.lifecycle.load = async () => {
      throw new GatewayError('model-not-ready', 'Downloading.', { retryAfterSeconds: 90 });
    };
    const response = await submit([AUDIO]);
    expect(response.headers.get('retry-after')).toBe('90');
    expect(await response.json()).toEqual({ error: 'model_not_ready', state: 'unloaded', retry_after_secs: 90 });
  });

  test('the default model is asked for where none is named', async () => {
    await submitJson({ url: 'https://example.com/a' });
    expect(services.lifecycle.asked[0]).toEqual(['status', null]);
  });

  test('a model that is in memory takes jobs', async () => {
    services.lifecycle.state = { ...services.lifecycle.state, state: 'ready' };
    await idOf(submit([AUDIO, ['model', 'tiny']]));
    expect(services.lifecycle.asked.map(([verb]) => verb)).not.toContain('load');
  });
});

describe('a job is shown', () => {
  test('while it waits', async () => {
    const id = await idOf(submit([['language', 'en'], AUDIO, ['webhook_url', 'https://example.com/hook']]));
    expect(await show(id)).toEqual({
      id,
      status: 'queued',
      task: 'transcribe',
      language: 'en',
      model: 'default',
      progress: 0,
      duration_secs: null,
      segments: null,
      error: null,
      webhook_url: 'https://example.com/hook',
      filename: 'talk.mp3',
      created_at: '2026-01-02T03:04:05.678Z',
      completed_at: null,
      position: 1,
      estimated_wait_secs: 0,
    });
  });

  test('while it runs', async () => {
    const id = await idOf(submit([AUDIO]));
    services.jobs.begin(id);
    services.jobs.change(id, { progress: { percent: 40, chunk: 2, chunksTotal: 5 } });
    expect(await show(id)).toMatchObject({ status: 'running', progress: 40, segments: null, position: null });
  });

  test('when it is done, with what was said', async () => {
    const id = await idOf(submit([AUDIO]));
    services.jobs.finish(id, transcript);
    const document = await show(id);
    expect(document).toMatchObject({
      ...{ status: 'done', progress: 100, language: 'en', model: 'tiny', duration_secs: 11 },
      completed_at: new Date(ACCEPTED_AT_MS + 4000).toISOString(),
      ...{ position: null, estimated_wait_secs: null },
    });
    const [segment] = document.segments ?? [];
    expect(document.segments).toHaveLength(1);
    expect(segment).toMatchObject({ index: 0, start: 0, end: 10.5, text: expect.stringMatching(/^And so, .*\.$/) });
    const [word] = transcript.segments[0]?.words ?? [];
    expect(segment?.words).toHaveLength(22);
    expect(segment?.words[0]).toEqual({
      text: word?.text,
      start: (word?.startMs ?? 0) / 1000,
      end: (word?.endMs ?? 0) / 1000,
      probability: word?.probability,
    });
    expect(document).not.toHaveProperty('warnings');
  });

  test('when it is done, with what was left out', async () => {
    const id = await idOf(submit([AUDIO]));
    const left = { rule: 'subtitle-credit', action: 'dropped', startMs: 0, endMs: 1000, text: 'Subtitles by' } as const;
    services.jobs.finish(id, { ...transcript, diagnostics: [left] });
    expect((await show(id)).warnings).toEqual([expect.stringContaining('0.0 to 1.0 s was left out')]);
  });

  test('when it failed', async () => {
    const id = await idOf(submit([AUDIO]));
    services.jobs.fail(id, new GatewayError('audio-undecodable', 'The audio cannot be decoded.'));
    expect(await show(id)).toMatchObject({ status: 'failed', error: 'The audio cannot be decoded.', segments: null });
  });

  test('to nobody who asks for another', async () => {
    for (const path of ['', '/stream', '/result']) {
      expect(await refusalOf(app.request(`/jobs/none${path}`), 404)).toBe('job none not found');
    }
  });

  test('among all others, the latest first, without its segments', async () => {
    const ids = [await idOf(submit([AUDIO])), await idOf(submit([AUDIO])), await idOf(submit([AUDIO]))];
    services.jobs.finish(ids[0] as string, transcript);
    const list = async (query = '') => jobList.parse(await (await app.request(`/jobs${query}`)).json());
    const all = await list();
    expect(all).toMatchObject({ total: 3, limit: 50, offset: 0 });
    expect(all.jobs.map(({ id }) => id)).toEqual(ids.toReversed());
    expect(all.jobs[2]).toMatchObject({ status: 'done', duration_secs: 11 });
    for (const job of all.jobs) expect(job).not.toHaveProperty('segments');
    expect((await list('?status=done')).jobs.map(({ id }) => id)).toEqual([ids[0]]);
    const page = await list('?limit=1&offset=1');
    expect(page).toMatchObject({ total: 3, limit: 1, offset: 1, jobs: [{ id: ids[1] }] });
    expect(page.jobs).toHaveLength(1);
    expect(await list('?status=&limit=&offset=')).toMatchObject({ total: 3, limit: 50 });
    expect(await list('?offset=9')).toMatchObject({ total: 3, jobs: [] });
  });

  test.each([
    ['status=sleeping', 'status must be one of queued, running, done, failed, cancelled'],
    ['limit=0', /^limit /],
    ['limit=201', /^limit /],
    ['limit=many', /^limit /],
    ['offset=-1', /^offset /],
  ])('not for %s', async (query, message) => {
    expect(await refusalOf(app.request(`/jobs?${query}`), 400)).toMatch(message);
  });
});

test('a job as its webhook has it, with two quick retries', async () => {
  const id = await idOf(submit([AUDIO]));
  const job = services.jobs.finish(id, transcript);
  const renderer = services.jobs.renderers.get('jobs');
  expect(JSON.parse(String(await renderer?.document(job, [transcript])))).toEqual(await show(id));
  expect(renderer?.quickRetriesMs).toEqual([1000, 2000]);
});

describe('a job is cancelled', () => {
  const cancel = (id: string) => app.request(`/jobs/${id}`, { method: 'DELETE' });

  test.each(['queued', 'running'])('while it is %s', async (status) => {
    const id = await idOf(submit([AUDIO]));
    if (status === 'running') services.jobs.begin(id);
    const response = await cancel(id);
    expect(response.status).toBe(200);
    expect(jobDocument.parse(await response.json())).toMatchObject({ id, status: 'cancelled', error: null });
    expect(await refusalOf(cancel(id), 409)).toBe(`job ${id} is already in terminal state cancelled`);
  });

  test('not when it has ended, and not when there is none', async () => {
    const id = await idOf(submit([AUDIO]));
    services.jobs.finish(id, transcript);
    expect(await refusalOf(cancel(id), 409)).toBe(`job ${id} is already in terminal state done`);
    expect(await refusalOf(cancel('none'), 404)).toBe('job none not found');
  });
});

describe('a job is watched', () => {
  const watch = (id: string, headers: Record<string, string> = {}) => app.request(`/jobs/${id}/stream`, { headers });

  test('from its place in the queue to its end', async () => {
    const id = await idOf(submit([AUDIO]));
    const records = recordsOf(await watch(id));
    expect((await records.next()).value).toEqual({
      id: expect.stringMatching(/^\d+$/),
      data: { type: 'progress', percent: 0, chunk: 0, chunks_total: null },
    });
    services.jobs.change(id, { status: 'running', progress: { percent: 40, chunk: 2, chunksTotal: 5 } });
    expect((await records.next()).value?.data).toEqual({ type: 'progress', percent: 40, chunk: 2, chunks_total: 5 });
    services.jobs.finish(id, transcript);
    expect(await allOf(records)).toEqual([{ id: 'end', data: { type: 'done', job: await show(id) } }]);
  });

  test('late: its end comes at once', async () => {
    const [done, failed, cancelled] = [
      await idOf(submit([AUDIO])),
      await idOf(submit([AUDIO])),
      await idOf(submit([AUDIO])),
    ];
    services.jobs.finish(done, transcript);
    services.jobs.fail(failed, new GatewayError('engine-failed', 'The engine failed.'));
    await services.jobs.cancel('jobs', cancelled);
    const endOf = async (id: string) => (await allOf(recordsOf(await watch(id)))).map(({ data }) => data);
    expect(await endOf(done)).toMatchObject([{ type: 'done', job: { id: done, segments: [{}] } }]);
    expect(await endOf(failed)).toEqual([{ type: 'error', message: 'The engine failed.' }]);
    expect(await endOf(cancelled)).toEqual([{ type: 'error', message: 'job cancelled' }]);
  });

  test('again, from where the connection broke', async () => {
    const id = await idOf(submit([AUDIO]));
    const first = recordsOf(await watch(id));
    const seen = (await first.next()).value?.id ?? '';
    await first.return(undefined);
    // Whoever has seen all of it so far is sent nothing until something happens.
    const opening = watch(id, { 'last-event-id': String(Number(seen) + 1) });
    await clock.advance(0);
    const again = recordsOf(await opening);
    const next = again.next();
    await settle();
    services.jobs.finish(id, transcript);
    expect((await next).value).toMatchObject({ id: 'end', data: { type: 'done' } });
  });

  test('again after its end: there is nothing more', async () => {
    const id = await idOf(submit([AUDIO]));
    services.jobs.finish(id, transcript);
    const response = await watch(id, { 'last-event-id': 'end' });
    expect(response.status).toBe(204);
  });

  test.each(['x', '-1', '1e99', ''])('with %j for the last id, as for the first time', async (last) => {
    const id = await idOf(submit([AUDIO]));
    const records = recordsOf(await watch(id, { 'last-event-id': last }));
    expect((await records.next()).value?.data).toMatchObject({ type: 'progress' });
    await records.return(undefined);
  });

  test('in silence: a comment every 15 seconds', async () => {
    const id = await idOf(submit([AUDIO]));
    const reader = (await watch(id)).body?.getReader();
    await reader?.read();
    const ping = reader?.read();
    await clock.advance(15_000);
    expect(Buffer.from((await ping)?.value ?? []).toString()).toMatch(/^:.*\n\n$/);
    await reader?.cancel();
    expect(clock.pendingCount).toBe(0);
  });

  test('by a HEAD request: nobody is left watching', async () => {
    const id = await idOf(submit([AUDIO]));
    const response = await app.request(`/jobs/${id}/stream`, { method: 'HEAD' });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(clock.pendingCount).toBe(0);
  });

  test('a failure of ours ends it, and is logged, not shown', async () => {
    const id = await idOf(submit([AUDIO]));
    services.jobs.watch = async function* () {
      await new Promise((resolve) => clock.after(10, () => resolve(undefined)));
      throw new TypeError('secret of the house');
    };
    const opening = watch(id);
    await clock.advance(0);
    const records = allOf(recordsOf(await opening));
    await clock.advance(10);
    expect(JSON.stringify(await records)).not.toContain('secret');
    expect(await records).toMatchObject([{ data: { type: 'error' } }]);
  });
});

describe('a result', () => {
  const result = (id: string, query = '') => app.request(`/jobs/${id}/result${query}`);

  test.each([
    ['', 'json', 'application/json'],
    ['?format=json', 'json', 'application/json'],
    ['?format=text', 'text', 'text/plain'],
    ['?format=srt', 'srt', 'text/plain'],
    ['?format=vtt', 'vtt', 'text/plain'],
    ['?format=verbose_json', 'verbose_json', 'text/plain'],
    ['?format=deepgram', 'deepgram', 'application/json'],
  ])('%s', async (query, format, type) => {
    const id = await idOf(submit([AUDIO]));
    services.jobs.finish(id, transcript);
    const response = await result(id, query);
    expect(response.headers.get('content-type')).toBe(type);
    expect(await response.text()).toMatch(new RegExp(`^${format}: And so`));
  });

  test('is told whose it is', async () => {
    const id = await idOf(submit([AUDIO]));
    services.jobs.finish(id, transcript);
    let told: unknown;
    services.writers.deepgram = async (_transcript, details) => {
      told = details;
      return { contentType: 'application/json', body: '' };
    };
    await result(id, '?format=deepgram');
    expect(told).toEqual({ requestId: id, sha256: transcriber.uploads[0], createdAtMs: ACCEPTED_AT_MS });
  });

  test('in a format that is none', async () => {
    expect(await refusalOf(result('none', '?format=docx'), 400)).toBe(
      'format must be one of json, text, srt, vtt, verbose_json, deepgram',
    );
  });

  test('that there is not', async () => {
    const id = await idOf(submit([AUDIO]));
    expect(await refusalOf(result(id), 409)).toBe(`job ${id} is not done yet: queued`);
    services.jobs.begin(id);
    expect(await refusalOf(result(id), 409)).toBe(`job ${id} is not done yet: running`);
    services.jobs.fail(id, new GatewayError('engine-failed', 'The engine failed.'));
    expect(await refusalOf(result(id), 409)).toBe(`job ${id} failed: The engine failed.`);
    const other = await idOf(submit([AUDIO]));
    await services.jobs.cancel('jobs', other);
    expect(await refusalOf(result(other), 409)).toBe(`job ${other} was cancelled`);
  });
});

describe('a model', () => {
  const statusOf = async (query = '') => await (await app.request(`/model/status${query}`)).json();

  test('of which little is known', async () => {
    expect(await statusOf()).toEqual({ model: 'base', state: 'unloaded', vram_needed_mb: 548 });
    expect(services.lifecycle.asked).toEqual([['status', null]]);
  });

  test('that is ready on a GPU', async () => {
    services.lifecycle.state = {
      ...{ model: 'base', state: 'ready', loadedAtMs: ACCEPTED_AT_MS, neededMb: 548, retryInSeconds: null },
      gpu: { name: 'L4', usedMb: 700, totalMb: 23_034, freeMb: 22_334 },
    };
    const status = await statusOf('?model=base');
    expect(modelStatus.parse(status)).toEqual({
      ...{ model: 'base', state: 'ready', loaded_at: '2026-01-02T03:04:05.678Z' },
      ...{ vram_used_mb: 700, vram_total_mb: 23_034, vram_needed_mb: 548, vram_free_mb: 22_334 },
    });
    expect(services.lifecycle.asked).toEqual([['status', 'base']]);
  });

  test('that waits for memory', async () => {
    services.lifecycle.state = { ...services.lifecycle.state, state: 'waiting_for_gpu', retryInSeconds: 5 };
    expect(await statusOf()).toMatchObject({ state: 'waiting_for_gpu', retry_in_secs: 5 });
  });

  const command = async (verb: string, init: RequestInit = {}, query = '') => {
    const response = await app.request(`/model/${verb}${query}`, { method: 'POST', ...init });
    return [response.status, await response.json()];
  };

  test('is loaded, once', async () => {
    expect(await command('load')).toEqual([202, { status: 'load_initiated' }]);
    services.lifecycle.state = { ...services.lifecycle.state, state: 'ready' };
    expect(await command('load')).toEqual([200, { status: 'already_ready' }]);
    expect(services.lifecycle.asked).toEqual([
      ['load', null],
      ['load', null],
    ]);
  });

  test('is unloaded', async () => {
    expect(await command('unload', {}, '?model=tiny')).toEqual([200, { status: 'unload_requested' }]);
    expect(services.lifecycle.asked).toEqual([['unload', 'tiny']]);
  });

  test('may be named in JSON', async () => {
    const headers = { 'content-type': 'application/json' };
    await command('unload', { headers, body: '{"model":"tiny"}' });
    await command('unload', { headers, body: '' });
    await command('unload', { headers, body: '{"model":null}' });
    expect(services.lifecycle.asked).toEqual([
      ['unload', 'tiny'],
      ['unload', null],
      ['unload', null],
    ]);
    expect(await command('unload', { headers, body: '{"model":7}' })).toEqual([
      400,
      { error: 'model must be a string' },
    ]);
  });

  test('in another body is not taken for the default model', async () => {
    const body = new URLSearchParams({ model: 'tiny' }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) };
    expect(await command('unload', { headers, body })).toEqual([
      400,
      { error: 'model goes into the URL or into a JSON body' },
    ]);
    expect(await command('unload', { headers: { ...headers, 'content-length': '0' } })).toMatchObject([200, {}]);
    expect(services.lifecycle.asked).toEqual([['unload', null]]);
  });

  test('that nobody knows, or is not on disk yet', async () => {
    services.lifecycle.refusal = new GatewayError('model-unknown', "The model 'x' does not exist.");
    expect(await command('load')).toEqual([404, { error: "The model 'x' does not exist." }]);
    services.lifecycle.refusal = new GatewayError('model-not-ready', 'It is being downloaded.', {
      retryAfterSeconds: 9,
    });
    expect(await command('load')).toEqual([503, { error: 'It is being downloaded.' }]);
  });

  test('comes and goes before the eyes of whoever watches', async () => {
    const opening = app.request('/model/events');
    await clock.advance(0);
    const records = recordsOf(await opening);
    const first = records.next();
    await settle();
    for (const type of ['model_loading', 'model_ready', 'model_unloaded', 'model_waiting_for_gpu'] as const) {
      services.lifecycle.tell({ type, model: 'base', atMs: ACCEPTED_AT_MS });
    }
    const at = '2026-01-02T03:04:05.678Z';
    const told = [await first, await records.next(), await records.next(), await records.next()];
    expect(told.map(({ value }) => value?.data)).toEqual([
      { type: 'model_loading', model: 'base', at },
      { type: 'model_ready', model: 'base', at, loaded_at: at },
      { type: 'model_unloaded', model: 'base', at },
      { type: 'model_waiting_for_gpu', model: 'base', at },
    ]);
    await records.return(undefined);
    await settle();
    expect(clock.pendingCount).toBe(0);
  });
});

describe('keys', () => {
  beforeEach(() => build({ keys: [KNOWN_KEY] }));

  test.each([
    ['GET', '/jobs'],
    ['GET', '/jobs/x'],
    ['DELETE', '/jobs/x'],
    ['GET', '/jobs/x/stream'],
    ['GET', '/jobs/x/result'],
    ['GET', '/model/status'],
    ['POST', '/model/load'],
    ['POST', '/model/unload'],
    ['GET', '/model/events'],
  ])('are asked for at %s %s', async (method, path) => {
    await refusalOf(app.request(path, { method }), 401);
    await refusalOf(app.request(path, { method, headers: { 'x-api-key': 'wrong' } }), 401);
    expect(services.lifecycle.asked).toEqual([]);
  });

  test.each<[string, string]>([
    ['authorization', `Bearer ${KNOWN_KEY}`],
    ['authorization', `token ${KNOWN_KEY}`],
    ['x-api-key', KNOWN_KEY],
  ])('may be in %s: %s', async (name, value) => {
    expect((await app.request('/jobs', { headers: { [name]: value } })).status).toBe(200);
  });
});

test.each([
  ['PUT', '/jobs', 'GET, POST'],
  ['POST', '/jobs/x', 'GET, DELETE'],
  ['POST', '/jobs/x/stream', 'GET'],
  ['GET', '/model/load', 'POST'],
])('%s %s is not allowed', async (method, path, allow) => {
  const response = await app.request(path, { method });
  expect(response.headers.get('allow')).toBe(allow);
  expect(await refusalOf(response, 405)).toMatch(/Not allowed/);
});

test('requests that no route settles are its own by their path or their header', () => {
  const { claims } = createJobsDialect(services, { STRICT_MODEL_READY: false });
  const ask = (path: string, headers = {}) => claims(new Request(`http://gateway${path}`, { headers }));
  expect([ask('/jobs/x/y'), ask('/model'), ask('/v1/models', { 'x-api-key': 'k' })]).toEqual([true, true, true]);
  expect([ask('/jobsx'), ask('/models'), ask('/v1/models', { 'x-api-key': 'k', authorization: 'Bearer k' })]).toEqual([
    ...[false, false, false],
  ]);
});
