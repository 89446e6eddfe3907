// Every error of the gateway as such a service says it: a status and one sentence.
import type { ErrorCode, GatewayError } from '../../errors.ts';
import type { RenderedError } from '../dialect.ts';

type Rendering = { status: number; message?: string };

const RENDERINGS: Record<ErrorCode, Rendering> = {
  'key-missing': { status: 401 },
  'key-invalid': { status: 401 },
  'key-insufficient': { status: 403 },
  'route-unknown': { status: 404, message: 'Not Found' },
  'method-unsupported': { status: 405, message: 'Method Not Allowed' },
  'head-malformed': { status: 400 },
  'head-too-large': { status: 431 },
  'body-malformed': { status: 400 },
  'body-too-large': { status: 413 },
  'upload-stalled': { status: 408 },
  'field-missing': { status: 422 },
  'field-invalid': { status: 400 },
  'option-unsupported': { status: 400 },
  'model-unknown': { status: 400 },
  'model-not-ready': { status: 503 },
  'audio-unrecognised': { status: 400 },
  'audio-undecodable': { status: 400 },
  'audio-too-short': { status: 400 },
  'audio-too-long': { status: 400 },
  'url-invalid': { status: 400 },
  'url-forbidden': { status: 400 },
  'url-unreachable': { status: 400 },
  'job-unknown': { status: 404 },
  'job-ended': { status: 409 },
  'idempotency-key-reused': { status: 422 },
  'queue-full': { status: 429 },
  'gpu-memory-short': { status: 503 },
  'engine-failed': { status: 500 },
  'engine-timeout': { status: 504 },
  'shutting-down': { status: 503 },
  'disk-full': { status: 507 },
  'setup-incomplete': { status: 500 },
  internal: { status: 500 },
};

export function renderError(error: GatewayError): RenderedError {
  const { status, message = error.message } = RENDERINGS[error.code];
  const headers: Record<string, string> = {};
  if (error.retryAfterSeconds !== undefined) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterSeconds)));
  }
  return { status, headers, body: { error: message } };
}
