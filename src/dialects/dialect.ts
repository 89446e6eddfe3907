// What every vendor's API is to the rest of the house: a name, a set of routes, its own words for every error, and its
// share of the one address that several vendors have, `/v1/models`.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { GatewayError } from '../errors.ts';
import type { KeyRing } from '../http/auth.ts';
import type { HttpEnvironment } from '../http/environment.ts';
import type { TemporaryTokens } from '../http/temporary-token.ts';
import type { Jobs } from '../jobs/job.ts';
import type { Log } from '../lib/log.ts';
import type { GpuUsage } from '../pool/gpu-usage.ts';
import type { ModelLifecycle } from '../schedule/lifecycle.ts';
import type { ModelListing, Transcriber } from '../transcribe/recorded.ts';
import type { Transcript } from '../transcript/transcript.ts';

export type { GpuUsage } from '../pool/gpu-usage.ts';
export type { ModelEvent, ModelLifecycle, ModelStatus } from '../schedule/lifecycle.ts';
export type { ModelState } from '../schedule/scheduler.ts';

/** What a dialect may use. `app.ts` hands it in. */
export interface DialectServices {
  transcriber: Transcriber;
  keys: KeyRing;
  tokens: TemporaryTokens;
  jobs: Jobs;
  lifecycle: ModelLifecycle;
  /** The GPU that was busiest between this call and that of the answered function, which has to come; null without one. */
  measureGpu(): () => GpuUsage | null;
  /** Other vendors' shapes, for APIs that offer them by name. */
  writers: ResultWriters;
  limits: DialectLimits;
  /** Whether a transcription can be served now, and by which model. `starting` becomes ready by itself. */
  readiness(): Promise<{ ready: boolean; state: 'starting' | 'ready' | 'error'; model: string | null }>;
  /**
   * The models that the operator's database enables, for APIs that had one. Null where there is none: all are. Throws
   * `model-not-ready` while it cannot be read.
   */
  enabledModels(): Promise<string[] | null>;
  /** For failures that come after an answer has begun; all others show in the access log. */
  log: Log;
}

export interface DialectLimits {
  uploadBytesMax: number;
  uploadIdleMs: number;
}

export const RESULT_FORMATS = ['json', 'text', 'srt', 'vtt', 'verbose_json', 'deepgram'] as const;
export type ResultFormat = (typeof RESULT_FORMATS)[number];

export interface WrittenResult {
  contentType: string;
  body: string;
}

/** What a result is told of, besides its transcript. */
export interface ResultDetails {
  requestId: string;
  sha256: string;
  createdAtMs: number;
}

/** OpenAI's formats and Deepgram's, as their own dialects write them with default options. `utterances` are included. */
export type ResultWriters = Record<
  ResultFormat,
  (transcript: Transcript, details: ResultDetails) => Promise<WrittenResult>
>;

export interface RenderedError {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

export interface Dialect {
  name: string;
  /** Paths are relative to the mount points that `app.ts` lists. */
  routes: OpenAPIHono<HttpEnvironment>;
  renderError(error: GatewayError, request: Request, requestId: string): RenderedError;
  /** Whether a request that more than one vendor could claim, or none, speaks this vendor's language. */
  claims(request: Request): boolean;
  /** Throws `key-missing` or `key-invalid`. */
  authenticate(request: Request): void;
  /** On every answer, failures included. */
  answerHeaders(requestId: string): Record<string, string>;
  models: ModelBodies;
}

/** What a vendor's clients look for in the answers of `/v1/models`. Vendors must not use one name for different things. */
export interface ModelBodies {
  list(installed: ModelListing[]): Record<string, unknown>;
  one(listing: ModelListing): Record<string, unknown>;
  listSchema: z.ZodObject;
  oneSchema: z.ZodObject;
}

/** Of an API that does not list models. */
export const NO_MODELS: ModelBodies = {
  list: () => ({}),
  one: () => ({}),
  listSchema: z.object({}),
  oneSchema: z.object({}),
};
