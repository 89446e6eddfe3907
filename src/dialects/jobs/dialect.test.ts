import { expect } from 'vitest';
import type { ErrorCode } from '../../errors.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import { describeDialect } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { createJobsDialect } from './routes.ts';

const OWN_WORDS = expect.stringMatching(/./);

// Written from the API's own table, row by row, not from errors.ts.
const rows: [ErrorCode, status: number, error?: string][] = [
  ['key-missing', 401],
  ['key-invalid', 401],
  ['key-insufficient', 403],
  ['route-unknown', 404],
  ['method-unsupported', 405],
  ['head-malformed', 400],
  ['head-too-large', 431],
  ['body-malformed', 400, 'multipart error: What happened.'],
  ['body-too-large', 413],
  ['upload-stalled', 408],
  ['field-missing', 400],
  ['field-invalid', 400],
  ['option-unsupported', 400],
  ['model-unknown', 404],
  ['model-not-ready', 503],
  ['audio-unrecognised', 400],
  ['audio-undecodable', 400],
  ['audio-too-short', 400, 'audio field is empty'],
  ['audio-too-long', 400],
  ['url-invalid', 400],
  ['url-forbidden', 400],
  ['url-unreachable', 400],
  ['job-unknown', 404],
  ['job-ended', 409],
  ['idempotency-key-reused', 422],
  ['queue-full', 429],
  ['gpu-memory-short', 503],
  ['engine-failed', 500],
  ['engine-timeout', 504],
  ['shutting-down', 503],
  ['disk-full', 507],
  ['setup-incomplete', 500],
  ['internal', 500],
];

describeDialect('The jobs API', {
  build: (services) => createJobsDialect(services, { STRICT_MODEL_READY: false }),
  transcript: jfk as Transcript,
  model: 'base',
  later: { status: 202, source: 'upload' },
  transcribeRequest({ headers = {}, signal, fields = [] } = {}) {
    const form = new FormData();
    form.append('model', 'base');
    for (const [name, value] of fields) form.append(name, value);
    form.append('audio', new File(['audio'], 'talk.mp3', { type: 'audio/mpeg' }));
    const body = { method: 'POST', body: form, headers };
    return new Request('http://gateway/jobs', signal ? { ...body, signal } : body);
  },
  keyHeaders: (key) => ({ 'x-api-key': key }),
  errors: Object.fromEntries(
    rows.map(([name, status, error = OWN_WORDS]) => [name, { status, body: { error } }]),
  ) as Record<ErrorCode, { status: number; body: unknown }>,
});
