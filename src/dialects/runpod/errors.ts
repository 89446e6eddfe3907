// Every error of the gateway in RunPod's way: `{"error": "..."}` and a status, which is the gateway's own but where clients
// take 404 to mean that there is no such job or endpoint.
import type { ErrorCode, GatewayError } from '../../errors.ts';
import { retryHeaders } from '../../http/retry-after.ts';
import type { RenderedError } from '../dialect.ts';

const STATUSES: Partial<Record<ErrorCode, number>> = { 'model-unknown': 400 };
const MESSAGES: Partial<Record<ErrorCode, string>> = { 'job-unknown': 'job not found' };

export function renderError(error: GatewayError): RenderedError {
  const { code, message } = error;
  return {
    status: STATUSES[code] ?? error.status,
    headers: retryHeaders(error),
    body: { error: MESSAGES[code] ?? message },
  };
}
