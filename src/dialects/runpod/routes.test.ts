import { setImmediate as turn } from 'node:timers/promises';
import type { Hono } from 'hono';
import { beforeEach, describe, expect, test } from 'vitest';
import { GatewayError } from '../../errors.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { FakeClock, settle } from '../../lib/clock.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import { type FakeServices, FakeTranscriber, fakeServices, KNOWN_KEY, listingOf, serve } from '../dialect.cases.ts';
import jfkJson from './fixtures/jfk.json' with { type: 'json' };
import { createRunpodDialect } from './routes.ts';
import type { JobStatusObject } from './schema.ts';
import { runpodSettings } from './settings.ts';

const jfk = jfkJson as Transcript;
const AUDIO = 'https://audio.example/jfk.wav';
const TEXT =
  'And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.';

let services: FakeServices;
let clock: FakeClock;
let app: Hono<HttpEnvironment>;

const build = (keys: string[] = [], environment: Record<string, string> = {}) => {
  const transcriber = new FakeTranscriber(jfk);
  transcriber.listings = [listingOf('default', 'base'), listingOf('base'), listingOf('tiny.en', 'tiny.en')];
  services = fakeServices(transcriber, { keys });
  clock = new FakeClock();
  app = serve(createRunpodDialect(services, runpodSettings.parse(environment), clock));
};
beforeEach(() => build());

const send = (path: string, body: unknown = {}, init: RequestInit = {}) =>
  app.request(`/whisper${path}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    ...init,
  });
const read = async (answer: Response | Promise<Response>) => (await (await answer).json()) as JobStatusObject;
const run = (input: object = {}, rest: object = {}) =>
  send('/run', { input: { audio_file: AUDIO, ...input }, ...rest });
const accepted = () => services.jobs.accepted.at(-1) as (typeof services.jobs.accepted)[number];
const statusOf = (id: string) => read(app.request(`/whisper/status/${id}`));

describe('a job', () => {
  test('is asked for, runs and completes', async () => {
    const { id, ...rest } = await read(run({ language: 'en', beam_size: 1, model: 'base' }));
    expect(rest).toEqual({ status: 'IN_QUEUE' });
    expect(id).toMatch(/^[0-9a-f-]{36}-u1$/);
    expect(accepted()).toMatchObject({
      id,
      dialect: 'runpod',
      source: { url: AUDIO },
      webhook: null,
      transcription: { model: 'base', options: { language: 'en', beamSize: 1 } },
    });
    expect(await statusOf(id)).toEqual({ id, status: 'IN_QUEUE' });
    services.jobs.begin(id);
    expect(await statusOf(id)).toEqual({ id, status: 'IN_PROGRESS', delayTime: 1500 });
    services.jobs.finish(id, jfk);
    const status = await statusOf(id);
    expect(status).toMatchObject({ id, status: 'COMPLETED', delayTime: 1500, executionTime: 2500 });
    expect(status.output).toEqual({
      segments: jfk.segments.map(({ startMs, endMs, text }) => ({
        start: startMs / 1000,
        end: endMs / 1000,
        text: text.trim(),
      })),
      detected_language: 'en',
      warnings: [],
      logs: expect.stringMatching(/Z accepted\n.*Z begun\n.*Z 11[.]0 s of audio transcribed by tiny$/),
    });
    expect(status.output?.segments.map(({ text }) => text).join(' ')).toBe(TEXT);
  });

  test('says what of it had no effect, and what was left out', async () => {
    const diagnostics = [{ rule: 'repetition-loop', action: 'dropped', startMs: 0, endMs: 900, text: 'x' }] as const;
    const rest = { policy: { executionTimeout: 5000 }, s3Config: { bucketName: 'b' } };
    const { id } = await read(run({ diarization: true }, rest));
    services.jobs.finish(id, { ...jfk, diagnostics: [...diagnostics] });
    expect((await statusOf(id)).output?.warnings).toEqual([
      'diarization: has no effect, speakers are not told apart',
      'policy: has no effect',
      's3Config: has no effect, the output is in the answer',
      'Text from 0.0 to 0.9 s was left out: the engine repeated itself.',
    ]);
  });

  test('says which names it does not know', async () => {
    await read(run({ diarise: true, initial_prompt: null, toString: 1 }));
    expect(accepted().details).toMatchObject({ warnings: ['diarise: is unknown', 'toString: is unknown'] });
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`option_${index}`, 1]));
    await read(run(many));
    expect((accepted().details as { warnings: string[] }).warnings).toHaveLength(20);
  });

  test.each([
    ['txt', /^And so, my/],
    ['text', /^And so, my/],
    ['srt', /^1\n00:00:00,/],
    ['vtt', /^WEBVTT\n/],
  ])('has its text as %s besides', async (output_format, text) => {
    const { id } = await read(run({ output_format }));
    services.jobs.finish(id, jfk);
    const { output } = await statusOf(id);
    expect(output?.transcription).toMatch(text);
    expect(output?.segments).toHaveLength(jfk.segments.length);
  });

  test('says in debug_info what was done', async () => {
    services.lifecycle.state.gpu = { name: 'NVIDIA H100', usedMb: 1, totalMb: 2, freeMb: 1 };
    const asked = { debug: true, beam_size: 2, temperature: 0.2, no_speech_threshold: 0.5, batch_size: 32 };
    const { id } = await read(run({ ...asked, huggingface_access_token: 'hf_secret' }));
    services.jobs.finish(id, jfk);
    const status = await statusOf(id);
    expect(status.output?.debug_info).toEqual({
      audio: {
        ...{ is_compatible: true, expected: { sample_rate: 16_000, channels: 1 }, actual: null },
        ...{ used_fallback: null, source: 'url', reason: expect.any(String) },
      },
      runtime: { engine: 'whisper.cpp', gpu: 'NVIDIA H100' },
      model: { asked: 'default', path: 'tiny', compute_type: null },
      decode: {
        ...{ language: null, batch_size: 1, beam_size: 2, temperature: 0.2, temperature_increment_on_fallback: 0.2 },
        ...{ length_penalty: null, no_speech_threshold: 0.5, log_prob_threshold: -1 },
        compression_ratio_threshold: null,
      },
      output: {
        ...{ output_format: 'json', align_output: true, diarization: false },
        ...{ min_speakers: null, max_speakers: null },
      },
    });
    expect(JSON.stringify([status, accepted()])).not.toContain('hf_secret');
    services.lifecycle.refusal = new GatewayError('model-unknown', 'Gone.');
    expect((await statusOf(id)).output?.debug_info?.runtime.gpu).toBeNull();
  });

  test('fails with a sentence', async () => {
    const { id } = await read(run());
    services.jobs.begin(id);
    services.jobs.fail(id, new GatewayError('url-unreachable', 'The URL could not be fetched.'));
    expect(await statusOf(id)).toEqual({
      ...{ id, status: 'FAILED', delayTime: 1500, executionTime: 2500 },
      error: 'The URL could not be fetched.',
    });
  });

  test('is shown after a POST, too; one that nobody asked for is unknown', async () => {
    const { id } = await read(run());
    expect(await read(send(`/status/${id}`))).toMatchObject({ id });
    for (const path of ['status', 'status-sync', 'stream', 'cancel']) {
      const answer = await send(`/${path}/nobody`);
      expect(answer.status, path).toBe(404);
      expect(await answer.json()).toEqual({ error: 'job not found' });
    }
  });

  test('takes what the environment says where the request does not', async () => {
    build([], { BEAM_SIZE: '3', MODEL: 'base', VAD_ONSET: '0.4' });
    await run({ beam_size: 2 });
    expect(accepted()).toMatchObject({
      transcription: { model: 'base', options: { beamSize: 2 } },
      details: { warnings: [expect.stringMatching(/^vad_onset/)] },
    });
  });
});

describe('the end of a job', () => {
  const begin = async (path: string) => {
    const answer = read(send(path, { input: { audio_file: AUDIO } }));
    while (services.jobs.accepted.length === 0) await turn();
    await settle();
    return { answer, id: accepted().id };
  };

  test('is waited for', async () => {
    const { answer, id } = await begin('/runsync');
    expect(id).toMatch(/^sync-/);
    services.jobs.begin(id);
    services.jobs.finish(id, jfk);
    expect(await answer).toMatchObject({ id, status: 'COMPLETED', output: { detected_language: 'en' } });
    expect(clock.pendingCount).toBe(0);
  });

  test.each([
    ['', 90_000],
    ['?wait=2500', 2500],
    ['?wait=99999999', 300_000],
  ])('is not waited for longer than %j says, and the job goes on', async (query, waitMs) => {
    const { answer, id } = await begin(`/runsync${query}`);
    services.jobs.begin(id);
    let isOver = false;
    void answer.then(() => (isOver = true));
    await clock.advance(waitMs - 1);
    await settle();
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(await answer).toEqual({ id, status: 'IN_PROGRESS', delayTime: 1500 });
    expect(services.jobs.find('runpod', id)?.status).toBe('running');
  });

  test('of a job that has ended is told at once', async () => {
    const { id } = await read(run());
    services.jobs.finish(id, jfk);
    expect(await read(app.request(`/whisper/status-sync/${id}?wait=1000`))).toMatchObject({ status: 'COMPLETED' });
    expect(await read(app.request(`/whisper/stream/${id}`))).toEqual({
      status: 'COMPLETED',
      stream: [{ output: expect.objectContaining({ detected_language: 'en' }) }],
    });
  });

  test('is waited for by a stream, which is empty before', async () => {
    const { id } = await read(run());
    const answer = read(app.request(`/whisper/stream/${id}`));
    await settle();
    await clock.advance(10_000);
    expect(await answer).toEqual({ status: 'IN_QUEUE', stream: [] });
  });

  test('a caller who leaves leaves the job', async () => {
    const caller = new AbortController();
    const init = { signal: caller.signal };
    const answer = send('/runsync', { input: { audio_file: AUDIO } }, init);
    while (services.jobs.accepted.length === 0) await turn();
    await settle();
    caller.abort();
    expect((await answer).status).toBe(499);
    expect(clock.pendingCount).toBe(0);
    expect(services.jobs.counts('runpod')).toMatchObject({ queued: 1, cancelled: 0 });
  });

  test.each(['?wait=soon', '?wait=-1'])('%s is no time', async (query) => {
    const answer = await send(`/runsync${query}`, { input: { audio_file: AUDIO } });
    expect(answer.status).toBe(400);
    expect(services.jobs.accepted).toEqual([]);
  });
});

describe('a queue', () => {
  test('loses a job that is cancelled; one that has ended stays as it is', async () => {
    const { id } = await read(run());
    expect(await read(send(`/cancel/${id}`))).toEqual({ id, status: 'CANCELLED', delayTime: 2000, executionTime: 0 });
    expect(await read(send(`/cancel/${id}`))).toMatchObject({ status: 'CANCELLED' });
    const { id: other } = await read(run());
    services.jobs.finish(other, jfk);
    expect(await read(send(`/cancel/${other}`))).toMatchObject({ status: 'COMPLETED', output: expect.anything() });
  });

  test('is purged of what has not begun', async () => {
    const ids = [await read(run()), await read(run()), await read(run())].map(({ id }) => id);
    services.jobs.begin(ids[0] as string);
    const answer = await send('/purge-queue');
    expect(await answer.json()).toEqual({ removed: 2, status: 'completed' });
    expect(services.jobs.counts('runpod')).toMatchObject({ queued: 0, running: 1, cancelled: 2 });
    expect(await (await send('/purge-queue')).json()).toEqual({ removed: 0, status: 'completed' });
  });

  test('is counted', async () => {
    const health = async () => (await app.request('/whisper/health')).json();
    const none = { completed: 0, failed: 0, inProgress: 0, inQueue: 0, retried: 0 };
    expect(await health()).toEqual({
      jobs: none,
      workers: { idle: 1, initializing: 0, ready: 1, running: 0, throttled: 0 },
    });
    const ids = [await read(run()), await read(run()), await read(run()), await read(run())].map(({ id }) => id);
    services.jobs.finish(ids[0] as string, jfk);
    services.jobs.fail(ids[1] as string, new GatewayError('engine-failed', 'x'));
    services.jobs.begin(ids[2] as string);
    services.readiness = async () => ({ ready: false, state: 'starting', model: null });
    expect(await health()).toEqual({
      jobs: { ...none, completed: 1, failed: 1, inProgress: 1, inQueue: 1 },
      workers: { idle: 0, initializing: 1, ready: 0, running: 1, throttled: 0 },
    });
  });
});

describe('a webhook', () => {
  test('is told what the status says, with RunPod’s own patience', async () => {
    const { id } = await read(run({}, { webhook: 'https://hooks.example/x' }));
    expect(accepted().webhook).toEqual({ url: 'https://hooks.example/x', method: 'POST' });
    const renderer = services.jobs.renderers.get('runpod');
    expect(renderer?.quickRetriesMs).toEqual([10_000, 10_000]);
    const job = services.jobs.finish(id, jfk);
    expect(JSON.parse((await renderer?.document(job, [jfk])) ?? '')).toEqual(await statusOf(id));
    const failed = services.jobs.change(id, { status: 'failed', error: new GatewayError('engine-failed', 'It fell.') });
    expect(JSON.parse((await renderer?.document(failed, [])) ?? '')).toMatchObject({
      status: 'FAILED',
      error: 'It fell.',
    });
  });

  test('that may not be called is refused', async () => {
    services.jobs.refusal = new GatewayError('url-forbidden', 'The URL must lead to a publicly routable address.');
    const answer = await run({}, { webhook: 'http://127.0.0.1/' });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({ error: 'webhook: The URL must lead to a publicly routable address.' });
    expect((await run({}, { webhook: null })).status).toBe(200);
  });
});

describe('a refusal', () => {
  test.each<[body: unknown, error: string | RegExp]>([
    ['{', /JSON/],
    ['', 'input is required.'],
    [{}, 'input is required.'],
    [[], 'The JSON body is not an object.'],
    [{ input: null }, /^input: /],
    [{ input: {} }, 'audio_file is required.'],
    [{ input: { audio_file: 7 } }, /^audio_file: /],
    [{ input: { audio_file: 'jfk.wav' } }, /^audio_file: The URL could not be read/],
    [{ input: { audio_file: 'file:///etc/passwd' } }, /^audio_file: The URL could not be read/],
    [{ input: { audio_file: AUDIO, beam_size: 0 } }, /^beam_size: /],
    [{ input: { audio_file: AUDIO, beam_size: '5' } }, /^beam_size: /],
    [{ input: { audio_file: AUDIO, temperature: 1.5 } }, /^temperature: /],
    [{ input: { audio_file: AUDIO, vad_onset: 2 } }, /^vad_onset: /],
    [{ input: { audio_file: AUDIO, min_speakers: 3, max_speakers: 2 } }, /^min_speakers: /],
    [{ input: { audio_file: AUDIO, compute_type: 'float8' } }, /^compute_type: /],
    [{ input: { audio_file: AUDIO, output_format: 'pdf' } }, /^output_format: /],
    [{ input: { audio_file: AUDIO, diarization: 'yes' } }, /^diarization: /],
    [{ input: { audio_file: AUDIO, language: 'xx' } }, /language/],
    [{ input: { audio_file: AUDIO, model: 'no-such' } }, "The model 'no-such' is unknown."],
    [{ input: { audio_file: AUDIO }, webhook: 7 }, /^webhook: /],
    [{ input: { audio_file: AUDIO }, policy: 7 }, /^policy: /],
  ])('of %j', async (body, error) => {
    const answer = await send('/run', body);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({ error: typeof error === 'string' ? error : expect.stringMatching(error) });
    expect(services.jobs.accepted).toEqual([]);
  });

  test('of a language that the model does not know', async () => {
    const listing = services.transcriber.models.find;
    services.transcriber.models.find = async (id) => {
      const found = await listing(id);
      return found && { ...found, languages: ['en'] };
    };
    const answer = await run({ model: 'tiny.en', language: 'de' });
    expect(await answer.json()).toEqual({ error: "The model 'tiny.en' does not know 'de'." });
  });

  test('of a stranger, on every route; a key may come with or without Bearer', async () => {
    build([KNOWN_KEY]);
    const paths = ['run', 'runsync', 'status/x', 'status-sync/x', 'stream/x', 'cancel/x', 'purge-queue', 'nothing'];
    for (const path of paths) expect((await send(`/${path}`)).status, path).toBe(401);
    expect((await app.request('/whisper/health')).status).toBe(401);
    for (const authorization of [KNOWN_KEY, `Bearer ${KNOWN_KEY}`, `bearer ${KNOWN_KEY}`]) {
      const answer = await app.request('/whisper/health', { headers: { authorization } });
      expect(answer.status, authorization).toBe(200);
    }
    for (const authorization of ['Bearer', `Basic ${KNOWN_KEY}`, 'wrong']) {
      expect((await app.request('/whisper/health', { headers: { authorization } })).status, authorization).toBe(401);
    }
  });

  test.each([
    ['GET', '/run', 'POST'],
    ['PUT', '/status/x', 'GET, POST'],
    ['POST', '/health', 'GET'],
  ])('of %s %s', async (method, path, allow) => {
    const answer = await app.request(`/whisper${path}`, { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe(allow);
  });
});

test('claims what is below /v2, but for the one address that is Deepgram’s', () => {
  const { claims } = createRunpodDialect(services, runpodSettings.parse({}));
  const claimed = (path: string) => claims(new Request(`http://gateway${path}`));
  expect(['/v2/whisper/run', '/v2/listener/run', '/v2/x', '/v2/'].map(claimed)).toEqual([true, true, true, true]);
  expect(['/v2/listen', '/v2/listen/', '/v1/listen', '/v2', '/'].map(claimed)).toEqual(Array(5).fill(false));
});
