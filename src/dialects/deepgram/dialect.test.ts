import { expect } from 'vitest';
import type { ErrorCode } from '../../errors.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import { describeDialect } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { createDeepgramDialect } from './routes.ts';

const OWN_WORDS = expect.stringMatching(/./);
const CORRUPT = 'Bad Request: failed to process audio: corrupt or unsupported data';
const NO_JSON = 'Content-type was application/json, but we could not process the JSON payload.';

// Written from Deepgram's contract (section 3), row by row, not from errors.ts. Where it is silent, the status' own name.
const rows: [ErrorCode, status: number, code: string, message: string | typeof OWN_WORDS][] = [
  ['key-missing', 401, 'INVALID_AUTH', 'Invalid credentials.'],
  ['key-invalid', 401, 'INVALID_AUTH', 'Invalid credentials.'],
  ['key-insufficient', 403, 'FORBIDDEN', 'Insufficient permissions.'],
  ['route-unknown', 404, 'Not Found', OWN_WORDS],
  ['method-unsupported', 405, 'Method Not Allowed', OWN_WORDS],
  ['head-malformed', 400, 'Bad Request', OWN_WORDS],
  ['head-too-large', 431, 'Request Header Fields Too Large', OWN_WORDS],
  ['body-malformed', 400, 'Bad Request', NO_JSON],
  ['body-too-large', 413, 'PAYLOAD_TOO_LARGE', OWN_WORDS],
  ['upload-stalled', 408, 'Request Timeout', OWN_WORDS],
  ['field-missing', 400, 'Bad Request', 'Invalid query string.'],
  ['field-invalid', 400, 'Bad Request', OWN_WORDS],
  ['option-unsupported', 400, 'Bad Request', 'Bad Request: No such model/language/tier combination found.'],
  ['model-unknown', 403, 'INSUFFICIENT_PERMISSIONS', 'Project does not have access to the requested model.'],
  ['model-not-ready', 503, 'Service Unavailable', OWN_WORDS],
  ['audio-unrecognised', 400, 'Bad Request', CORRUPT],
  ['audio-undecodable', 400, 'Bad Request', CORRUPT],
  ['audio-too-short', 400, 'Bad Request', CORRUPT],
  ['audio-too-long', 400, 'Bad Request', OWN_WORDS],
  ['url-invalid', 400, 'REMOTE_CONTENT_ERROR', 'Could not parse URL as a URI.'],
  ['url-forbidden', 400, 'REMOTE_CONTENT_ERROR', 'URL for media download must be publicly routable.'],
  ['url-unreachable', 400, 'REMOTE_CONTENT_ERROR', OWN_WORDS],
  ['job-unknown', 404, 'Not Found', OWN_WORDS],
  ['job-ended', 409, 'Conflict', OWN_WORDS],
  ['idempotency-key-reused', 422, 'Unprocessable Entity', OWN_WORDS],
  ['queue-full', 429, 'TOO_MANY_REQUESTS', 'Too many requests. Please try again later'],
  ['gpu-memory-short', 503, 'Service Unavailable', 'Please try again later.'],
  ['engine-failed', 500, 'Internal Server Error', OWN_WORDS],
  ['engine-timeout', 504, 'Gateway Timeout', OWN_WORDS],
  ['shutting-down', 503, 'Service Unavailable', 'Please try again later.'],
  ['disk-full', 507, 'Insufficient Storage', OWN_WORDS],
  ['setup-incomplete', 500, 'Internal Server Error', OWN_WORDS],
  ['internal', 500, 'Internal Server Error', OWN_WORDS],
];

const UUID = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

describeDialect('Deepgram', {
  build: createDeepgramDialect,
  transcript: jfk as Transcript,
  model: 'default',
  transcribeRequest({ headers = {}, signal, fields = [] } = {}) {
    const query = new URLSearchParams([['model', 'nova-3'], ...fields]);
    const body = { method: 'POST', body: 'audio', headers: { 'content-type': 'audio/wav', ...headers } };
    return new Request(`http://gateway/v1/listen?${query}`, signal ? { ...body, signal } : body);
  },
  keyHeaders: (key) => ({ authorization: `Token ${key}` }),
  errors: Object.fromEntries(
    rows.map(([name, status, code, message]) => [
      name,
      { status, body: { err_code: code, err_msg: message, request_id: UUID } },
    ]),
  ) as Record<ErrorCode, { status: number; body: unknown }>,
});
