// Owns the file of the jobs: what was asked, where each stands, its transcripts, and the chunks that a run to come need not
// make again. Every change is on disk when its call returns, whole or not at all. Decides nothing but which of two ends of one
// job came first.
import type { GatewayError } from '../errors.ts';
import type { ChunkFinal } from '../transcript/event.ts';
import type { Transcript } from '../transcript/transcript.ts';
import { DurableFile, type Row } from '../webhooks/durable-file.ts';
import { type Delivery, JOB_STATUSES, type Job, type JobProgress, type JobStatus, type NewJob } from './job.ts';
import { readError, writeError } from './kept-error.ts';

const FORMAT = 1;

// `ended_at_ms IS NULL` is the word for a job that is not over, so that a partial index can be found by it.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS jobs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    dialect TEXT NOT NULL,
    status TEXT NOT NULL,
    request TEXT NOT NULL,
    url TEXT,
    sha256 TEXT,
    bytes INTEGER,
    caller TEXT NOT NULL,
    idempotency_key TEXT,
    fingerprint TEXT NOT NULL,
    order_ms INTEGER NOT NULL,
    runs INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    percent INTEGER NOT NULL DEFAULT 0,
    chunk INTEGER NOT NULL DEFAULT 0,
    chunks_total INTEGER,
    model TEXT,
    language TEXT,
    duration_ms REAL,
    error TEXT,
    measurements TEXT NOT NULL DEFAULT 'null',
    webhook TEXT NOT NULL,
    webhook_url TEXT,
    webhook_at_ms INTEGER,
    webhook_error TEXT,
    created_at_ms INTEGER NOT NULL,
    started_at_ms INTEGER,
    ended_at_ms INTEGER
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS repeated ON jobs (dialect, caller, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
  CREATE INDEX IF NOT EXISTS of_dialect ON jobs (dialect, status);
  CREATE INDEX IF NOT EXISTS newest ON jobs (dialect, sequence);
  CREATE INDEX IF NOT EXISTS unfinished ON jobs (sha256, webhook_url) WHERE ended_at_ms IS NULL;
  CREATE INDEX IF NOT EXISTS ended ON jobs (ended_at_ms, webhook) WHERE ended_at_ms IS NOT NULL;
  CREATE INDEX IF NOT EXISTS webhooks ON jobs (webhook, status) WHERE webhook_url IS NOT NULL;
  CREATE INDEX IF NOT EXISTS webhook_urls ON jobs (dialect, webhook_url) WHERE webhook_url IS NOT NULL;
  CREATE TABLE IF NOT EXISTS transcripts (
    sequence INTEGER PRIMARY KEY REFERENCES jobs (sequence) ON DELETE CASCADE,
    transcripts TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS chunks (
    sha256 TEXT NOT NULL,
    key TEXT NOT NULL,
    final TEXT NOT NULL,
    PRIMARY KEY (sha256, key)
  ) STRICT, WITHOUT ROWID;
`;
const INSERT = `INSERT INTO jobs (id, dialect, status, request, url, sha256, bytes, caller, idempotency_key, fingerprint,
    order_ms, webhook, webhook_url, created_at_ms)
  VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`;
const REPEATED = 'SELECT * FROM jobs WHERE dialect = ? AND caller = ? AND idempotency_key = ?';
const FIND = 'SELECT * FROM jobs WHERE id = ?';
const LIST = 'SELECT * FROM jobs WHERE dialect = ? ORDER BY sequence DESC LIMIT ? OFFSET ?';
const LIST_OF_STATUS = 'SELECT * FROM jobs WHERE dialect = ? AND status = ? ORDER BY sequence DESC LIMIT ? OFFSET ?';
const COUNT = 'SELECT status, count(*) AS count FROM jobs WHERE dialect = ? GROUP BY status';
const TRANSCRIPTS = `SELECT transcripts FROM transcripts JOIN jobs USING (sequence) WHERE id = ?`;
const LIMIT_ORDER = `UPDATE jobs SET order_ms = ?1 WHERE ended_at_ms IS NULL AND created_at_ms > ?1 AND order_ms > ?1`;
const RECOVER = `UPDATE jobs SET status = 'queued', started_at_ms = NULL, crashes = crashes + 1,
  order_ms = 1 + (SELECT max(order_ms) FROM jobs WHERE ended_at_ms IS NULL)
  WHERE ended_at_ms IS NULL AND status = 'running'`;
const UNFINISHED = 'SELECT * FROM jobs WHERE ended_at_ms IS NULL';
const BEGIN = `UPDATE jobs SET status = 'running', runs = runs + 1, started_at_ms = ?
  WHERE id = ? AND ended_at_ms IS NULL RETURNING *`;
const NOTE_RECORDING = 'UPDATE jobs SET sha256 = ?, bytes = ? WHERE id = ? AND ended_at_ms IS NULL';
const REQUEUE = `UPDATE jobs SET status = 'queued', started_at_ms = NULL, failures = ?, percent = ?, chunk = ?,
  chunks_total = ? WHERE id = ? AND ended_at_ms IS NULL`;
const RECALL_CHUNK = 'SELECT final FROM chunks WHERE sha256 = ? AND key = ?';
// A run that others share may go on when its job has ended. Nobody would remove what it kept then.
const KEEP_CHUNK = `INSERT OR REPLACE INTO chunks (sha256, key, final)
  SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM jobs WHERE sha256 = ?1 AND ended_at_ms IS NULL)`;
const NOTE_PROGRESS = `UPDATE jobs SET failures = 0, crashes = 0, percent = ?, chunk = ?, chunks_total = ?
  WHERE id = ? AND ended_at_ms IS NULL`;
const DROP_CHUNKS = `DELETE FROM chunks WHERE sha256 = ?1
  AND NOT EXISTS (SELECT 1 FROM jobs WHERE sha256 = ?1 AND ended_at_ms IS NULL)`;
const DROP_NEEDLESS_CHUNKS = `DELETE FROM chunks WHERE NOT EXISTS
  (SELECT 1 FROM jobs WHERE jobs.sha256 = chunks.sha256 AND ended_at_ms IS NULL)`;
const END = `UPDATE jobs SET status = ?, ended_at_ms = ?, error = ?, measurements = ?, model = ?, language = ?,
  duration_ms = ?, percent = ?, chunk = ?, chunks_total = ?,
  webhook = CASE webhook WHEN 'waiting' THEN 'due' ELSE webhook END
  WHERE id = ? AND ended_at_ms IS NULL RETURNING *`;
const KEEP_TRANSCRIPTS = 'INSERT INTO transcripts (sequence, transcripts) VALUES (?, ?)';
const NOTE_WEBHOOK = `UPDATE jobs SET webhook = ?, webhook_at_ms = ?, webhook_error = ?
  WHERE id = ? AND webhook IN ('due', 'enqueued')`;
const WITH_WEBHOOK = `SELECT id FROM jobs WHERE webhook_url IS NOT NULL AND webhook = ? ORDER BY sequence`;
const REFUSED = `SELECT * FROM jobs WHERE webhook_url IS NOT NULL AND webhook = 'refused'
  ORDER BY sequence DESC LIMIT ?`;
const COUNT_WEBHOOKS = `SELECT webhook, count(*) AS count, sum(status = 'running') AS running FROM jobs
  WHERE webhook_url IS NOT NULL AND webhook IN ('waiting', 'due', 'refused') GROUP BY webhook`;
const WEBHOOK_URLS = `SELECT DISTINCT webhook_url FROM jobs WHERE dialect = ? AND webhook_url IS NOT NULL LIMIT ?`;
const RECENT_RUN = `SELECT avg(ended_at_ms - started_at_ms) AS ms FROM
  (SELECT * FROM jobs WHERE ended_at_ms IS NOT NULL ORDER BY ended_at_ms DESC LIMIT ?) WHERE status = 'done'`;
const COUNT_ENDED = 'SELECT count(*) AS count FROM jobs WHERE ended_at_ms IS NOT NULL';
// Without those whose receiver has not been told yet.
const OLDEST_ENDED = `SELECT min(ended_at_ms) AS ms FROM jobs WHERE ended_at_ms IS NOT NULL AND webhook <> 'due'`;
const FORGET_ENDED = `DELETE FROM jobs WHERE sequence IN (SELECT sequence FROM jobs
  WHERE ended_at_ms IS NOT NULL AND ended_at_ms <= ? AND webhook <> 'due' ORDER BY ended_at_ms LIMIT ?)`;
const FORGET = `DELETE FROM jobs WHERE id = ? AND ended_at_ms IS NOT NULL AND webhook <> 'due'`;

/**
 * `none` was asked for; `waiting` for the job's end; `due` for the outbox to take it; `enqueued` in the outbox; then
 * `delivered`, or `failed` there, or `refused` by it.
 */
export type WebhookState = 'none' | 'waiting' | 'due' | 'enqueued' | 'delivered' | 'failed' | 'refused';

/** A job, and what its callers are not told. */
export interface KeptJob {
  job: Omit<Job, 'position' | 'estimatedWaitMs'>;
  /** Grows from one job to the next. */
  sequence: number;
  /** Of jobs that wait, the one with the lowest is next. */
  orderMs: number;
  /** Of the file that holds its audio; null before it is fetched. */
  sha256: string | null;
  fingerprint: string;
  /** That were begun. */
  runs: number;
  /** In a row, for reasons that may pass. */
  failures: number;
  /** In a row, with the process. */
  crashes: number;
  webhook: WebhookState;
}

export interface Acceptance {
  orderMs: number;
  createdAtMs: number;
  fingerprint: string;
}

export type Ending = { endedAtMs: number; progress: JobProgress; measurements: unknown } & (
  | { status: 'done'; transcripts: readonly Transcript[] }
  | { status: 'failed'; error: GatewayError }
  | { status: 'cancelled' }
);

/** Times are wall times in milliseconds: they outlive the process. Throws `disk-full` where a change cannot be written. */
export class JobStore {
  readonly #file: DurableFile;
  /** Of jobs that have ended. */
  #endedCount = 0;

  constructor(directory: string) {
    this.#file = new DurableFile({ directory, name: 'jobs.sqlite', what: 'jobs', format: FORMAT, schema: SCHEMA });
    this.#endedCount = this.#file.opening(() => Number(this.#file.get(COUNT_ENDED)?.count));
  }

  insert(job: NewJob, { orderMs, createdAtMs, fingerprint }: Acceptance): KeptJob {
    const { id, dialect, source, filename, transcription, eachChannel, webhook, details, idempotencyKey } = job;
    const request = JSON.stringify({ filename, transcription, eachChannel, webhook, details });
    const {
      url = null,
      sha256 = null,
      bytes = null,
    } = { ...source } as { url?: string; sha256?: string; bytes?: number };
    return this.#file.write(() => {
      const row = this.#file.get(
        INSERT,
        ...[id, dialect, request, url, sha256, bytes, transcription.caller ?? '', idempotencyKey, fingerprint],
        ...[Math.round(orderMs), webhook ? 'waiting' : 'none', webhook?.url ?? null, Math.round(createdAtMs)],
      );
      return toKept(row as Row);
    });
  }

  /** The job of this caller that has the key. */
  findRepeated({ dialect, transcription, idempotencyKey }: NewJob): KeptJob | undefined {
    return toKeptOrNothing(this.#file.get(REPEATED, dialect, transcription.caller ?? '', idempotencyKey));
  }

  find(id: string): KeptJob | undefined {
    return toKeptOrNothing(this.#file.get(FIND, id));
  }

  /** The latest first. */
  list(dialect: string, { status, limit, offset }: { status?: JobStatus; limit: number; offset: number }): KeptJob[] {
    const rows = status
      ? this.#file.all(LIST_OF_STATUS, dialect, status, limit, offset)
      : this.#file.all(LIST, dialect, limit, offset);
    return rows.map(toKept);
  }

  counts(dialect: string): Record<JobStatus, number> {
    const counts = new Map(this.#file.all(COUNT, dialect).map(({ status, count }) => [status, Number(count)]));
    return Object.fromEntries(JOB_STATUSES.map((status) => [status, counts.get(status) ?? 0])) as ReturnType<
      JobStore['counts']
    >;
  }

  transcripts(id: string): Transcript[] | undefined {
    const row = this.#file.get(TRANSCRIPTS, id);
    return row && (JSON.parse(String(row.transcripts)) as Transcript[]);
  }

  /**
   * Whatever was running ended with the process, so it may be the reason: it goes behind all that waits. What was accepted
   * later than now, before somebody set the time back, would be behind all that is accepted until that time: it is put here.
   */
  recover(nowMs: number): void {
    this.#file.write(() => {
      this.#file.run(LIMIT_ORDER, Math.round(nowMs));
      this.#file.run(RECOVER);
      this.#file.run(DROP_NEEDLESS_CHUNKS);
    });
  }

  unfinished(): KeptJob[] {
    return this.#file.all(UNFINISHED).map(toKept);
  }

  /** Until something else is noted, the run counts as one that ended the process. Undefined when the job has ended. */
  begin(id: string, startedAtMs: number): KeptJob | undefined {
    return this.#file.write(() => toKeptOrNothing(this.#file.get(BEGIN, Math.round(startedAtMs), id)));
  }

  /** Of a source that was fetched, or is to be fetched again. False when the job has ended. */
  noteRecording(id: string, sha256: string | null, bytes: number | null): boolean {
    return this.#file.write(() => this.#file.run(NOTE_RECORDING, sha256, bytes, id) > 0);
  }

  recallChunk(sha256: string, key: string): ChunkFinal | undefined {
    const row = this.#file.get(RECALL_CHUNK, sha256, key);
    return row && (JSON.parse(String(row.final)) as ChunkFinal);
  }

  /** Whoever finishes a chunk comes nearer to the end: what failed before counts no more. */
  keepChunk(id: string, sha256: string, key: string, final: ChunkFinal, progress: JobProgress): void {
    this.#file.write(() => {
      this.#file.run(KEEP_CHUNK, sha256, key, JSON.stringify(final));
      this.#file.run(NOTE_PROGRESS, ...progressValues(progress), id);
    });
  }

  /** A run is over without an end of the job. */
  requeue(id: string, failures: number, progress: JobProgress): void {
    this.#file.write(() => this.#file.run(REQUEUE, failures, ...progressValues(progress), id));
  }

  /** Undefined when it had ended before: the first end counts. */
  end(id: string, ending: Ending): KeptJob | undefined {
    const { status, endedAtMs, progress, measurements } = ending;
    const transcripts = ending.status === 'done' ? ending.transcripts : [];
    const durationMs = transcripts.length > 0 ? Math.max(...transcripts.map((each) => each.durationMs)) : null;
    const error = ending.status === 'failed' ? writeError(ending.error) : null;
    const [first] = transcripts;
    return this.#file.write(() => {
      const row = this.#file.get(
        END,
        ...[status, Math.round(endedAtMs), error, JSON.stringify(measurements ?? null)],
        ...[first?.model ?? null, first?.language ?? null, durationMs, ...progressValues(progress), id],
      );
      if (!row) return undefined;
      const kept = toKept(row);
      if (status === 'done') this.#file.run(KEEP_TRANSCRIPTS, kept.sequence, JSON.stringify(transcripts));
      if (kept.sha256 !== null) this.#file.run(DROP_CHUNKS, kept.sha256);
      this.#endedCount += 1;
      return kept;
    });
  }

  /** Of jobs that have ended. */
  withWebhook(state: 'due' | 'enqueued'): string[] {
    return this.#file.all(WITH_WEBHOOK, state).map((row) => String(row.id));
  }

  /** Does nothing once there is an outcome. */
  noteWebhook(id: string, state: WebhookState, outcome: { atMs: number; error: string | null } | null): void {
    const atMs = outcome && Math.round(outcome.atMs);
    this.#file.write(() => this.#file.run(NOTE_WEBHOOK, state, atMs, outcome?.error ?? null, id));
  }

  /** `running`: among those that wait for the end of their job. */
  countWebhooks(): Record<'waiting' | 'running' | 'due' | 'refused', number> {
    const rows = new Map(this.#file.all(COUNT_WEBHOOKS).map((row) => [row.webhook, row]));
    const of = (state: WebhookState) => Number(rows.get(state)?.count ?? 0);
    const running = Number(rows.get('waiting')?.running ?? 0);
    return { waiting: of('waiting'), running, due: of('due'), refused: of('refused') };
  }

  /** The latest first. */
  refused(countMax: number): KeptJob[] {
    return this.#file.all(REFUSED, countMax).map(toKept);
  }

  webhookUrls(dialect: string, countMax: number): string[] {
    return this.#file.all(WEBHOOK_URLS, dialect, countMax).map((row) => String(row.webhook_url));
  }

  /** Mean of those among the latest that were done. */
  recentRunMs(countMax: number): number | undefined {
    return numberOrNull(this.#file.get(RECENT_RUN, countMax)?.ms) ?? undefined;
  }

  oldestEndedMs(): number | undefined {
    return numberOrNull(this.#file.get(OLDEST_ENDED)?.ms) ?? undefined;
  }

  /** Those that ended before, and the oldest where more are kept than may be; `batchMax` at most. How many those were. */
  forgetEnded(beforeMs: number, keptMax: number, batchMax: number): number {
    const excess = Math.max(0, this.#endedCount - keptMax);
    return this.#file.write(() => {
      const expired = this.#file.run(FORGET_ENDED, beforeMs, batchMax);
      const left = Math.min(batchMax, excess) - expired;
      const forgotten = expired + (left > 0 ? this.#file.run(FORGET_ENDED, Number.MAX_SAFE_INTEGER, left) : 0);
      this.#endedCount -= forgotten;
      return forgotten;
    });
  }

  /** Of a job that has ended. One whose receiver is not told yet is forgotten with its time. */
  forget(id: string): void {
    this.#endedCount -= this.#file.write(() => this.#file.run(FORGET, id));
  }

  close(): void {
    this.#file.close();
  }
}

function toKeptOrNothing(row: Row | undefined): KeptJob | undefined {
  return row && toKept(row);
}

function toKept(row: Row): KeptJob {
  const request = JSON.parse(String(row.request)) as Pick<
    Job,
    'filename' | 'transcription' | 'eachChannel' | 'webhook' | 'details'
  >;
  const sha256 = textOrNull(row.sha256);
  const url = textOrNull(row.url);
  const webhook = row.webhook as WebhookState;
  return {
    job: {
      id: String(row.id),
      dialect: String(row.dialect),
      ...request,
      status: row.status as JobStatus,
      source: url === null ? { sha256: sha256 ?? '', bytes: Number(row.bytes) } : { url, ...(sha256 && { sha256 }) },
      model: textOrNull(row.model),
      language: textOrNull(row.language),
      durationMs: numberOrNull(row.duration_ms),
      progress: {
        percent: Number(row.percent),
        chunk: Number(row.chunk),
        chunksTotal: numberOrNull(row.chunks_total),
      },
      error: row.error === null ? null : readError(String(row.error)),
      measurements: JSON.parse(String(row.measurements)),
      delivery: {
        state: DELIVERY_STATES[webhook],
        atMs: numberOrNull(row.webhook_at_ms),
        error: textOrNull(row.webhook_error),
      },
      createdAtMs: Number(row.created_at_ms),
      startedAtMs: numberOrNull(row.started_at_ms),
      endedAtMs: numberOrNull(row.ended_at_ms),
    },
    sequence: Number(row.sequence),
    orderMs: Number(row.order_ms),
    sha256,
    fingerprint: String(row.fingerprint),
    runs: Number(row.runs),
    failures: Number(row.failures),
    crashes: Number(row.crashes),
    webhook,
  };
}

const DELIVERY_STATES: Record<WebhookState, Delivery['state']> = {
  none: 'none',
  waiting: 'pending',
  due: 'pending',
  enqueued: 'pending',
  delivered: 'delivered',
  failed: 'failed',
  refused: 'failed',
};

function progressValues({ percent, chunk, chunksTotal }: JobProgress): [number, number, number | null] {
  return [percent, chunk, chunksTotal];
}

function textOrNull(value: unknown): string | null {
  return value === null ? null : String(value);
}

function numberOrNull(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}
