// When it is worth asking again, in the only form that all clients understand: whole seconds, at least one.
import type { GatewayError } from '../errors.ts';

export function retrySecondsOf({ retryAfterSeconds }: GatewayError): number | undefined {
  return retryAfterSeconds === undefined ? undefined : Math.max(1, Math.ceil(retryAfterSeconds));
}

export function retryHeaders(error: GatewayError): Record<string, string> {
  const seconds = retrySecondsOf(error);
  return seconds === undefined ? {} : { 'retry-after': String(seconds) };
}
