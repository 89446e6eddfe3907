// Every error of the gateway as a FastAPI service words it: one sentence, or for a field a list with its place.
import type { ErrorCode, GatewayError } from '../../errors.ts';
import { retryHeaders } from '../../http/retry-after.ts';
import type { RenderedError } from '../dialect.ts';
import type { InvalidFields, Sentence } from './schema.ts';

const UNPROCESSABLE = 422;
/** What FastAPI refuses by its own validation, by the type it gives that. */
const VALIDATIONS: Partial<Record<ErrorCode, string>> = { 'field-missing': 'missing', 'field-invalid': 'value_error' };
/** The others are the gateway's own. 404 means that there is no such job. */
const STATUSES: Partial<Record<ErrorCode, number>> = { 'model-unknown': 400 };
const SENTENCES: Partial<Record<ErrorCode, string>> = {
  'route-unknown': 'Not Found',
  'method-unsupported': 'Method Not Allowed',
  'job-unknown': 'Job not found',
};

export function renderError(error: GatewayError): RenderedError {
  const { code, message, field } = error;
  const type = VALIDATIONS[code];
  const body: Sentence | InvalidFields =
    type && field
      ? { detail: [{ type, loc: ['body', field], msg: message, input: null }] }
      : { detail: SENTENCES[code] ?? message };
  return {
    status: type ? UNPROCESSABLE : (STATUSES[code] ?? error.status),
    headers: retryHeaders(error),
    body,
  };
}
