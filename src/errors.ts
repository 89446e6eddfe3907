// Owns the one error type that crosses folders and the closed list of its codes. Says nothing of any vendor's wording:
// each dialect renders every code in its own shape (`dialects/<vendor>/errors.ts`).

/** What went wrong → the plain HTTP status and whether the same request may succeed later. A dialect may use another status. */
export const ERROR_CODES = {
  'key-missing': { status: 401, retryable: false },
  'key-invalid': { status: 401, retryable: false },
  'key-insufficient': { status: 403, retryable: false },
  'route-unknown': { status: 404, retryable: false },
  'method-unsupported': { status: 405, retryable: false },
  'head-malformed': { status: 400, retryable: false },
  'head-too-large': { status: 431, retryable: false },
  'body-malformed': { status: 400, retryable: false },
  'body-too-large': { status: 413, retryable: false },
  'upload-stalled': { status: 408, retryable: true },
  'field-missing': { status: 400, retryable: false },
  'field-invalid': { status: 400, retryable: false },
  'option-unsupported': { status: 400, retryable: false },
  'model-unknown': { status: 404, retryable: false },
  'model-not-ready': { status: 503, retryable: true },
  'audio-unrecognised': { status: 400, retryable: false },
  'audio-undecodable': { status: 400, retryable: false },
  'audio-too-short': { status: 400, retryable: false },
  'audio-too-long': { status: 400, retryable: false },
  'url-invalid': { status: 400, retryable: false },
  'url-forbidden': { status: 400, retryable: false },
  'url-unreachable': { status: 400, retryable: false },
  'job-unknown': { status: 404, retryable: false },
  'job-ended': { status: 409, retryable: false },
  'idempotency-key-reused': { status: 422, retryable: false },
  'queue-full': { status: 429, retryable: true },
  'gpu-memory-short': { status: 503, retryable: true },
  'engine-failed': { status: 500, retryable: true },
  'engine-timeout': { status: 504, retryable: true },
  'shutting-down': { status: 503, retryable: true },
  'disk-full': { status: 507, retryable: true },
  'setup-incomplete': { status: 500, retryable: false },
  internal: { status: 500, retryable: false },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** What the other server did when a URL was fetched; `status` as in `404 Not Found`. */
export type RemoteFault =
  | { kind: 'client-error' | 'server-error'; status: string }
  | { kind: 'too-many-redirects' }
  | { kind: 'invalid-data' };

export interface GatewayErrorDetails {
  /** The request field at fault, by its public name. */
  field?: string;
  /** Seconds after which a retry makes sense; sent as `Retry-After`. */
  retryAfterSeconds?: number;
  /** Memory figures of a `gpu-memory-short`. */
  neededMb?: number;
  freeMb?: number;
  /** What a `model-not-ready` was found doing, where it is on disk. */
  modelState?: 'unloaded' | 'loading' | 'waiting_for_gpu';
  /** Of a URL that was to be fetched and is `url-unreachable`. */
  remoteFault?: RemoteFault;
  cause?: unknown;
}

/** Messages quote what callers sent, and callers send anything. */
const MESSAGE_CHARACTERS_MAX = 1000;

/** An operating error with a message that may be shown to the caller. Anything else that is thrown is a bug. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly field: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly neededMb: number | undefined;
  readonly freeMb: number | undefined;
  readonly modelState: GatewayErrorDetails['modelState'];
  readonly remoteFault: RemoteFault | undefined;

  constructor(code: ErrorCode, message: string, details: GatewayErrorDetails = {}) {
    super(message.length > MESSAGE_CHARACTERS_MAX ? `${message.slice(0, MESSAGE_CHARACTERS_MAX)}…` : message, {
      cause: details.cause,
    });
    this.code = code;
    this.status = ERROR_CODES[code].status;
    this.retryable = ERROR_CODES[code].retryable;
    this.field = details.field;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.neededMb = details.neededMb;
    this.freeMb = details.freeMb;
    this.modelState = details.modelState;
    this.remoteFault = details.remoteFault;
  }
}

/** Anything thrown, as a GatewayError; what was not one becomes `internal` and keeps its cause for the log. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError('internal', 'The server had an error while processing the request.', { cause: thrown });
}
