// Every error of the gateway in the words of a FastAPI service: a status and one sentence.
import type { ErrorCode, GatewayError } from '../../errors.ts';
import { retryHeaders } from '../../http/retry-after.ts';
import type { RenderedError } from '../dialect.ts';

/** The others are the gateway's own. */
const STATUSES: Partial<Record<ErrorCode, number>> = { 'field-missing': 422, 'model-unknown': 400 };
const SENTENCES: Partial<Record<ErrorCode, string>> = {
  'route-unknown': 'Not Found',
  'method-unsupported': 'Method Not Allowed',
};

export function renderError(error: GatewayError): RenderedError {
  return {
    status: STATUSES[error.code] ?? error.status,
    headers: retryHeaders(error),
    body: { detail: SENTENCES[error.code] ?? error.message },
  };
}
