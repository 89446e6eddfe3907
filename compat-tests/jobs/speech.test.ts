// A job from its upload to its webhook, and models that come and go, with the real engine.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { expectSpeech, SPEECH_SECONDS, speech, speechAs } from '../audio.ts';
import { useWebServer } from '../deepgram/web-server.ts';
import { eventually, useGateway } from '../gateway.ts';
import { processesAreVisible } from '../processes.ts';
import { formOf, transcribe } from '../requests.ts';
import { type Job, type JobEvent, JobsClient, type JobsError, type ResultFormat } from './client.ts';

const SECRET = `whsec_${Buffer.from('a secret of thirty-two characters').toString('base64')}`;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** Generous: includes an inference, on whatever else the machine does. */
const DELIVERED_MS_MAX = 30_000;

interface Delivery {
  atMs: number;
  headers: Headers;
  text: string;
}
let received: Delivery[] = [];
/** What the receiver answers, in order; then 200. */
let statuses: number[] = [];
beforeEach(() => {
  received = [];
  statuses = [];
});
const receiver = useWebServer(async (request, response) => {
  if (request.url === '/speech.wav') return void response.end(speech());
  const text = (await request.setEncoding('utf8').toArray()).join('');
  received.push({ atMs: performance.now(), headers: new Headers(request.headers as Record<string, string>), text });
  response.writeHead(statuses.shift() ?? 200).end();
});

const gateway = useGateway({
  ...{ ALLOW_PRIVATE_URLS: 'true', WEBHOOK_SECRET: SECRET },
});
const client = () => new JobsClient(gateway().url);
const audio = () => new Blob([speech()], { type: 'audio/wav' });

async function eventsOf(id: string): Promise<JobEvent[]> {
  const events: JobEvent[] = [];
  for await (const event of client().stream(id)) events.push(event);
  return events;
}

function expectDone(job: Job): void {
  expect(Object.keys(job).sort()).toEqual(
    [
      ...['id', 'status', 'task', 'language', 'model', 'progress', 'duration_secs', 'segments', 'error', 'webhook_url'],
      ...['filename', 'created_at', 'completed_at', 'position', 'estimated_wait_secs'],
    ].sort(),
  );
  expect(job).toMatchObject({
    ...{ status: 'done', language: 'en', model: 'tiny-q5_1', progress: 100, error: null },
    ...{ position: null, estimated_wait_secs: null },
  });
  expect(job.duration_secs).toBeCloseTo(SPEECH_SECONDS, 0);
  expect(job.created_at).toMatch(TIME);
  expect(job.completed_at).toMatch(TIME);
  const segments = job.segments ?? [];
  expectSpeech(segments.map(({ text }) => text).join(' '));
  expect(segments.map(({ index }) => index)).toEqual(segments.map((_, index) => index));
  const words = segments.flatMap((segment) => segment.words);
  expect(words.map(({ text }) => text).join(' ')).toBe(segments.map(({ text }) => text).join(' '));
  for (const { start, end, probability } of words) {
    expect(end).toBeGreaterThanOrEqual(start);
    expect(probability).toBeGreaterThan(0);
    expect(probability).toBeLessThanOrEqual(1);
  }
}

describe('a job', () => {
  test('is accepted, tells how it goes on, and ends with the text', async () => {
    const accepted = await client().submit(audio(), { filename: 'jfk.wav', language: 'en' });
    expect(accepted).toMatchObject({ status: 'queued', position: 1, replayed: false });
    const events = await eventsOf(accepted.job_id);
    const last = events.at(-1);
    if (last?.type !== 'done') throw new Error(`It ended with ${JSON.stringify(last)}.`);
    expectDone(last.job);
    expect(last.job).toMatchObject({ id: accepted.job_id, filename: 'jfk.wav', task: 'transcribe', webhook_url: null });
    const percents = events.flatMap((event) => (event.type === 'progress' ? [event.percent] : []));
    expect(percents.length).toBeGreaterThan(0);
    expect(percents).toEqual(percents.toSorted((one, other) => one - other));
    expect(await client().job(accepted.job_id)).toEqual(last.job);
    // Opened late, the end comes at once.
    expect(await eventsOf(accepted.job_id)).toEqual([last]);
  });

  test('has its result in six formats, as the vendors write them', async () => {
    const { job_id: id } = await client().submit(audio(), { language: 'en' });
    await client().finished(id);
    for (const format of ['json', 'text', 'srt', 'vtt', 'verbose_json'] as const) {
      const fields: [string, string][] = [
        ['model', 'whisper-1'],
        ['language', 'en'],
        ['response_format', format],
      ];
      const theirs = await transcribe(gateway().url, formOf(fields, { bytes: speech() }));
      expect(theirs.headers.get('x-cache'), 'a job and a request share their transcript').toBe('hit');
      const ours = await client().result(id, format);
      expect({ format, ...ours }).toEqual({ format, type: theirs.headers.get('content-type'), text: theirs.text });
    }
    expect(await client().result(id)).toEqual(await client().result(id, 'json'));
    const { metadata, results } = JSON.parse((await client().result(id, 'deepgram')).text);
    expectSpeech(results.channels[0].alternatives[0].transcript);
    expect(metadata).toMatchObject({ request_id: id, channels: 1, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(results.utterances.length).toBeGreaterThan(0);
    await expect(client().result(id, 'docx' as ResultFormat)).rejects.toMatchObject({ status: 400 });
  });

  test('may come in any container, or by URL', async () => {
    const mp3 = await client().submit(new Blob([speechAs('mp3')]), { filename: 'speech.mp3' });
    const byUrl = await client().submitUrl(`${receiver().url}/speech.wav`, { language: 'english' });
    for (const { job_id: id } of [mp3, byUrl]) expectDone(await client().finished(id));
  });

  test('is listed among the others, the latest first', async () => {
    const { job_id: id } = await client().submit(audio(), { language: 'en' });
    await client().finished(id);
    const page = await client().jobs('?limit=2');
    expect(page).toMatchObject({ limit: 2, offset: 0, jobs: [{ id, status: 'done' }, {}] });
    expect(page.total).toBeGreaterThan(2);
    for (const job of page.jobs) expect(job).not.toHaveProperty('segments');
    expect((await client().jobs('?status=failed')).jobs).toEqual([]);
  });

  test('that is sent twice under one key is one job', async () => {
    const options = { language: 'en', idempotencyKey: 'upload-17' };
    const first = await client().submit(audio(), options);
    const again = await client().submit(audio(), options);
    expect(again).toMatchObject({ job_id: first.job_id, replayed: true });
    const other = client().submit(audio(), { ...options, task: 'translate' });
    await expect(other).rejects.toMatchObject({ status: 422, body: { error: expect.stringMatching(/\S/) } });
    await client().finished(first.job_id);
    expect(await client().submit(audio(), options)).toMatchObject({ job_id: first.job_id, replayed: true });
  });

  test('that turns out to be no audio fails, and says why', async () => {
    const { job_id: id } = await client().submit(new Blob(['no audio']));
    const [last] = (await eventsOf(id)).slice(-1);
    expect(last).toEqual({ type: 'error', message: expect.stringMatching(/\S/) });
    const job = await client().job(id);
    expect(job).toMatchObject({ status: 'failed', error: last?.type === 'error' && last.message, segments: null });
    await expect(client().result(id)).rejects.toMatchObject({
      status: 409,
      body: { error: `job ${id} failed: ${job.error}` },
    });
  });
});

const hook = () => `${receiver().url}/hook?of=them`;
async function delivered(count: number): Promise<Delivery[]> {
  await eventually(async () => expect(received).toHaveLength(count), DELIVERED_MS_MAX);
  return received;
}

describe('a webhook', () => {
  test('is the job, signed, and tried three times in three seconds', async () => {
    statuses = [500, 503];
    const { job_id: id } = await client().submit(audio(), { language: 'en', webhook_url: hook() });
    const deliveries = await delivered(3);
    const [first, second, third] = deliveries as [Delivery, Delivery, Delivery];
    expect(second.atMs - first.atMs).toBeGreaterThan(900);
    expect(second.atMs - first.atMs).toBeLessThan(2000);
    expect(third.atMs - second.atMs).toBeGreaterThan(1900);
    expect(third.atMs - second.atMs).toBeLessThan(3500);
    const job = await client().job(id);
    expectDone(job);
    expect(job.webhook_url).toBe(hook());
    for (const { headers, text } of deliveries) {
      expect(JSON.parse(text)).toEqual(job);
      expect(headers.get('webhook-id')).toBe(first.headers.get('webhook-id'));
      expectSigned(headers, text);
    }
  });

  test('also tells of failures', async () => {
    const { job_id: id } = await client().submit(new Blob(['no audio']), { webhook_url: hook() });
    const [delivery] = await delivered(1);
    expect(JSON.parse(delivery?.text ?? '')).toMatchObject({
      id,
      status: 'failed',
      error: expect.stringMatching(/\S/),
    });
  });

  function expectSigned(headers: Headers, text: string): void {
    const timestamp = Number(headers.get('webhook-timestamp'));
    expect(Math.abs(Date.now() / 1000 - timestamp)).toBeLessThan(20);
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
    const signed = `${headers.get('webhook-id')}.${timestamp}.${text}`;
    const [version, signature = ''] = headers.get('webhook-signature')?.split(',') ?? [];
    expect(version).toBe('v1');
    const expected = createHmac('sha256', key).update(signed).digest();
    expect(timingSafeEqual(Buffer.from(signature, 'base64'), expected)).toBe(true);
  }
});

describe('refusals', () => {
  const refusalOf = async (answer: Promise<unknown>) => {
    const { status, body } = await answer.then(
      () => Promise.reject(new Error('It was accepted.')),
      (error: JobsError) => error,
    );
    return [status, body];
  };
  const post = async (parts: [string, string | Blob][]) => {
    const form = new FormData();
    for (const [name, value] of parts) form.append(name, value);
    const answer = await fetch(`${gateway().url}/jobs`, { method: 'POST', body: form });
    return [answer.status, await answer.json()];
  };

  test('say what is wrong, wherever in the form it is', async () => {
    const task = "task must be 'transcribe' or 'translate'";
    expect(await post([['language', 'en']])).toEqual([400, { error: "missing 'audio' field" }]);
    expect(await post([['audio', new Blob([])]])).toEqual([400, { error: 'audio field is empty' }]);
    expect(
      await post([
        ['task', 'dance'],
        ['audio', audio()],
      ]),
    ).toEqual([400, { error: task }]);
    expect(
      await post([
        ['audio', audio()],
        ['task', 'dance'],
      ]),
    ).toEqual([400, { error: task }]);
    const answer = await fetch(`${gateway().url}/jobs`, { method: 'POST', body: 'no form' });
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { error: expect.stringMatching(/^multipart error: \S/) },
    ]);
    expect(await gateway().spool()).toEqual([]);
  });

  test('name the job', async () => {
    const { job_id: id } = await client().submit(audio(), { language: 'en' });
    await client().finished(id);
    expect(await refusalOf(client().cancel(id))).toEqual([
      409,
      { error: `job ${id} is already in terminal state done` },
    ]);
    expect(await refusalOf(client().cancel('none'))).toEqual([404, { error: 'job none not found' }]);
    expect(await refusalOf(client().job('none'))).toEqual([404, { error: 'job none not found' }]);
  });
});

describe('the model', () => {
  test('leaves with its process, comes back, and is watched', async () => {
    await client().submit(audio(), { language: 'en', webhook_url: hook() });
    await delivered(1);
    const events = await client().modelEvents();
    try {
      expect(await client().modelStatus()).toMatchObject({
        ...{ model: 'tiny-q5_1', state: 'ready', loaded_at: expect.stringMatching(TIME) },
        vram_needed_mb: expect.any(Number),
      });
      const before = await gateway().engines();
      if (processesAreVisible) expect(before).toHaveLength(1);

      expect(await client().unload()).toBe('unload_requested');
      await eventually(async () => expect((await client().modelStatus()).state).toBe('unloaded'), 5000);
      if (processesAreVisible) await eventually(async () => expect(await gateway().engines()).toEqual([]), 1000);

      expect(await client().load('tiny-q5_1')).toEqual([202, 'load_initiated']);
      await eventually(async () => expect((await client().modelStatus('whisper-1')).state).toBe('ready'), 20_000);
      expect(await client().load()).toEqual([200, 'already_ready']);
      await eventually(async () => expect(events.seen).toHaveLength(3), 1000);
      expect(events.seen.map(({ type, model }) => `${type} ${model}`)).toEqual([
        'model_unloaded tiny-q5_1',
        'model_loading tiny-q5_1',
        'model_ready tiny-q5_1',
      ]);
      expect(events.seen[2]?.loaded_at).toBe((await client().modelStatus()).loaded_at);
      // Whoever named a webhook is told, too.
      const news = (await delivered(3)).slice(1).map(({ text }) => JSON.parse(text));
      expect(news.toSorted((one, other) => one.type.localeCompare(other.type))).toMatchObject([
        { type: 'model_ready', loaded_at: events.seen[2]?.loaded_at },
        { type: 'model_unloaded' },
      ]);
    } finally {
      events.close();
    }
  });

  test('that nobody knows is a 404', async () => {
    for (const verb of ['modelStatus', 'load', 'unload'] as const) {
      await expect(client()[verb]('huge')).rejects.toMatchObject({
        status: 404,
        body: { error: expect.stringMatching(/\S/) },
      });
    }
  });

  test('shows at /health', async () => {
    const health = await (await fetch(`${gateway().url}/health`)).json();
    expect(health).toMatchObject({
      ...{ status: 'ok', model: 'tiny-q5_1', model_state: 'ready', queue_depth: 0 },
      version: expect.stringMatching(/^\d/),
    });
  });
});
