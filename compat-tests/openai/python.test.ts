// The `openai` package for Python. Skipped, and said so after the run, where there is no Python.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectSpeech, SPEECH_PATH } from '../audio.ts';
import { ROOT, useGateway } from '../gateway.ts';
import { preparePython } from './python-sdk.ts';
import { DURATION_USAGE, expectVerbose, srtOf, type Verbose, vttOf } from './shapes.ts';

const KEY = 'compat-key';
const prepared = await preparePython();
const python = 'python' in prepared ? prepared.python : undefined;

interface Failure {
  class: string;
  message: string;
}

describe.skipIf(python === undefined)('openai for Python', () => {
  const gateway = useGateway({ API_KEYS: KEY });
  let results: Record<string, { value?: unknown; error?: Failure }>;

  beforeAll(async () => {
    const script = 'compat-tests/openai/python-cases.py';
    const { stdout } = await promisify(execFile)(python as string, [script, `${gateway().url}/v1`, KEY, SPEECH_PATH], {
      cwd: ROOT,
    });
    results = JSON.parse(stdout);
  });

  function value<T>(name: string): T {
    const result = results[name];
    if (!result || result.error) throw new Error(`${name}: ${JSON.stringify(result?.error)}`);
    return result.value as T;
  }

  test('json', () => {
    const answer = value<{ text: string }>('json');
    expectSpeech(answer.text);
    expect(answer).toEqual({ text: answer.text, usage: DURATION_USAGE });
  });

  test('text, srt and vtt are strings', () => {
    const { segments = [] } = value<Verbose>('verbose');
    expectSpeech(value('text'));
    expect(value('text')).toMatch(/[^\n]\n$/);
    expect(value('srt')).toBe(srtOf(segments));
    expect(value('vtt')).toBe(vttOf(segments));
  });

  test('verbose_json with both granularities', () => expectVerbose(value('verbose'), ['segments', 'words']));

  test('a chunking_strategy object and include logprobs', () => {
    const answer = value<{ text: string; logprobs: unknown[] }>('options');
    expectSpeech(answer.text);
    expect(answer.logprobs.length).toBeGreaterThan(10);
  });

  test.each(['open file', 'nameless bytes', 'translation'])('%s', (name) => {
    expect(value(name)).toMatch(/country/i);
  });

  test.each(['gpt-4o-transcribe', 'whisper-1'])('stream on %s', (model) => {
    const events = value<{ type: string; delta?: string; text?: string }[]>(`stream ${model}`);
    const done = events.pop();
    expect(done?.type).toBe('transcript.text.done');
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['transcript.text.delta']));
    expect(events.map(({ delta }) => delta).join('')).toBe(done?.text);
    expectSpeech(done?.text ?? '');
  });

  test('models', () => {
    expect(value('models')).toContain('whisper-1');
    expect(value('model with a slash')).toBe('Systran/faster-whisper-tiny');
  });

  test.each([
    ['unknown model', 'NotFoundError', 404, null, 'model_not_found'],
    ['missing file', 'BadRequestError', 400, null, null],
    ['empty file', 'BadRequestError', 400, 'file', 'audio_too_short'],
    ['wrong key', 'AuthenticationError', 401, null, 'invalid_api_key'],
  ])('%s is a %s', (name, errorClass, status, param, code) => {
    expect(results[name]?.error).toEqual({
      class: errorClass,
      status,
      type: 'invalid_request_error',
      param,
      code,
      message: expect.stringMatching(/\S/),
      requestId: expect.stringMatching(/^req_[0-9a-f]{32}$/),
    });
  });
});
