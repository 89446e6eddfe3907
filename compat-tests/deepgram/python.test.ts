// The `deepgram-sdk` package for Python. Skipped, and said so after the run, where there is no Python.
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectSpeech, SPEECH_PATH } from '../audio.ts';
import { ROOT, useGateway } from '../gateway.ts';
import { preparePython } from '../openai/python-sdk.ts';
import { expectAnswer, type ListenBody, PLAIN_TRANSCRIPT, UUID } from './shapes.ts';
import { useWebServer } from './web-server.ts';

const KEY = 'compat-key';
const prepared = await preparePython();
const python = 'python' in prepared ? prepared.python : undefined;

describe.skipIf(python === undefined)('deepgram-sdk for Python', () => {
  const gateway = useGateway({ API_KEYS: KEY, ALLOW_PRIVATE_URLS: 'true' });
  const files = useWebServer((_request, response) => createReadStream(SPEECH_PATH).pipe(response));
  let results: Record<string, { value?: unknown; error?: { class: string; status: number; body: unknown } }>;

  beforeAll(async () => {
    const script = 'compat-tests/deepgram/python-cases.py';
    const { stdout } = await promisify(execFile)(
      python as string,
      [script, gateway().url, KEY, SPEECH_PATH, `${files().url}/speech.wav`],
      { cwd: ROOT },
    );
    results = JSON.parse(stdout);
  });

  function value<T>(name: string): T {
    const result = results[name];
    if (!result || result.error) throw new Error(`${name}: ${JSON.stringify(result?.error)}`);
    return result.value as T;
  }

  /** The SDK reads the time and writes it anew, in microseconds. */
  function bodyOf(name: string): ListenBody {
    const body = value<ListenBody & { metadata: { created: string } }>(name);
    body.metadata.created = body.metadata.created.replace(/000Z$/, 'Z');
    return body;
  }

  test.each(['plain', 'chunks'])('%s', (name) => {
    expect(expectAnswer(bodyOf(name)).transcript).toMatch(PLAIN_TRANSCRIPT);
  });

  test('a URL', () => {
    expectSpeech(expectAnswer(bodyOf('url'), { word: ['punctuated_word'] }).transcript);
  });

  test('options', () => {
    const body = bodyOf('options');
    expectSpeech(body.results.channels[0]?.alternatives[0]?.transcript ?? '');
    expect(body.results.channels[0]).toMatchObject({
      search: [{ query: 'country', hits: expect.arrayContaining([expect.objectContaining({ snippet: 'country' })]) }],
      alternatives: [{ paragraphs: { transcript: expect.stringMatching(/^\n/) } }],
    });
    expect(body.results.utterances?.length).toBeGreaterThan(1);
    expect(body.metadata).toMatchObject({ tags: ['nightly'], extra: { order: '17' } });
  });

  test('models, and a token for a while', () => {
    expect(value('models')).toContain('tiny-q5_1');
    expect(value('token')).toEqual({ expires_in: 30, transcript: expect.stringMatching(PLAIN_TRANSCRIPT) });
  });

  test.each([
    ['wrong key', 'ApiError', 401, 'INVALID_AUTH', 'Invalid credentials.'],
    ['key as a token', 'ApiError', 401, 'INVALID_AUTH', 'Invalid credentials.'],
    [
      'unknown model',
      'ApiError',
      403,
      'INSUFFICIENT_PERMISSIONS',
      'Project does not have access to the requested model.',
    ],
    [
      'unknown language',
      'BadRequestError',
      400,
      'Bad Request',
      'Bad Request: No such model/language/tier combination found.',
    ],
  ])('%s is a %s of status %i', (name, errorClass, status, err_code, err_msg) => {
    expect(results[name]?.error).toEqual({
      class: errorClass,
      status,
      body: { err_code, err_msg, request_id: expect.stringMatching(UUID) },
    });
  });
});
