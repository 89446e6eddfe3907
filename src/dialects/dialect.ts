// What every vendor's API is to the rest of the house: a name, a set of routes, and its own words for every error.
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { GatewayError } from '../errors.ts';
import type { KeyRing } from '../http/auth.ts';
import type { HttpEnvironment } from '../http/environment.ts';
import type { Log } from '../lib/log.ts';
import type { Transcriber } from '../transcribe/recorded.ts';

/** What a dialect may use. `app.ts` hands it in. */
export interface DialectServices {
  transcriber: Transcriber;
  keys: KeyRing;
  limits: DialectLimits;
  /** For failures that come after an answer has begun; all others show in the access log. */
  log: Log;
}

export interface DialectLimits {
  uploadBytesMax: number;
  uploadIdleMs: number;
}

export interface RenderedError {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

export interface Dialect {
  name: string;
  /** Paths are relative to the mount points that `app.ts` lists. */
  routes: OpenAPIHono<HttpEnvironment>;
  renderError(error: GatewayError, request: Request): RenderedError;
}
