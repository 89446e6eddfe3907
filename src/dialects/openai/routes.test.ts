import { Readable } from 'node:stream';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Hono } from 'hono';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../../errors.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { FIRST_RECORD_WAIT_MS, PING_INTERVAL_MS } from '../../http/sse.ts';
import { FakeClock, settle } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { type Transcript, transcriptText } from '../../transcript/transcript.ts';
import { eventsOf, eventsUntilAborted, FakeTranscriber, fakeServices, KNOWN_KEY, serve } from '../dialect.cases.ts';
import jfkJson from './fixtures/jfk.json' with { type: 'json' };
import { createOpenAIDialect } from './routes.ts';

const jfk = jfkJson as Transcript;
const text = transcriptText(jfk);
const AUDIO = 'not looked at here';

let transcriber: FakeTranscriber;
let clock: FakeClock;
let app: Hono<HttpEnvironment>;

const listing = (id: string, installed = true) => ({
  id,
  installed,
  createdAtMs: 1_700_000_000_000,
  servedBy: 'base',
  uuid: 'u',
  languages: ['en'],
  timestamps: true,
});
const final = { type: 'transcript-final', transcript: jfk } as const;
const draft = { type: 'segment-draft', startMs: 0, endMs: 10_500, text: jfk.segments[0]?.text ?? '' } as const;
const build = (keys: string[] = []) => serve(createOpenAIDialect(fakeServices(transcriber, { keys }), clock));

beforeEach(() => {
  transcriber = new FakeTranscriber(jfk);
  transcriber.listings = ['whisper-1', 'gpt-4o-transcribe', 'gpt-transcribe', 'Systran/faster-whisper-base'].map((id) =>
    listing(id),
  );
  clock = new FakeClock();
  app = build();
  return () => {
    expect(transcriber.recordingsHeld, 'recordings not released').toBe(0);
    expect(transcriber.runsHeld, 'runs not left').toBe(0);
    expect(clock.pendingCount, 'timers left').toBe(0);
  };
});

type Part = [name: string, value: string | File];
const FILE: Part = ['file', new File([AUDIO], 'audio.wav', { type: 'audio/wav' })];
const MODEL: Part = ['model', 'whisper-1'];

function formOf(parts: Part[]): FormData {
  const form = new FormData();
  for (const [name, value] of parts) form.append(name, value);
  return form;
}
const post = (parts: Part[], { path = '/audio/transcriptions', ...init }: RequestInit & { path?: string } = {}) =>
  app.request(path, { method: 'POST', body: formOf(parts), ...init });
const transcribe = (fields: [string, string][], init: Parameters<typeof post>[1] = {}) =>
  post([MODEL, ...fields, FILE], init);
const errorOf = async (response: Response) => ((await response.json()) as { error: Record<string, unknown> }).error;

describe('the form', () => {
  test('may hold the file first or last', async () => {
    for (const parts of [
      [FILE, MODEL, ['language', 'de']],
      [['language', 'de'], MODEL, FILE],
    ] as Part[][]) {
      const response = await post(parts);
      expect(await response.json()).toMatchObject({ text });
    }
    expect(transcriber.requests).toHaveLength(2);
    expect(transcriber.requests[0]).toEqual(transcriber.requests[1]);
    expect(transcriber.uploads[0]).toBe(transcriber.uploads[1]);
  });

  test('may not ask for times where the model gives none', async () => {
    transcriber.listings = [{ ...listing('distil-large-v2'), timestamps: false }];
    const ask = (format: string) => post([['model', 'distil-large-v2'], ['response_format', format], FILE]);
    for (const format of ['srt', 'vtt', 'verbose_json']) {
      expect(await errorOf(await ask(format))).toMatchObject({ param: 'response_format', code: 'unsupported_value' });
    }
    expect((await ask('json')).status).toBe(200);
  });

  test('becomes a request in our words', async () => {
    await transcribe([
      ['language', 'English'],
      ['prompt', 'Hello.'],
      ['temperature', '0.4'],
    ]);
    expect(transcriber.requests).toEqual([
      {
        model: 'whisper-1',
        options: { task: 'transcribe', language: 'en', prompt: 'Hello.', temperature: 0.4 },
        cache: 'use',
        channel: null,
        raw: null,
        caller: expect.any(String),
      },
    ]);
  });

  test.each([
    ['', null],
    ['auto', null],
    ['en-US', 'en'],
    ['german', 'de'],
  ])('language %j is read as %j', async (written, language) => {
    await transcribe([['language', written]]);
    expect(transcriber.requests).toMatchObject([{ options: { language } }]);
  });

  test.each<[string[], string | null]>([
    [['de'], 'de'],
    [['de', 'fr'], null],
  ])('languages %j are read as %j', async (languages, language) => {
    await transcribe(languages.map((code) => ['languages[]', code]));
    expect(transcriber.requests).toMatchObject([{ options: { language } }]);
  });

  test('keywords bias like a prompt, before it', async () => {
    await transcribe([
      ['keywords[]', 'Whispergate'],
      ['keywords[]', 'Kubernetes'],
      ['prompt', 'And so'],
    ]);
    expect(transcriber.requests).toMatchObject([{ options: { prompt: 'Whispergate, Kubernetes. And so' } }]);
  });

  test('is a translation on the other route', async () => {
    await post([MODEL, FILE], { path: '/audio/translations' });
    expect(transcriber.requests).toMatchObject([{ options: { task: 'translate' } }]);
  });
});

describe('refusals', () => {
  test.each<[string, [string, string][], string, string]>([
    ['a language that is none', [['language', 'xx-nothing']], 'language', 'invalid_value'],
    [
      'language beside languages',
      [
        ['language', 'de'],
        ['languages[]', 'fr'],
      ],
      'languages',
      'invalid_value',
    ],
    ['a temperature above 1', [['temperature', '2']], 'temperature', 'invalid_value'],
    ['diarized_json', [['response_format', 'diarized_json']], 'response_format', 'unsupported_value'],
    ['known speakers', [['known_speaker_names[]', 'agent']], 'known_speaker_names', 'unsupported_value'],
  ])('%s, before and after the file', async (_what, fields, param, code) => {
    for (const parts of [
      [MODEL, ...fields, FILE],
      [FILE, ...fields, MODEL],
    ] as Part[][]) {
      const response = await post(parts);
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error', param, code });
    }
    // What stood before the file was enough to refuse it unread.
    expect(transcriber.uploads).toHaveLength(1);
    expect(transcriber.requests).toEqual([]);
  });

  test.each<[string, Part[], string[]]>([
    ['no file', [MODEL], ['file']],
    ['no model', [FILE], ['model']],
    ['an empty model', [['model', ''], FILE], ['model']],
    ['neither', [['prompt', 'x']], ['file', 'model']],
    ['a file that is a text', [MODEL, ['file', 'text']], ['file']],
    ['a file under another name', [MODEL, ['audio', FILE[1]]], ['file']],
  ])('%s', async (_what, parts, missing) => {
    const response = await post(parts);
    expect(response.status).toBe(400);
    const { message, ...rest } = await errorOf(response);
    expect(rest).toEqual({ type: 'invalid_request_error', param: null, code: null });
    expect(String(message).match(/'loc': \('body', '(\w+)'\)/g)).toEqual(
      missing.map((name) => `'loc': ('body', '${name}')`),
    );
  });

  test('an unknown format, as a validation list', async () => {
    const response = await transcribe([['response_format', 'xml']]);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({
      message: expect.stringContaining("'enum'"),
      param: null,
      code: null,
    });
  });

  test('an unknown model that comes after the file', async () => {
    const response = await post([FILE, ['model', 'whisper-9']]);
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toEqual({
      message: 'The model `whisper-9` does not exist or you do not have access to it.',
      type: 'invalid_request_error',
      param: null,
      code: 'model_not_found',
    });
    expect(transcriber.uploads).toHaveLength(1);
  });

  test('a body that is no form', async () => {
    const response = await app.request('/audio/transcriptions', {
      method: 'POST',
      body: '{"model":"whisper-1"}',
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error' });
  });

  test('a form that breaks off', async () => {
    const body = '--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF';
    const response = await app.request('/audio/transcriptions', {
      method: 'POST',
      body,
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
    });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error', param: null, code: null });
  });

  test('a body larger than the limit', async () => {
    const response = await post([MODEL, ['file', new File([new Uint8Array(2 * 1024 ** 2)], 'big.wav')]]);
    expect(response.status).toBe(413);
    expect(await errorOf(response)).toMatchObject({ type: 'server_error', param: null, code: null });
  });

  test('another method, saying which one works', async () => {
    for (const [method, path, allow] of [['GET', '/audio/transcriptions', 'POST']] as const) {
      const response = await app.request(path, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe(allow);
      expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error' });
    }
  });
});

describe('keys', () => {
  test.each(['Bearer', 'bearer', 'BEARER'])('%s presents one', async (scheme) => {
    app = build([KNOWN_KEY]);
    const response = await transcribe([], { headers: { authorization: `${scheme} ${KNOWN_KEY}` } });
    expect(response.status).toBe(200);
  });
  test('another scheme presents none', async () => {
    app = build([KNOWN_KEY]);
    const response = await transcribe([], { headers: { authorization: `Basic ${KNOWN_KEY}` } });
    expect(response.status).toBe(401);
    expect(await errorOf(response)).toMatchObject({ code: null });
  });
  test('are not asked of anyone without keys, whatever is presented', async () => {
    expect((await transcribe([], { headers: { authorization: 'Bearer dummy' } })).status).toBe(200);
  });
});

describe('answers', () => {
  test('carry OpenAI’s headers', async () => {
    const { headers } = await transcribe([]);
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('openai-version')).toBe('2020-10-01');
    expect(headers.get('openai-processing-ms')).toMatch(/^\d+$/);
    expect(headers.get('x-warning')).toBeNull();
  });

  test('in plain text are plain text, and paths may end in a slash', async () => {
    const response = await transcribe([['response_format', 'text']], { path: '/audio/transcriptions/' });
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toBe(`${text}\n`);
  });

  test('hold what granularities and logprobs ask for', async () => {
    const verbose = await transcribe([
      ['response_format', 'verbose_json'],
      ['timestamp_granularities[]', 'word'],
      ['include[]', 'logprobs'],
    ]);
    expect(Object.keys((await verbose.json()) as object)).toEqual([
      'task',
      'language',
      'duration',
      'text',
      'words',
      'usage',
    ]);
    expect(verbose.headers.get('x-warning')).toContain('logprobs');
    const json = await transcribe([['include[]', 'logprobs']]);
    expect(await json.json()).toMatchObject({ logprobs: expect.arrayContaining([]) });
  });

  test('tell of settings that have no effect', async () => {
    const response = await transcribe([['chunking_strategy', '{"type":"server_vad","threshold":0.9}']]);
    expect(response.headers.get('x-warning')).toContain('chunking_strategy');
    expect((await transcribe([['chunking_strategy', 'auto']])).headers.get('x-warning')).toBeNull();
    const stream = await transcribe([
      ['stream', 'true'],
      ['response_format', 'srt'],
    ]);
    expect(stream.headers.get('x-warning')).toContain('response_format');
    await stream.text();
  });
});

describe('streams', () => {
  const stream = (init: Parameters<typeof post>[1] = {}) => transcribe([['stream', 'true']], init);
  const recordsOf = async (response: Response) =>
    (await response.text())
      .split('\n\n')
      .filter((block) => block !== '')
      .map((block) => block.replace('data: ', ''));

  test('are sent for whisper-1 too', async () => {
    transcriber.events = () => eventsOf({ type: 'progress', fraction: 0.1, chunk: 1, chunksTotal: 2 }, draft, final);
    const response = await stream();
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('x-cache')).toBe('miss');
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    const records = await recordsOf(response);
    expect(records.at(-1)).toBe('[DONE]');
    expect(records.slice(0, -1).map((record) => JSON.parse(record))).toMatchObject([
      { type: 'transcript.text.delta', delta: text },
      { type: 'transcript.text.done', text, usage: { type: 'tokens' } },
    ]);
  });

  test('end in an error record when the engine fails after the first delta', async () => {
    const logged = vi.spyOn(silentLog, 'error');
    const failure = new GatewayError('engine-failed', 'The engine stopped.');
    transcriber.events = () => eventsOf(draft, failure);
    const response = await stream();
    expect(response.status).toBe(200);
    const records = await recordsOf(response);
    expect(JSON.parse(records.at(-1) ?? '')).toEqual({
      error: { message: 'The engine stopped.', type: 'server_error', param: null, code: null },
    });
    expect(logged).toHaveBeenCalledExactlyOnceWith(
      { err: failure, requestId: expect.stringMatching(/^req_/) },
      expect.any(String),
    );
    logged.mockRestore();
  });

  test('are an ordinary error when it fails before', async () => {
    transcriber.events = () =>
      eventsOf({ type: 'progress', fraction: 0, chunk: 1, chunksTotal: 2 }, new GatewayError('queue-full', 'Full.'));
    const response = await stream();
    expect(response.status).toBe(429);
    expect(await errorOf(response)).toMatchObject({ code: 'rate_limit_exceeded' });
  });

  test('open with pings when the first word takes long, and stop with the caller', async () => {
    transcriber.events = eventsUntilAborted();
    const opening = stream();
    await vi.waitFor(() => expect(transcriber.runsHeld).toBe(1));
    await clock.advance(FIRST_RECORD_WAIT_MS);
    const reader = ((await opening).body as ReadableStream<Uint8Array>).getReader();
    const ping = reader.read();
    await clock.advance(PING_INTERVAL_MS);
    expect(Buffer.from((await ping).value ?? []).toString()).toBe(': ping\n\n');
    await reader.cancel();
    await settle();
    expect(transcriber.signals.every((signal) => signal.aborted)).toBe(true);
  });

  test('stop between two records when the caller leaves', async () => {
    transcriber.events = eventsUntilAborted(draft);
    const response = await stream();
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    await settle();
    expect(transcriber.runsHeld).toBe(0);
  });
});

describe('a body straight from the socket', () => {
  const send = async (incoming: Readable, socketDestroyed: boolean) =>
    app.request(
      '/audio/transcriptions',
      { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b' } },
      { incoming: Object.assign(incoming, { socket: { destroyed: socketDestroyed } }) },
    );
  const START = Buffer.from('--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF');
  const END = Buffer.from('\r\n--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n');

  test('is read without the Request', async () => {
    expect((await send(Readable.from([START, END]), false)).status).toBe(200);
    expect(transcriber.uploads).toHaveLength(1);
  });

  test('that is torn off by the caller is no bad form', async () => {
    const incoming = new Readable({ read() {} });
    const answer = send(incoming, true);
    incoming.push(START);
    await settle();
    incoming.destroy();
    expect((await answer).status).toBe(499);
  });
});

test('the description names every route, field and failure', () => {
  const { routes } = createOpenAIDialect(fakeServices(transcriber));
  const document = new OpenAPIHono()
    .route('/v1', routes)
    .getOpenAPI31Document({ openapi: '3.1.0', info: { title: '', version: '' } });
  expect(Object.keys(document.paths ?? {})).toEqual(['/v1/audio/transcriptions', '/v1/audio/translations']);
  const { post } = document.paths?.['/v1/audio/transcriptions'] ?? {};
  expect(Object.keys(post?.responses ?? {})).toEqual(
    expect.arrayContaining(['200', '400', '401', '404', '408', '413', '429', '500', '503', '504', '507']),
  );
  const form = document.components?.schemas?.OpenAITranscriptionForm as {
    required: string[];
    properties: Record<string, { description?: string }>;
  };
  expect(form.required.toSorted()).toEqual(['file', 'model']);
  for (const [name, property] of Object.entries(form.properties)) expect(property.description, name).toBeTruthy();
  expect(document.components?.securitySchemes).toMatchObject({ OpenAIKey: { type: 'http', scheme: 'bearer' } });
});
