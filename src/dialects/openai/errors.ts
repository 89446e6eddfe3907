// Every error of the gateway in OpenAI's words: status, type, param and code as its SDKs have been seen to receive them.
import type { ErrorCode, GatewayError } from '../../errors.ts';
import { retryHeaders } from '../../http/retry-after.ts';
import type { RenderedError } from '../dialect.ts';

export interface ErrorEnvelope {
  error: { message: string; type: string; param: string | null; code: string | null };
}

type Rendering = { status: number; message?: string; type: string; code?: string | null; namesField?: boolean };

const invalid = (status: number, rest: Partial<Rendering> = {}): Rendering => ({
  status,
  type: 'invalid_request_error',
  ...rest,
});
const failed = (status: number): Rendering => ({ status, type: 'server_error' });

const RENDERINGS: Record<ErrorCode, Rendering> = {
  'key-missing': invalid(401, {
    message:
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
  }),
  'key-invalid': invalid(401, { message: 'Incorrect API key provided.', code: 'invalid_api_key' }),
  'key-insufficient': invalid(403),
  'route-unknown': invalid(404),
  'method-unsupported': invalid(405),
  'head-malformed': invalid(400),
  'head-too-large': invalid(431),
  'body-malformed': invalid(400),
  'body-too-large': failed(413),
  'upload-stalled': invalid(408),
  'field-missing': invalid(400),
  'field-invalid': invalid(400, { namesField: true, code: 'invalid_value' }),
  'option-unsupported': invalid(400, { namesField: true, code: 'unsupported_value' }),
  'model-unknown': invalid(404, { code: 'model_not_found' }),
  'model-not-ready': failed(503),
  'audio-unrecognised': invalid(400, {
    message:
      "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']",
  }),
  'audio-undecodable': invalid(400, { namesField: true, code: 'invalid_value' }),
  'audio-too-short': invalid(400, { namesField: true, code: 'audio_too_short' }),
  'audio-too-long': invalid(400, { code: 'invalid_value' }),
  'url-invalid': invalid(400),
  'url-forbidden': invalid(400),
  'url-unreachable': invalid(400),
  'job-unknown': invalid(404),
  'job-ended': invalid(409),
  'idempotency-key-reused': invalid(422),
  'queue-full': { status: 429, type: 'requests', code: 'rate_limit_exceeded' },
  'gpu-memory-short': failed(503),
  'engine-failed': failed(500),
  'engine-timeout': failed(504),
  'shutting-down': failed(503),
  'disk-full': failed(507),
  'setup-incomplete': failed(500),
  internal: failed(500),
};

/** Errors about the audio name the field it came in, whichever part of the gateway found them. */
const AUDIO_CODES: ReadonlySet<ErrorCode> = new Set(['audio-undecodable', 'audio-too-short']);

export function writeErrorBody(error: GatewayError): ErrorEnvelope {
  const { message = error.message, type, code = null, namesField = false } = RENDERINGS[error.code];
  const field = error.field ?? (AUDIO_CODES.has(error.code) ? 'file' : undefined);
  const param = namesField && field !== undefined ? field : null;
  // OpenAI's validation list names the field inside its message and leaves both param and code null.
  const isValidationList = error.code === 'field-invalid' && param === null;
  return { error: { message, type, param, code: isValidationList ? null : code } };
}

export function renderError(error: GatewayError, request: Request): RenderedError {
  const { status } = RENDERINGS[error.code];
  const headers = retryHeaders(error);
  if (isRetriedBySdk(status) && !(error.retryable && canRetryUploads(request))) headers['x-should-retry'] = 'false';
  return { status, headers, body: writeErrorBody(error) };
}

function isRetriedBySdk(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

/** The JavaScript SDK 4 (tried 2026-08) repeats an upload with its old length and no bytes, then hangs. */
function canRetryUploads(request: Request): boolean {
  const { headers } = request;
  return !(headers.get('x-stainless-lang') === 'js' && headers.get('x-stainless-package-version')?.startsWith('4.'));
}
