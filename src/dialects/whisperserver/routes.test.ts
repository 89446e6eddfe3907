import { Readable } from 'node:stream';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Hono } from 'hono';
import { beforeEach, expect, test } from 'vitest';
import type { HttpEnvironment } from '../../http/environment.ts';
import { settle } from '../../lib/clock.ts';
import { type Transcript, transcriptText } from '../../transcript/transcript.ts';
import { eventsOf, FakeTranscriber, fakeServices, KNOWN_KEY, listingOf, serve } from '../dialect.cases.ts';
import jfkJson from './fixtures/jfk.json' with { type: 'json' };
import { createWhisperServerDialect } from './routes.ts';

// Recorded from the real engine (whisper.cpp 1.9.1, tiny).
const jfk = jfkJson as Transcript;

let transcriber: FakeTranscriber;
let app: Hono<HttpEnvironment>;
const build = (keys: string[] = []) => serve(createWhisperServerDialect(fakeServices(transcriber, { keys })));

beforeEach(() => {
  transcriber = new FakeTranscriber(jfk);
  transcriber.listings = [listingOf('default', 'base'), listingOf('base'), listingOf('tiny')];
  app = build();
  return async () => {
    await settle();
    expect(transcriber.recordingsHeld, 'recordings not released').toBe(0);
    expect(transcriber.runsHeld, 'runs not left').toBe(0);
  };
});

type Part = [name: string, value: string | File];
const FILE: Part = ['file', new File(['audio'], 'a.mp3', { type: 'audio/mpeg' })];

function post(query = 'model=base', parts: Part[] = [FILE], init: RequestInit = {}) {
  const form = new FormData();
  for (const [name, value] of parts) form.append(name, value);
  return app.request(`/transcribe?${query}`, { method: 'POST', body: form, ...init });
}
const errorOf = async (response: Response) => ((await response.json()) as { error: string }).error;

test('is answered with the text, and nothing else', async () => {
  const response = await post();
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  expect(await response.text()).toBe(JSON.stringify({ text: transcriptText(jfk) }));
  expect(response.headers.get('x-warning')).toBeNull();
  expect(transcriber.requests).toEqual([
    {
      model: 'base',
      options: { task: 'transcribe', language: null, prompt: null, temperature: 0 },
      cache: 'use',
      channel: null,
      raw: null,
      caller: expect.any(String),
    },
  ]);
});

test('silence is an empty text', async () => {
  transcriber.events = () => eventsOf({ type: 'transcript-final', transcript: { ...jfk, segments: [] } });
  expect(await (await post()).json()).toEqual({ text: '' });
});

test.each<[query: string, form: Part[], expected: object]>([
  ['', [], { model: 'default' }],
  ['model=', [], { model: 'default' }],
  ['model=tiny', [], { model: 'tiny' }],
  ['', [['model', 'tiny']], { model: 'tiny' }],
  ['model=tiny', [['model', 'base']], { model: 'tiny' }],
  ['model=base&language=en', [], { options: { language: 'en' } }],
  ['model=base', [['language', 'English']], { options: { language: 'en' } }],
  ['model=base&language=auto', [], { options: { language: null } }],
])('the URL %j with the form %j asks for %j', async (query, form, expected) => {
  for (const parts of [
    [...form, FILE],
    [FILE, ...form],
  ]) {
    expect((await post(query, parts)).status).toBe(200);
    expect(transcriber.requests.at(-1)).toMatchObject(expected);
  }
});

test('options without effect are named', async () => {
  const response = await post('model=base&stream=true&words=1&beam_size=5');
  expect(response.headers.get('x-warning')).toBe('stream: has no effect; words: has no effect');
  expect((await post('stream=false')).headers.get('x-warning')).toBeNull();
});

test.each<[string, Part[]]>([
  ['no file', [['model', 'base']]],
  ['a file that is a text', [['file', 'text']]],
  ['a file under another name', [['audio', FILE[1]]]],
])('%s is missing its file', async (_what, parts) => {
  const response = await post('model=base', parts);
  expect(response.status).toBe(422);
  expect(await errorOf(response)).toBe('Field required: file.');
});

test.each<[string, string, string, Part]>([
  ['an unknown model', 'model=huge', 'Unsupported model: huge.', FILE],
  ['an unknown language', 'language=xx-nothing', 'Unsupported language: xx-nothing.', FILE],
  ['a name without end', `model=${'x'.repeat(8000)}`, 'x…', FILE],
])('%s is refused before the file is read', async (_what, query, detail, file) => {
  const response = await post(query, [file]);
  expect(response.status).toBe(400);
  expect(await errorOf(response)).toContain(detail);
  expect(transcriber.uploads).toEqual([]);
});

test('an unknown model that comes after the file is refused, too', async () => {
  expect((await post('', [FILE, ['model', 'huge']])).status).toBe(400);
  expect(transcriber.uploads).toHaveLength(1);
  expect(transcriber.requests).toEqual([]);
});

test.each<[string, number, Part]>([
  ['an empty file', 400, ['file', new File([], 'empty.wav')]],
  ['a huge file', 413, ['file', new File([new Uint8Array(2 * 1024 ** 2)], 'big.wav')]],
  ['a huge field', 400, ['language', 'x'.repeat(70_000)]],
])('%s is %i', async (_what, status, part) => {
  expect((await post('model=base', [part, FILE])).status).toBe(status);
  expect(transcriber.requests).toEqual([]);
});

test('a body that is no form, and another method', async () => {
  const headers = { 'content-type': 'application/json' };
  expect((await app.request('/transcribe', { method: 'POST', body: '{}', headers })).status).toBe(400);
  const response = await app.request('/transcribe');
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('POST');
  expect(await response.json()).toEqual({ error: 'Method Not Allowed' });
});

test('a key may be in either header or in the URL', async () => {
  app = build([KNOWN_KEY]);
  const statusOf = async (query: string, headers: Record<string, string>) =>
    (await post(query, [FILE], { headers })).status;
  expect(await statusOf('model=base', {})).toBe(401);
  expect(await statusOf('model=base&api_key=wrong', {})).toBe(401);
  expect(await statusOf(`model=base&api_key=${KNOWN_KEY}`, {})).toBe(200);
  expect(await statusOf('model=base', { 'x-api-key': KNOWN_KEY })).toBe(200);
  expect(await statusOf('model=base', { authorization: `Bearer ${KNOWN_KEY}` })).toBe(200);
});

test('a form that its caller tears off is no bad form', async () => {
  const incoming = Object.assign(new Readable({ read() {} }), { socket: { destroyed: true } });
  const headers = { 'content-type': 'multipart/form-data; boundary=b' };
  const answer = app.request('/transcribe', { method: 'POST', headers }, { incoming });
  incoming.push('--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF');
  await settle();
  incoming.destroy();
  expect((await answer).status).toBe(499);
});

test('it claims its own paths, and no others', () => {
  const { claims } = createWhisperServerDialect(fakeServices(transcriber));
  const claimed = (path: string) => claims(new Request(`http://gateway${path}`));
  expect(claimed('/compat/whisperserver/nothing')).toBe(true);
  expect(claimed('/compat/whisperserver2')).toBe(false);
  expect(claimed('/transcribe')).toBe(false);
});

test('the description names the route, its options and its failures', () => {
  const { routes } = createWhisperServerDialect(fakeServices(transcriber));
  const document = new OpenAPIHono()
    .route('/compat/whisperserver', routes)
    .getOpenAPI31Document({ openapi: '3.1.0', info: { title: '', version: '' } });
  expect(Object.keys(document.paths ?? {})).toEqual(['/compat/whisperserver/transcribe']);
  const { post: described } = document.paths?.['/compat/whisperserver/transcribe'] ?? {};
  expect(described?.parameters).toMatchObject([{ name: 'model' }, { name: 'language' }]);
  expect(Object.keys(described?.responses ?? {})).toEqual(
    expect.arrayContaining(['200', '400', '401', '408', '413', '422', '429', '500', '503', '504', '507']),
  );
});
