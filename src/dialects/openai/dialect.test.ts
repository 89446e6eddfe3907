import { expect } from 'vitest';
import type { ErrorCode } from '../../errors.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import { describeDialect } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { createOpenAIDialect } from './routes.ts';

// Written from OpenAI's contract (section 6), row by row, not from errors.ts.
const rows: [ErrorCode, status: number, type: string, param: string | null, code: string | null][] = [
  ['key-missing', 401, 'invalid_request_error', null, null],
  ['key-invalid', 401, 'invalid_request_error', null, 'invalid_api_key'],
  ['key-insufficient', 403, 'invalid_request_error', null, null],
  ['route-unknown', 404, 'invalid_request_error', null, null],
  ['method-unsupported', 405, 'invalid_request_error', null, null],
  ['head-malformed', 400, 'invalid_request_error', null, null],
  ['head-too-large', 431, 'invalid_request_error', null, null],
  ['body-malformed', 400, 'invalid_request_error', null, null],
  ['body-too-large', 413, 'server_error', null, null],
  ['upload-stalled', 408, 'invalid_request_error', null, null],
  ['field-missing', 400, 'invalid_request_error', null, null],
  ['field-invalid', 400, 'invalid_request_error', null, null],
  ['option-unsupported', 400, 'invalid_request_error', null, 'unsupported_value'],
  ['model-unknown', 404, 'invalid_request_error', null, 'model_not_found'],
  ['model-not-ready', 503, 'server_error', null, null],
  ['audio-unrecognised', 400, 'invalid_request_error', null, null],
  ['audio-undecodable', 400, 'invalid_request_error', 'file', 'invalid_value'],
  ['audio-too-short', 400, 'invalid_request_error', 'file', 'audio_too_short'],
  ['audio-too-long', 400, 'invalid_request_error', null, 'invalid_value'],
  ['url-invalid', 400, 'invalid_request_error', null, null],
  ['url-forbidden', 400, 'invalid_request_error', null, null],
  ['url-unreachable', 400, 'invalid_request_error', null, null],
  ['job-unknown', 404, 'invalid_request_error', null, null],
  ['job-ended', 409, 'invalid_request_error', null, null],
  ['idempotency-key-reused', 422, 'invalid_request_error', null, null],
  ['queue-full', 429, 'requests', null, 'rate_limit_exceeded'],
  ['gpu-memory-short', 503, 'server_error', null, null],
  ['engine-failed', 500, 'server_error', null, null],
  ['engine-timeout', 504, 'server_error', null, null],
  ['shutting-down', 503, 'server_error', null, null],
  ['disk-full', 507, 'server_error', null, null],
  ['setup-incomplete', 500, 'server_error', null, null],
  ['internal', 500, 'server_error', null, null],
];

describeDialect('OpenAI', {
  build: createOpenAIDialect,
  transcript: jfk as Transcript,
  model: 'whisper-1',
  transcribeRequest({ headers = {}, signal, fields = [] } = {}) {
    const form = new FormData();
    form.append('model', 'whisper-1');
    for (const [name, value] of fields) form.append(name, value);
    form.append('file', new File(['audio'], 'unknown_file', { type: 'application/octet-stream' }));
    const body = { method: 'POST', body: form, headers };
    return new Request('http://gateway/audio/transcriptions', signal ? { ...body, signal } : body);
  },
  keyHeaders: (key) => ({ authorization: `Bearer ${key}` }),
  errors: Object.fromEntries(
    rows.map(([name, status, type, param, code]) => [
      name,
      { status, body: { error: { message: expect.stringMatching(/./), type, param, code } } },
    ]),
  ) as Record<ErrorCode, { status: number; body: unknown }>,
});
