// An error that outlives the process: as JSON and back, so that whoever renders it has the same GatewayError in hand.
import { type ErrorCode, GatewayError, type GatewayErrorDetails } from '../errors.ts';

/** All that was said with it, but for its cause, which the log has. */
export function writeError(error: GatewayError): string {
  return JSON.stringify({ ...error, message: error.message });
}

export function readError(text: string): GatewayError {
  const { code, message, ...details } = JSON.parse(text) as GatewayErrorDetails & { code: ErrorCode; message: string };
  return new GatewayError(code, message, details);
}
