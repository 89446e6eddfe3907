import { expect } from 'vitest';
import type { ErrorCode } from '../../errors.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import { describeDialect } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { createWhisperDiarizationDialect } from './routes.ts';

// FastAPI's own sentences and statuses; the rest is ours. A field's refusal has its place in a list, which these have not.
const OWN_WORDS = expect.stringMatching(/./);
const rows: [ErrorCode, status: number, detail?: unknown][] = [
  ['key-missing', 401],
  ['key-invalid', 401],
  ['key-insufficient', 403],
  ['route-unknown', 404, 'Not Found'],
  ['method-unsupported', 405, 'Method Not Allowed'],
  ['head-malformed', 400],
  ['head-too-large', 431],
  ['body-malformed', 400],
  ['body-too-large', 413],
  ['upload-stalled', 408],
  ['field-missing', 422],
  ['field-invalid', 422],
  ['option-unsupported', 400],
  ['model-unknown', 400],
  ['model-not-ready', 503],
  ['audio-unrecognised', 400],
  ['audio-undecodable', 400],
  ['audio-too-short', 400],
  ['audio-too-long', 400],
  ['url-invalid', 400],
  ['url-forbidden', 400],
  ['url-unreachable', 400],
  ['job-unknown', 404, 'Job not found'],
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

describeDialect('whisper-diarization', {
  build: createWhisperDiarizationDialect,
  transcript: jfk as Transcript,
  model: 'base',
  later: { status: 201, source: 'upload' },
  transcribeRequest({ headers = {}, signal, fields = [] } = {}) {
    const form = new FormData();
    for (const [name, value] of [['whisper_model', 'base'], ...fields] as [string, string][]) form.append(name, value);
    form.append('file', new File(['audio'], 'recording.webm', { type: 'audio/webm' }));
    const body = { method: 'POST', body: form, headers };
    return new Request('http://gateway/jobs', signal ? { ...body, signal } : body);
  },
  keyHeaders: (key) => ({ authorization: `Bearer ${key}` }),
  errors: Object.fromEntries(
    rows.map(([code, status, detail = OWN_WORDS]) => [code, { status, body: { detail } }]),
  ) as Record<ErrorCode, { status: number; body: unknown }>,
});
