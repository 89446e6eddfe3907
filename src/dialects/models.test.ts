import { Hono } from 'hono';
import { beforeEach, describe, expect, test } from 'vitest';
import type { HttpEnvironment } from '../http/environment.ts';
import { requestId } from '../http/request-id.ts';
import type { Transcript } from '../transcript/transcript.ts';
import { createDeepgramDialect } from './deepgram/routes.ts';
import { FakeTranscriber, fakeServices, KNOWN_KEY, listingOf, tokensOf } from './dialect.cases.ts';
import { createModelRoutes, type Dialects } from './models.ts';
import jfk from './openai/fixtures/jfk.json' with { type: 'json' };
import { createOpenAIDialect } from './openai/routes.ts';

let transcriber: FakeTranscriber;
let app: Hono<HttpEnvironment>;

function build(keys: string[] = []): Hono<HttpEnvironment> {
  const services = fakeServices(transcriber, { keys });
  const dialects: Dialects = [createOpenAIDialect(services), createDeepgramDialect(services)];
  return new Hono<HttpEnvironment>({ strict: false })
    .use(requestId)
    .route('/v1', createModelRoutes(dialects, transcriber.models));
}

const base = listingOf('base', 'base', { languages: ['en', 'es'] });
const named = listingOf('Systran/faster-whisper-base', 'base', { languages: ['en', 'es'] });

beforeEach(() => {
  transcriber = new FakeTranscriber(jfk as Transcript);
  transcriber.listings = [
    base,
    listingOf('whisper-1', 'base'),
    named,
    listingOf('large-v3', 'large-v3', { installed: false }),
  ];
  app = build();
});

const entryOfOpenAI = { id: 'base', object: 'model', created: 1_700_000_000, owned_by: 'whispergate' };
const entryOfDeepgram = {
  name: 'base-whisper',
  canonical_name: 'base',
  architecture: 'whisper',
  languages: ['en', 'es'],
  version: '2023-11-14.0',
  uuid: base.uuid,
  batch: true,
  streaming: false,
  formatted_output: false,
};

test('one list serves the clients of both vendors, with what can be used', async () => {
  const body = await (await app.request('/v1/models/?include_outdated=true')).json();
  expect(body).toEqual({
    object: 'list',
    data: ['base', 'whisper-1', 'Systran/faster-whisper-base'].map((id) => ({ ...entryOfOpenAI, id })),
    // Each file once, whatever names it goes by.
    stt: [entryOfDeepgram],
    tts: [],
  });
});

test.each([
  ['/v1/models/base', 'base'],
  ['/v1/models/Systran/faster-whisper-base', 'Systran/faster-whisper-base'],
  ['/v1/models/Systran%2Ffaster-whisper-base', 'Systran/faster-whisper-base'],
  [`/v1/models/${base.uuid}`, 'base'],
])('%s is one model', async (path, id) => {
  const response = await app.request(path);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ ...entryOfOpenAI, id, ...entryOfDeepgram });
});

const TOKEN = { authorization: `Token ${KNOWN_KEY}` };
const deepgramError = { err_code: 'Not Found', err_msg: expect.any(String), request_id: expect.any(String) };

test('a model that nobody knows is not found, in the words of the caller’s vendor', async () => {
  const openai = await app.request('/v1/models/whisper-9');
  expect(openai.status).toBe(404);
  expect(await openai.json()).toMatchObject({ error: { code: 'model_not_found' } });
  const deepgram = await app.request('/v1/models/00000000-0000-4000-8000-000000000000', { headers: TOKEN });
  expect(deepgram.status).toBe(404);
  expect(await deepgram.json()).toEqual(deepgramError);
});

describe('keys', () => {
  beforeEach(() => {
    app = build([KNOWN_KEY]);
  });

  test.each([
    ['OpenAI’s', `Bearer ${KNOWN_KEY}`],
    ['Deepgram’s', `Token ${KNOWN_KEY}`],
    ['Deepgram’s, as Python writes it', `token ${KNOWN_KEY}`],
    ['Deepgram’s for a while', `Bearer ${tokensOf([KNOWN_KEY]).mint(30)}`],
  ])('are understood in the form that is %s', async (_whose, authorization) => {
    for (const path of ['/v1/models', '/v1/models/base']) {
      expect((await app.request(path, { headers: { authorization } })).status).toBe(200);
    }
  });

  test.each([
    [{}, { error: { code: null } }],
    [{ authorization: 'Bearer wrong' }, { error: { code: 'invalid_api_key' } }],
    [{ authorization: 'Token wrong' }, { err_code: 'INVALID_AUTH' }],
  ])('that are wrong are refused in the words of the vendor: %j', async (headers, body) => {
    for (const path of ['/v1/models', '/v1/models/base']) {
      const response = await app.request(path, { headers });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject(body);
    }
  });
});

test('what cannot be done to models is said', async () => {
  const response = await app.request('/v1/models/base', { method: 'DELETE' });
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('GET');
});
