// Every error of the gateway in Deepgram's words: status, err_code and err_msg as its cloud has been seen to send them
// (2024–2026). Where it has no word of its own for what happened, the status' name stands as the code.
import { STATUS_CODES } from 'node:http';
import type { ErrorCode, GatewayError, RemoteFault } from '../../errors.ts';
import type { RenderedError } from '../dialect.ts';
import { requestUuid } from './request-uuid.ts';

export interface ErrorEnvelope {
  err_code: string;
  err_msg: string;
  request_id: string;
}

interface Rendering {
  status: number;
  code?: string;
  /** Instead of the error's own message. */
  message?: string;
}

const CORRUPT = 'Bad Request: failed to process audio: corrupt or unsupported data';
const NO_COMBINATION = 'Bad Request: No such model/language/tier combination found.';
const REMOTE = 'REMOTE_CONTENT_ERROR';
const BUSY = { status: 503, message: 'Please try again later.' };

const RENDERINGS: Record<ErrorCode, Rendering> = {
  'key-missing': { status: 401, code: 'INVALID_AUTH', message: 'Invalid credentials.' },
  'key-invalid': { status: 401, code: 'INVALID_AUTH', message: 'Invalid credentials.' },
  'key-insufficient': { status: 403, code: 'FORBIDDEN', message: 'Insufficient permissions.' },
  'route-unknown': { status: 404 },
  'method-unsupported': { status: 405 },
  'head-malformed': { status: 400 },
  'head-too-large': { status: 431 },
  'body-malformed': {
    status: 400,
    message: 'Content-type was application/json, but we could not process the JSON payload.',
  },
  'body-too-large': { status: 413, code: 'PAYLOAD_TOO_LARGE' },
  'upload-stalled': { status: 408 },
  'field-missing': { status: 400, message: 'Invalid query string.' },
  'field-invalid': { status: 400 },
  'option-unsupported': { status: 400, message: NO_COMBINATION },
  'model-unknown': {
    status: 403,
    code: 'INSUFFICIENT_PERMISSIONS',
    message: 'Project does not have access to the requested model.',
  },
  'model-not-ready': { status: 503 },
  'audio-unrecognised': { status: 400, message: CORRUPT },
  'audio-undecodable': { status: 400, message: CORRUPT },
  'audio-too-short': { status: 400, message: CORRUPT },
  'audio-too-long': { status: 400 },
  'url-invalid': { status: 400, code: REMOTE, message: 'Could not parse URL as a URI.' },
  'url-forbidden': { status: 400, code: REMOTE, message: 'URL for media download must be publicly routable.' },
  'url-unreachable': { status: 400, code: REMOTE },
  'job-unknown': { status: 404 },
  'job-ended': { status: 409 },
  'idempotency-key-reused': { status: 422 },
  'queue-full': { status: 429, code: 'TOO_MANY_REQUESTS', message: 'Too many requests. Please try again later' },
  'gpu-memory-short': BUSY,
  'engine-failed': { status: 500 },
  'engine-timeout': { status: 504 },
  'shutting-down': BUSY,
  'disk-full': { status: 507 },
  'setup-incomplete': { status: 500 },
  internal: { status: 500 },
};

/** For refusals that come without a time: SDK 5 retries 429 and 503 itself, and would do so at once. */
const RETRY_SECONDS = 1;

export function renderError(error: GatewayError, request: Request, requestId: string): RenderedError {
  const { status, code, message } = renderingOf(error, request);
  const id = requestUuid(requestId);
  const body: ErrorEnvelope = {
    err_code: code ?? STATUS_CODES[status] ?? 'Error',
    err_msg: message ?? error.message,
    request_id: id,
  };
  const retrySeconds = error.retryAfterSeconds ?? (status === 429 || status === 503 ? RETRY_SECONDS : undefined);
  return {
    status,
    headers: {
      'dg-request-id': id,
      'dg-error': headerText(body.err_msg),
      ...(retrySeconds !== undefined && { 'retry-after': String(Math.max(1, Math.ceil(retrySeconds))) }),
    },
    body,
  };
}

function renderingOf(error: GatewayError, { method }: Request): Rendering {
  // A model that is only asked about is not found; one that is to be used is forbidden.
  if (error.code === 'model-unknown' && method === 'GET') return { status: 404 };
  if (error.remoteFault) return { ...RENDERINGS[error.code], message: faultText(error.remoteFault) };
  return RENDERINGS[error.code];
}

function faultText(fault: RemoteFault): string {
  const server = 'The remote server hosting the media';
  switch (fault.kind) {
    case 'client-error':
      return `${server} returned a client error: ${fault.status}.`;
    case 'server-error':
      return `${server} returned a server error: ${fault.status}.`;
    case 'too-many-redirects':
      return `${server} returned too many redirects.`;
    case 'invalid-data':
      return `${server} failed to return valid data.`;
  }
}

/** A message may hold what the caller wrote, and a header only printable ASCII. */
function headerText(message: string): string {
  return message.replace(/[^ -~]+/g, '?');
}
