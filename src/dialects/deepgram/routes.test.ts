import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Hono } from 'hono';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../../errors.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { settle } from '../../lib/clock.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import {
  eventsOf,
  eventsUntilAborted,
  FakeTranscriber,
  fakeServices,
  KNOWN_KEY,
  listingOf,
  serve,
  tokensOf,
} from '../dialect.cases.ts';
import type { DialectServices } from '../dialect.ts';
import { FakeJobs } from '../fake-jobs.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import left from './fixtures/stereo-left.json' with { type: 'json' };
import { createDeepgramDialect } from './routes.ts';

const AUDIO = 'not looked at here';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let transcriber: FakeTranscriber;
let jobs: FakeJobs;
let app: Hono<HttpEnvironment>;

function build(keys: string[] = [], rest: Partial<DialectServices> = {}): Hono<HttpEnvironment> {
  return serve(createDeepgramDialect({ ...fakeServices(transcriber, { keys }), jobs, ...rest }));
}

beforeEach(() => {
  transcriber = new FakeTranscriber(jfk as Transcript);
  transcriber.listings = [
    listingOf('default', 'tiny'),
    listingOf('tiny'),
    listingOf('tiny.en', 'tiny.en', { languages: ['en'] }),
    listingOf('large-v3', 'large-v3', { installed: false }),
  ];
  jobs = new FakeJobs();
  app = build();
  return () => {
    expect(transcriber.recordingsHeld, 'recordings not released').toBe(0);
    expect(transcriber.runsHeld, 'runs not left').toBe(0);
  };
});

const listen = (query = '', init: RequestInit = {}) =>
  app.request(`/v1/listen?${query}`, {
    method: 'POST',
    body: AUDIO,
    headers: { 'content-type': 'audio/wav' },
    ...init,
  });
const json = (body: string, query = '', type = 'application/json') =>
  listen(query, { body, headers: { 'content-type': type } });
interface Answer {
  metadata: { request_id: string; sha256: string; channels: number; warnings?: { parameter: string }[] };
  results: { channels: { alternatives: { transcript: string }[]; detected_language?: string }[] };
}
const answerOf = async (response: Response | Promise<Response>) => (await (await response).json()) as Answer;
const requested = () => transcriber.requests[0];

describe('the recording', () => {
  test.each([
    'deepgram/audio+video',
    'application/octet-stream',
    'audio/mpeg',
    'application/jsonp',
    'text/plain',
    'multipart/form-data; boundary=x',
    '',
  ])('may be of type %j', async (type) => {
    const headers: Record<string, string> = type === '' ? {} : { 'content-type': type };
    const response = await listen('', { body: Buffer.from(AUDIO), headers });
    expect(response.status).toBe(200);
    const { metadata } = await answerOf(response);
    expect(metadata.sha256).toBe(createHash('sha256').update(AUDIO).digest('hex'));
  });

  test('streams from the socket, whatever its size', async () => {
    const incoming = Object.assign(Readable.from(['a', 'b', 'c'].map((text) => Buffer.from(text))), {
      socket: { destroyed: false },
    });
    const response = await app.request('/v1/listen', { method: 'POST' }, { incoming: incoming as never });
    expect((await answerOf(response)).metadata.sha256).toBe(createHash('sha256').update('abc').digest('hex'));
  });

  test('that is torn off by the caller is no failure', async () => {
    const incoming = Object.assign(new Readable({ read() {} }), { socket: { destroyed: true } });
    const answer = app.request('/v1/listen', { method: 'POST' }, { incoming: incoming as never });
    incoming.push('RIFF');
    await settle();
    incoming.destroy();
    expect((await answer).status).toBe(499);
  });

  test('is not read when the query is wrong, or larger than may be', async () => {
    expect((await listen('punctuate=maybe')).status).toBe(400);
    const large = await listen('', { headers: { 'content-length': String(1024 ** 2 + 1) } });
    expect(large.status).toBe(413);
    const truthful = await listen('', { body: Buffer.alloc(1024 ** 2 + 1) });
    expect(truthful.status).toBe(413);
    expect(await truthful.json()).toMatchObject({ err_code: 'PAYLOAD_TOO_LARGE' });
    expect(transcriber.requests).toEqual([]);
  });
});

describe('a URL', () => {
  test.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON', 'application/vnd.api+json'])(
    'comes as %s, and what else is in it does not matter',
    async (type) => {
      const fetched = vi.spyOn(transcriber, 'fetch');
      const response = await json('{"url":"https://media/a.wav","some_new_option":true}', '', type);
      expect(response.status).toBe(200);
      expect(fetched).toHaveBeenCalledWith('https://media/a.wav', expect.any(AbortSignal));
    },
  );

  test.each(['', '{', 'null', '[]', '{}', '{"url":1}', '"https://a"', AUDIO])('is not %j', async (body) => {
    const response = await json(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      err_code: 'Bad Request',
      err_msg: 'Content-type was application/json, but we could not process the JSON payload.',
    });
  });

  test.each([
    ['a recording', 'R'.repeat(1024 ** 2)],
    ['too long', `{"url":"https://a/${'x'.repeat(70_000)}"}`],
  ])('is not %s under the wrong type', async (_what, body) => {
    const response = await json(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      err_msg: 'Content-type was application/json, but we could not process the JSON payload.',
    });
  });

  test('that cannot be had is the other server’s fault', async () => {
    transcriber.fetch = async () => {
      const remoteFault = { kind: 'client-error', status: '404 Not Found' } as const;
      throw new GatewayError('url-unreachable', 'No.', { remoteFault });
    };
    const response = await json('{"url":"https://a/"}');
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      err_code: 'REMOTE_CONTENT_ERROR',
      err_msg: 'The remote server hosting the media returned a client error: 404 Not Found.',
    });
  });
});

describe('options', () => {
  test('nothing said is English by the default model', async () => {
    await listen();
    expect(transcriber.requests).toEqual([
      {
        model: 'default',
        options: { task: 'transcribe', language: 'en', prompt: null, temperature: 0 },
        cache: 'use',
        channel: null,
        raw: null,
        caller: expect.any(String),
      },
    ]);
  });

  test('of formatting change nothing that is asked of the engine', async () => {
    await listen('');
    await listen(
      'smart_format=true&utterances=true&utt_split=1.5&numerals=true&measurements=true&dictation=true&filler_words=true' +
        '&profanity_filter=true&redact=pci&replace=a:b&search=x&diarize=true&tag=t&extra=a:b&detect_entities=true',
    );
    expect(transcriber.requests[1]).toEqual(transcriber.requests[0]);
  });

  test.each([
    ['language=en-US', 'en'],
    ['language=pt-BR', 'pt', ['pt']],
    ['language=ES', 'es'],
    ['language=zh-HK', 'yue'],
    ['language=zh-HK', 'zh', ['en', 'zh']],
    ['language=multi', null],
    ['detect_language=true', null],
    ['detect_language=True&language=es', null],
    ['detect_language=false&language=es', 'es'],
    ['detect_language=es', 'es'],
    ['detect_language=es&detect_language=en-GB', null],
  ] as [string, string | null, string[]?][])('%s is %j', async (query, language, languages) => {
    transcriber.listings = [listingOf('default', 'tiny', languages && { languages }), listingOf('tiny')];
    expect((await listen(query)).status).toBe(200);
    expect(requested()?.options.language).toBe(language);
    expect(requested()?.options.languagePerChunk).toBe(query === 'language=multi' ? true : undefined);
  });

  test.each(['en_US', 'english', 'auto', 'xx', 'e', '-', 'es&model=tiny.en', 'pt', 'x'.repeat(10_000)])(
    'language=%s is not available',
    async (language) => {
      for (const name of ['language', 'detect_language']) {
        const response = await listen(`${name}=${language}`);
        expect(response.status).toBe(400);
        expect(await response.json()).toMatchObject({
          err_code: 'Bad Request',
          err_msg: 'Bad Request: No such model/language/tier combination found.',
        });
      }
    },
  );

  test('expected words become the prompt, so another transcript', async () => {
    await listen('keyterm=Whispergate&keyterm=Ada Lovelace');
    await listen('keywords=Kubernetes:2&keywords=PyTorch&keywords=um:-5&model=nova-3');
    expect(transcriber.requests.map(({ options }) => options.prompt)).toEqual([
      'Whispergate, Ada Lovelace.',
      'Kubernetes, PyTorch.',
    ]);
    const { metadata } = await answerOf(listen('keywords=um:-5'));
    expect(metadata.warnings).toMatchObject([{ parameter: 'keywords' }]);
  });

  test.each([
    ['encoding=linear16&sample_rate=8000', { encoding: 'linear16', sampleRate: 8000, channels: 1 }],
    ['encoding=MULAW&sample_rate=8000&channels=2', { encoding: 'mulaw', sampleRate: 8000, channels: 2 }],
    ['encoding=amr-wb', { encoding: 'amr-wb', sampleRate: 16_000, channels: 1 }],
    ['encoding=linear16', null],
    ['encoding=opus&sample_rate=48000', null],
    ['sample_rate=8000&channels=2', null],
  ])('%s describes audio without a header as %j', async (query, raw) => {
    await listen(query);
    expect(requested()?.raw).toEqual(raw);
  });
});

describe('refusals in the vendor’s words', () => {
  test.each([
    ['utt_split=x', 'Bad Request', 'Invalid query string.'],
    ['callback=example.com/x', 'Bad Request', 'Invalid query string.'],
    ['callback=ws://example.com/x', 'Bad Request', 'Invalid query string.'],
    [
      'diarize=true&diarize_model=latest',
      'Bad Request',
      'diarize_model cannot be used together with diarize or diarize_version.',
    ],
    [
      'diarize_version=2&diarize_model=v2',
      'Bad Request',
      'diarize_model cannot be used together with diarize or diarize_version.',
    ],
    ['summarize=v2&language=es', 'Bad Request', 'Summarization v2 not supported for non-English languages'],
    [
      `keyterm=${'word '.repeat(501)}`,
      'Bad Request',
      'Bad Request: Keyterm limit exceeded. The maximum number of tokens across all keyterms is 500.',
    ],
  ])('%s', async (query, err_code, err_msg) => {
    const response = await listen(query);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ err_code, err_msg, request_id: expect.stringMatching(UUID) });
    expect(response.headers.get('dg-error')).toBe(err_msg);
  });

  test('what is allowed just so', async () => {
    for (const query of [
      'diarize_model=latest',
      'diarize=false&diarize_model=latest',
      'summarize=v2',
      'summarize=False&language=es',
      'redact=false',
      'summarize=true&language=en-GB',
      `keyterm=${'word '.repeat(500)}`,
    ]) {
      expect((await listen(query)).status, query).toBe(200);
    }
  });
});

test.each([
  ['diarize=true', 'diarize'],
  ['diarize_model=v2', 'diarize_model'],
  ['sentiment=true', 'sentiment'],
  ['topics=True', 'topics'],
  ['intents=true', 'intents'],
  ['summarize=v2', 'summarize'],
  ['summarize=True', 'summarize'],
  ['summarize=1', 'summarize'],
  ['custom_topic=a', 'custom_topic'],
  ['custom_topic_mode=strict', 'custom_topic_mode'],
  ['custom_intent=a', 'custom_intent'],
  ['custom_intent_mode=extended', 'custom_intent_mode'],
  ['detect_entities=true', 'detect_entities'],
  ['alternatives=3', 'alternatives'],
  ['version=2024-01-01.0', 'version'],
  ['tier=nova', 'tier'],
  ['encoding=wma&sample_rate=8000', 'encoding'],
  ['redact=phi', 'redact'],
  ['dictation=true', 'dictation'],
  [`search=${'x'.repeat(200)}`, 'search'],
])('%s has no effect, which is said', async (query, parameter) => {
  const { metadata } = await answerOf(listen(query));
  expect(metadata.warnings).toEqual([{ parameter, type: 'unsupported_option', message: expect.any(String) }]);
});

test.each([
  'diarize=false&sentiment=false&topics=&intents=null&summarize=0&redact=false&alternatives=1&version=latest&mip_opt_out=true',
  'punctuate=true&dictation=true&encoding=flac&redact=pci,ssn,numbers',
])('%s is no reason for warnings', async (query) => {
  expect((await answerOf(listen(query))).metadata).not.toHaveProperty('warnings');
});

describe('channels', () => {
  beforeEach(() => {
    transcriber.events = () =>
      eventsOf({
        type: 'transcript-final',
        transcript: (transcriber.requests.length % 2 === 1 ? jfk : left) as Transcript,
      });
  });

  test('are mixed down unless they are asked for', async () => {
    expect((await answerOf(listen())).metadata.channels).toBe(1);
    expect((await answerOf(listen('multichannel=true'))).results.channels).toHaveLength(2);
    expect(transcriber.requests.map(({ channel }) => channel)).toEqual([null, 0, 1]);
  });

  test('one that fails takes the others with it', async () => {
    let runs = 0;
    transcriber.events = (signal) =>
      runs++ === 0 ? eventsUntilAborted()(signal) : eventsOf(new GatewayError('engine-failed', 'Down.'));
    const response = await listen('multichannel=true');
    expect(response.status).toBe(500);
    await settle();
  });
});

test('the answer bears the request’s id', async () => {
  const response = await listen();
  const { metadata } = await answerOf(response);
  expect(metadata.request_id).toMatch(UUID);
  expect(response.headers.get('dg-request-id')).toBe(metadata.request_id);
  expect(response.headers.get('x-request-id')).toBe(`req_${metadata.request_id.replaceAll('-', '')}`);
  expect(response.headers.get('content-type')).toBe('application/json');
});

test('a transcript whose model has another name by now is still served', async () => {
  transcriber.listings = [listingOf('default', 'renamed')];
  expect((await listen()).status).toBe(200);
});

describe('a callback', () => {
  const renderer = () => jobs.renderers.get('deepgram') ?? expect.fail('nobody answers');

  test('is accepted with nothing but an id, and answered later as it would have been', async () => {
    const response = await listen('punctuate=true&callback=https://me:secret@example.com/x&callback_method=Put');
    expect(response.status).toBe(200);
    const body = (await response.json()) as { request_id: string };
    expect(body).toEqual({ request_id: response.headers.get('dg-request-id') });
    expect(transcriber.requests).toEqual([]);
    const [accepted] = jobs.accepted;
    expect(accepted).toMatchObject({
      id: body.request_id,
      dialect: 'deepgram',
      webhook: { url: 'https://me:secret@example.com/x', method: 'PUT' },
      source: { bytes: AUDIO.length },
      transcription: { model: 'default', options: { language: 'en' }, cache: 'use' },
      eachChannel: false,
      idempotencyKey: null,
    });

    // As after a restart: what was kept has been JSON.
    const { details, ...job } = jobs.finish(body.request_id, jfk as Transcript);
    const kept = { ...job, details: JSON.parse(JSON.stringify(details)) };
    const answer = JSON.parse(await renderer().document(kept, [jfk as Transcript]));
    const sha256 = createHash('sha256').update(AUDIO).digest('hex');
    const created = new Date(job.endedAtMs ?? 0).toISOString();
    expect(answer.metadata).toMatchObject({ request_id: body.request_id, channels: 1, sha256, created });
    expect(answer.results.channels[0].alternatives[0].transcript).toMatch(/^And so, my/);
  });

  test('has a turn of its caller’s, and its wish about the cache', async () => {
    const headers = { 'content-type': 'audio/wav', 'cache-control': 'no-store' };
    await listen('callback=http://example.com/', { headers });
    expect(jobs.accepted[0]?.transcription).toMatchObject({
      cache: 'bypass',
      caller: expect.stringMatching(/^.{16}$/),
    });
  });

  test('of several channels is answered with all of them', async () => {
    const { request_id } = (await (await listen('multichannel=true&callback=http://example.com/')).json()) as {
      request_id: string;
    };
    expect(jobs.accepted).toMatchObject([{ eachChannel: true }]);
    const transcripts = [left, jfk] as Transcript[];
    const answer = JSON.parse(await renderer().document(jobs.finish(request_id, ...transcripts), transcripts));
    expect(answer.metadata.channels).toBe(2);
  });

  test('for a URL leaves the fetching for later', async () => {
    expect((await json('{"url":"https://media/a.wav"}', 'callback=http://example.com/')).status).toBe(200);
    expect(jobs.accepted).toMatchObject([
      { source: { url: 'https://media/a.wav' }, webhook: { url: 'http://example.com/', method: 'POST' } },
    ]);
    expect(transcriber.uploads).toEqual([]);
  });

  test('to where we may not go is refused before the recording is read', async () => {
    jobs.refusal = new GatewayError('url-forbidden', 'No.');
    const response = await listen('callback=http://10.0.0.1/');
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ err_msg: 'Invalid query string.' });
    expect(transcriber.uploads).toEqual([]);
  });

  test('of a request that is wrong in itself is refused at once', async () => {
    expect((await listen('callback=http://example.com/&model=nova-99')).status).toBe(403);
    expect(jobs.accepted).toEqual([]);
  });

  test('hears of a failure in the vendor’s words', async () => {
    const { request_id } = (await (await listen('callback=http://example.com/')).json()) as { request_id: string };
    const failed = jobs.fail(request_id, new GatewayError('audio-undecodable', 'No.'));
    expect(JSON.parse(await renderer().document(failed, []))).toEqual({
      err_code: 'Bad Request',
      err_msg: 'Bad Request: failed to process audio: corrupt or unsupported data',
      request_id,
    });
  });
});

describe('credentials', () => {
  const tokens = tokensOf([KNOWN_KEY]);
  const probe = async (authorization: string, path = '/v1/auth/token') =>
    (await app.request(path, { headers: { authorization } })).status;

  beforeEach(() => {
    app = build([KNOWN_KEY]);
  });

  test.each(['Token', 'token', 'TOKEN'])('%s and a key', async (scheme) => {
    expect(await probe(`${scheme} ${KNOWN_KEY}`)).toBe(200);
  });

  test.each(['Bearer', 'bearer'])('%s and a token', async (scheme) => {
    expect(await probe(`${scheme} ${tokens.mint(30)}`)).toBe(200);
  });

  test.each([
    `Bearer ${KNOWN_KEY}`,
    `Token ${tokens.mint(30)}`,
    `Bearer ${tokensOf(['other']).mint(30)}`,
    `Bearer ${tokensOf([KNOWN_KEY], () => Date.now() - 60_000).mint(30)}`,
    `Basic ${KNOWN_KEY}`,
    KNOWN_KEY,
    'Token',
    '',
  ])('not %s', async (authorization) => {
    for (const path of ['/v1/auth/token', '/v1/projects/p/models', '/v1/listen']) {
      expect(await probe(authorization, path), path).toBe(401);
    }
  });

  test('make a token, with or without a body', async () => {
    for (const [body, seconds] of [
      [undefined, 30],
      ['{}', 30],
      ['{"ttl_seconds":60}', 60],
      ['{"ttl_seconds":3600}', 3600],
      ['{"ttl_seconds":86400}', 3600],
    ] as const) {
      const headers = { authorization: `Token ${KNOWN_KEY}`, 'content-type': 'application/json' };
      const response = await app.request('/v1/auth/grant', { method: 'POST', headers, ...(body && { body }) });
      expect(response.status).toBe(200);
      const grant = (await response.json()) as { access_token: string; expires_in: number };
      expect(grant.expires_in).toBe(seconds);
      expect(await probe(`Bearer ${grant.access_token}`)).toBe(200);
    }
  });

  test.each(['{"ttl_seconds":0}', '{"ttl_seconds":"60"}', '{"ttl_seconds":"x"}', '{', 'x'.repeat(70_000)])(
    'make no token for %.30s',
    async (body) => {
      const headers = { authorization: `Token ${KNOWN_KEY}` };
      const response = await app.request('/v1/auth/grant', { method: 'POST', headers, body });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        err_code: 'Bad Request',
        err_msg: 'Content-type was application/json, but we could not process the JSON payload.',
      });
    },
  );

  test('that are a token make no other', async () => {
    const headers = { authorization: `Bearer ${tokens.mint(30)}` };
    const response = await app.request('/v1/auth/grant', { method: 'POST', headers });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ err_code: 'FORBIDDEN', err_msg: 'Insufficient permissions.' });
  });
});

describe('a handshake', () => {
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
  const shake = (headers: Record<string, string> = {}) =>
    app.request('/v1/listen?encoding=linear16', { headers: { ...upgrade, ...headers } });

  test('is refused in HTTP, with everything a client may look at', async () => {
    const response = await shake();
    expect(response.status).toBe(405);
    expect(response.headers.get('dg-error')).toMatch(/Live/);
    expect(response.headers.get('dg-request-id')).toMatch(UUID);
    expect(await response.json()).toMatchObject({ err_code: 'Method Not Allowed' });
  });

  test('of a stranger is refused for that', async () => {
    app = build([KNOWN_KEY]);
    const statusOf = async (headers: Record<string, string>) => (await shake(headers)).status;
    expect(await statusOf({})).toBe(401);
    expect(await statusOf({ 'sec-websocket-protocol': 'token, wrong' })).toBe(401);
    expect(await statusOf({ 'sec-websocket-protocol': `token, ${KNOWN_KEY}` })).toBe(405);
    expect(await statusOf({ 'sec-websocket-protocol': `token,${KNOWN_KEY},x-deepgram-session-id,u` })).toBe(405);
    const token = tokensOf([KNOWN_KEY]).mint(30);
    expect(await statusOf({ 'sec-websocket-protocol': `bearer, ${token}` })).toBe(405);
  });
});

describe('status', () => {
  test.each([
    [{ ready: true, state: 'ready', model: 'base' }, 'Healthy', 'Connected'],
    [{ ready: false, state: 'starting', model: 'base' }, 'Initializing', 'Disconnected'],
    [{ ready: false, state: 'error', model: null }, 'Critical', 'Disconnected'],
  ] as const)('%j is %s', async (readiness, health, connection) => {
    app = build([KNOWN_KEY], { readiness: async () => readiness });
    expect(await (await app.request('/v1/status')).json()).toEqual({
      system_health: health,
      active_batch_requests: 0,
      active_stream_requests: 0,
    });
    // A probe greps the beginning of the body.
    expect(await (await app.request('/v1/status/engine')).text()).toMatch(
      new RegExp(`^\\{"engine_connection_status":"${connection}"`),
    );
  });

  test('counts what is being worked on', async () => {
    const caller = new AbortController();
    transcriber.events = eventsUntilAborted();
    const answer = listen('', { signal: caller.signal });
    await vi.waitFor(() => expect(transcriber.runsHeld).toBe(1));
    expect(await (await app.request('/v1/status')).json()).toMatchObject({ active_batch_requests: 1 });
    caller.abort();
    await answer;
    expect(await (await app.request('/v1/status')).json()).toMatchObject({ active_batch_requests: 0 });
  });
});

test('models of any project are those there are', async () => {
  const body = (await (await app.request('/v1/projects/any/models')).json()) as { stt: { canonical_name: string }[] };
  expect(body).toMatchObject({ tts: [] });
  expect(body.stt.map((entry) => entry.canonical_name)).toEqual(['tiny', 'tiny.en']);
});

test.each([
  ['DELETE', '/v1/listen', 405, 'POST'],
  ['GET', '/v1/auth/grant', 405, 'POST'],
  ['POST', '/v1/auth/token', 405, 'GET'],
  ['POST', '/v1/status', 405, 'GET'],
  ['PUT', '/v1/projects/p/models', 405, 'GET'],
  ['GET', '/v2/listen', 404, null],
  ['POST', '/v2/listen', 404, null],
])('%s %s is %i', async (method, path, status, allow) => {
  const response = await app.request(path, { method });
  expect(response.status).toBe(status);
  expect(response.headers.get('allow')).toBe(allow);
  expect(response.headers.get('dg-request-id')).toMatch(UUID);
  expect(response.headers.get('dg-error')).toBeTruthy();
});

test('claims what only Deepgram’s clients ask, and how only they ask it', () => {
  const { claims } = createDeepgramDialect(fakeServices(transcriber));
  const at = (path: string, authorization?: string) =>
    claims(new Request(`http://gateway${path}`, authorization ? { headers: { authorization } } : {}));
  for (const path of [
    '/v1/listen',
    '/v1/listen?x',
    '/v1/auth/grant',
    '/v1/speak',
    '/v2/listen',
    '/v1/projects/p/keys',
  ]) {
    expect(at(path), path).toBe(true);
  }
  for (const path of [
    '/v1/models',
    '/v1/audio/transcriptions',
    '/v1/listener',
    '/listen',
    '/',
    '/v1/models?a=/v1/listen',
  ]) {
    expect(at(path), path).toBe(false);
  }
  expect(at('/v1/models', `Token ${KNOWN_KEY}`)).toBe(true);
  expect(at('/v1/models', `Bearer ${tokensOf(['k']).mint(1)}`)).toBe(true);
  expect(at('/v1/models', `Bearer ${KNOWN_KEY}`)).toBe(false);
});

test('the description names every route, option and failure', () => {
  const { routes } = createDeepgramDialect(fakeServices(transcriber));
  const document = new OpenAPIHono()
    .route('/', routes)
    .getOpenAPI31Document({ openapi: '3.1.0', info: { title: '', version: '' } });
  expect(Object.keys(document.paths ?? {})).toEqual([
    '/v1/listen',
    '/v1/auth/grant',
    '/v1/auth/token',
    '/v1/projects/{project}/models',
    '/v1/status',
    '/v1/status/engine',
  ]);
  const { post } = document.paths?.['/v1/listen'] ?? {};
  expect(Object.keys(post?.responses ?? {})).toEqual(
    expect.arrayContaining(['200', '400', '401', '403', '408', '413', '429', '500', '503', '504', '507']),
  );
  const parameters = (post?.parameters ?? []) as {
    name: string;
    required?: boolean;
    schema: { description?: string };
  }[];
  expect(parameters.length).toBeGreaterThan(40);
  for (const { name, required, schema } of parameters) {
    expect(schema.description, name).toBeTruthy();
    expect(required, name).toBeFalsy();
  }
});
