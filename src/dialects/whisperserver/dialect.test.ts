import { expect } from 'vitest';
import type { ErrorCode } from '../../errors.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import { describeDialect } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { createWhisperServerDialect } from './routes.ts';

// A FastAPI service: its own refusals are 400, what its validation finds missing is 422.
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
  'field-missing': 422,
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

describeDialect('WhisperServer', {
  build: createWhisperServerDialect,
  transcript: jfk as Transcript,
  model: 'whisper-1',
  transcribeRequest({ headers = {}, signal, fields = [] } = {}) {
    const form = new FormData();
    form.append('file', new File(['audio'], 'speech.wav', { type: 'audio/wav' }));
    const body = { method: 'POST', body: form, headers };
    const query = new URLSearchParams([['model', 'whisper-1'], ...fields]);
    return new Request(`http://gateway/transcribe?${query}`, signal ? { ...body, signal } : body);
  },
  keyHeaders: (key) => ({ authorization: `Bearer ${key}` }),
  errors: Object.fromEntries(
    Object.entries(statuses).map(([name, status]) => [name, { status, body: { error: expect.stringMatching(/./) } }]),
  ) as Record<ErrorCode, { status: number; body: unknown }>,
});
