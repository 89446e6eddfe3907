// The words of the durable, asynchronous requests: what a job is, what may be done with jobs, and what a dialect says of its
// own. Types only; the states are kept in store.ts and moved by runner.ts.
import type { GatewayError } from '../errors.ts';
import type { Recording } from '../transcript/recording.ts';
import type { TranscriptionRequest } from '../transcript/request.ts';
import type { Transcript } from '../transcript/transcript.ts';

export const JOB_STATUSES = ['queued', 'running', 'done', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** What is to be transcribed: bytes that have arrived, or a URL that is fetched when its turn comes. */
export type Source = Recording | { url: string };

export interface Webhook {
  /** May hold credentials. */
  url: string;
  method: 'POST' | 'PUT';
}

export interface NewJob {
  /** Unique over all dialects, and fit for a file name and a header. */
  id: string;
  /** Whose job it is: that dialect renders its webhook, and alone can find it. */
  dialect: string;
  source: Source;
  filename: string | null;
  transcription: TranscriptionRequest;
  /** Every channel by itself, one transcript for each. */
  eachChannel: boolean;
  webhook: Webhook | null;
  /** Plain JSON: whatever the dialect needs to answer later and is not said above. */
  details: unknown;
  /** Of one caller: the same key within the retention time is the same job. Null where none was sent. */
  idempotencyKey: string | null;
}

export interface JobProgress {
  /** 0–100, whole. */
  percent: number;
  /** How many chunks are finished, from the first without a gap. */
  chunk: number;
  /** Null until there is anything to estimate it by. */
  chunksTotal: number | null;
}

/** What became of the webhook. */
export interface Delivery {
  state: 'none' | 'pending' | 'delivered' | 'failed';
  atMs: number | null;
  /** Of the last attempt; while it is `pending` others follow. */
  error: string | null;
}

export interface Job extends Omit<NewJob, 'source' | 'idempotencyKey'> {
  status: JobStatus;
  /** What a URL held is known once it has been fetched. */
  source: { url: string; sha256?: string } | { sha256: string; bytes: number };
  /** The model that made the transcript, by our name; null until it is done. */
  model: string | null;
  /** Likewise. */
  language: string | null;
  durationMs: number | null;
  progress: JobProgress;
  /** Of a failed job. */
  error: GatewayError | null;
  /** What the dialect's `measure` answered at the end of the last run. */
  measurements: unknown;
  delivery: Delivery;
  /** Wall times. */
  createdAtMs: number;
  startedAtMs: number | null;
  endedAtMs: number | null;
  /** Of a queued job: 1 is the next to run. */
  position: number | null;
  /** Of a queued job: until it starts, by how long jobs took lately; null while nothing is known. */
  estimatedWaitMs: number | null;
}

/** `sequence` grows with every event of a job, over restarts too. */
export type JobEvent = ({ type: 'progress'; sequence: number } & JobProgress) | { type: 'ended'; job: Job };

export interface JobPage {
  jobs: Job[];
  /** All that match, on whatever page. */
  total: number;
}

/** What a dialect makes of its jobs. */
export interface JobRenderer {
  /** The webhook's body, JSON, of a job that has ended. `transcripts`: none unless it is done, one for each channel asked for. */
  document(job: Job, transcripts: readonly Transcript[]): string | Promise<string>;
  /** Waits between the webhook's first attempts, before the outbox's usual ones. */
  quickRetriesMs?: readonly number[];
  /** Called when a run begins; what the answered function answers at the run's end becomes `job.measurements`, plain JSON. */
  measure?(): () => unknown;
}

/** What dialects may do with jobs. Every answer is as of now; nothing in it changes later. */
export interface Jobs {
  /** Throws `url-invalid` or `url-forbidden` for a webhook's URL. */
  checkWebhook(url: string): void;
  /**
   * The job, its recording included, is on disk when this resolves. Takes the recording over: it is released whatever
   * happens. `isRepeat`: the idempotency key was known and the job is the earlier one. Throws `idempotency-key-reused` when
   * that one asked for something else, `queue-full`, `disk-full`, `shutting-down`.
   */
  accept(job: NewJob): Promise<{ job: Job; isRepeat: boolean }>;
  find(dialect: string, id: string): Job | undefined;
  /** The latest first. */
  list(dialect: string, filter: { status?: JobStatus; limit: number; offset: number }): JobPage;
  /** Of a job that is done; undefined for any other. */
  transcripts(dialect: string, id: string): Transcript[] | undefined;
  /** Resolves when the job has ended and its engine is being freed. Throws `job-unknown` or `job-ended`. */
  cancel(dialect: string, id: string): Promise<Job>;
  /** Forgets the job, cancelling it first where need be. Throws `job-unknown`. */
  remove(dialect: string, id: string): Promise<void>;
  /**
   * The state now, then every change of progress that its reader has time for, then `ended` as the last. Events up to
   * `afterSequence` are left out. Ends without `ended` when `signal` aborts or the server shuts down. Throws `job-unknown`.
   */
  watch(
    dialect: string,
    id: string,
    options: { afterSequence?: number; signal: AbortSignal },
  ): AsyncGenerator<JobEvent>;
  /** Of this dialect's jobs. */
  counts(dialect: string): Record<JobStatus, number>;
  /** Says who renders the jobs of a dialect. To be called before any is taken up. */
  serve(dialect: string, renderer: JobRenderer): void;
}
