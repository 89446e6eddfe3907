import { expect } from 'vitest';
import type { ErrorCode } from '../../errors.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import { describeDialect } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { createRunpodDialect } from './routes.ts';
import { runpodSettings } from './settings.ts';

// RunPod's documentation has the statuses and the shape; the sentences are its workers' own, and so ours.
const statuses: Record<ErrorCode, number> = {
  'key-missing': 401,
  'key-invalid': 401,
  'key-insufficient': 403,
  'route-unknown': 404,
  'method-unsupported': 405,
  'head-malformed': 400,
  'head-too-large': 431,
  'body-malformed': 400,
  'body-too-large': 413,
  'upload-stalled': 408,
  'field-missing': 400,
  'field-invalid': 400,
  'option-unsupported': 400,
  'model-unknown': 400,
  'model-not-ready': 503,
  'audio-unrecognised': 400,
  'audio-undecodable': 400,
  'audio-too-short': 400,
  'audio-too-long': 400,
  'url-invalid': 400,
  'url-forbidden': 400,
  'url-unreachable': 400,
  'job-unknown': 404,
  'job-ended': 409,
  'idempotency-key-reused': 422,
  'queue-full': 429,
  'gpu-memory-short': 503,
  'engine-failed': 500,
  'engine-timeout': 504,
  'shutting-down': 503,
  'disk-full': 507,
  'setup-incomplete': 500,
  internal: 500,
};

describeDialect('RunPod', {
  build: (services) => createRunpodDialect(services, runpodSettings.parse({})),
  transcript: jfk as Transcript,
  model: 'default',
  later: { status: 200, source: 'url' },
  transcribeRequest({ headers = {}, signal, fields = [] } = {}) {
    const input = Object.fromEntries([['audio_file', 'https://audio.example/jfk.wav'], ...fields]);
    const body = {
      method: 'POST',
      body: JSON.stringify({ input }),
      headers: { 'content-type': 'application/json', ...headers },
    };
    return new Request('http://gateway/whisper/run', signal ? { ...body, signal } : body);
  },
  keyHeaders: (key) => ({ authorization: `Bearer ${key}` }),
  errors: Object.fromEntries(
    Object.entries(statuses).map(([code, status]) => [
      code,
      { status, body: { error: code === 'job-unknown' ? 'job not found' : expect.stringMatching(/./) } },
    ]),
  ) as Record<ErrorCode, { status: number; body: unknown }>,
});
