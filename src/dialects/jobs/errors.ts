// Every error of the gateway in the words of the jobs API: `{"error": "..."}` and a status, which are the gateway's own but
// for a few sentences that clients of this API compare.
import type { ErrorCode, GatewayError } from '../../errors.ts';
import { isJson } from '../../http/json-body.ts';
import { retryHeaders, retrySecondsOf } from '../../http/retry-after.ts';
import type { RenderedError } from '../dialect.ts';
import type { NotReadyBody } from './schema.ts';

const MESSAGES: Partial<Record<ErrorCode, string>> = {
  // Before a job has its turn nothing is known of its audio but that there is none.
  'audio-too-short': 'audio field is empty',
};

export function renderError(error: GatewayError, { headers: sent }: Request): RenderedError {
  const headers = retryHeaders(error);
  if (error.modelState) {
    const body: NotReadyBody = {
      error: 'model_not_ready',
      state: error.modelState,
      retry_after_secs: retrySecondsOf(error) ?? 1,
    };
    return { status: error.status, headers, body };
  }
  const isForm = error.code === 'body-malformed' && !isJson(sent);
  const message = MESSAGES[error.code] ?? error.message;
  return { status: error.status, headers, body: { error: isForm ? `multipart error: ${message}` : message } };
}
