// Owns the durable, asynchronous requests, from the moment that one is accepted until it is forgotten: DESIGN.md has the steps
// and what a crash at each does. Puts together who keeps (store.ts, recordings.ts), who works (runner.ts) and who tells
// (events.ts, webhooks.ts). Does not know how audio becomes text, nor what any dialect's document looks like.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Transcript } from '../transcript/transcript.ts';
import { type Outbox, withoutSecrets } from '../webhooks/outbox.ts';
import { Watchers } from './events.ts';
import type { Job, JobEvent, JobPage, JobRenderer, JobStatus, Jobs, NewJob } from './job.ts';
import { Recordings } from './recordings.ts';
import type { RunParts } from './run.ts';
import { Runner } from './runner.ts';
import type { JobsSettings } from './settings.ts';
import { JobStore, type KeptJob } from './store.ts';
import { Webhooks } from './webhooks.ts';

/** Until somebody who found no room may ask again. */
const RETRY_SECONDS = 5;
/** How many jobs are forgotten at a time, so that nobody waits for it. */
const FORGOTTEN_BATCH = 100;
/** Until a store that could not be changed is tried again. */
const STORAGE_REST_MS = 30_000;
const REFUSED_LISTED_MAX = 100;
const WEBHOOK_URLS_MAX = 1000;

export interface JobsParts extends RunParts {
  settings: JobsSettings;
  outbox: Pick<Outbox, 'check' | 'enqueue' | 'find' | 'observe'>;
  /** A job of the next rank is put behind those that come this much later. */
  agingMs: number;
  rankOf(model: string): Promise<number>;
  log: Log;
  clock: Clock;
  /** Wall time, for what outlives the process. */
  epochMs?: () => number;
}

/** What has become of requests whose answer is sent to a URL, until the outbox has it. */
export interface WebhookStatus {
  pending: number;
  running: number;
  failed: number;
  /** The latest first; URLs without credentials and query. */
  failures: { id: string; url: string; attempts: number; reason: string; createdAtMs: number; failedAtMs: number }[];
}

export function createJobs({
  directory,
  ...parts
}: Omit<JobsParts, 'store' | 'recordings'> & { directory: string }): DurableJobs {
  const recordings = new Recordings({
    directory: join(directory, 'audio'),
    bytesMax: parts.settings.JOB_BYTES_MAX,
    log: parts.log,
  });
  return new DurableJobs({ ...parts, store: new JobStore(directory), recordings });
}

export class DurableJobs implements Jobs {
  readonly #parts: JobsParts;
  readonly #renderers = new Map<string, JobRenderer>();
  readonly #watchers = new Watchers();
  readonly #runner: Runner;
  readonly #webhooks: Webhooks;
  /** Of wall time, when the clock stood at zero: within one process, setting the machine's time moves nothing. */
  readonly #originMs: number;
  /** On their way to the disk. */
  #arriving = 0;
  #isStopping = false;
  #cancelForgetting = () => {};

  constructor(parts: JobsParts) {
    this.#parts = parts;
    this.#originMs = (parts.epochMs ?? Date.now)() - parts.clock.nowMs();
    const nowMs = () => this.#nowMs();
    const rendererOf = (dialect: string) => this.#renderers.get(dialect);
    this.#webhooks = new Webhooks({ ...parts, nowMs, rendererOf, onSettled: () => this.#forgetEnded() });
    this.#runner = new Runner({
      ...parts,
      nowMs,
      rendererOf,
      onProgress: (id, { sequence, progress }) => this.#watchers.tell(id, { type: 'progress', sequence, ...progress }),
      onEnded: (kept) => this.#onEnded(kept),
    });
  }

  /** Finds what an earlier process left. To be called once, before anything else, when every dialect has said that it serves. */
  resume(): void {
    const { store, recordings, log } = this.#parts;
    store.recover(this.#nowMs());
    const unfinished = store.unfinished();
    const lost: KeptJob[] = [];
    for (const kept of unfinished) {
      if (kept.sha256 === null || recordings.hold(kept.sha256)) this.#runner.add(kept);
      else lost.push(kept);
    }
    recordings.removeOthers();
    for (const kept of lost) this.#lose(kept);
    if (unfinished.length > 0) log.info({ jobs: unfinished.length }, 'jobs taken up again');
  }

  /** Begins to work, once nothing can keep the server from its start: a run that is going on then counts as the reason. */
  start(): void {
    this.#webhooks.resume();
    this.#runner.start();
    this.#forgetEnded();
  }

  checkWebhook(url: string): void {
    this.#parts.outbox.check(url);
  }

  serve(dialect: string, renderer: JobRenderer): void {
    this.#renderers.set(dialect, renderer);
  }

  async accept(job: NewJob): Promise<{ job: Job; isRepeat: boolean }> {
    assert(/^[\w.-]{1,128}$/.test(job.id), 'an id is a file name and a header');
    const recording = 'stored' in job.source ? job.source : undefined;
    const fingerprint = fingerprintOf(job);
    try {
      if (this.#isStopping) throw new GatewayError('shutting-down', 'The server is shutting down.');
      const repeated = this.#findRepeated(job, fingerprint);
      if (repeated) return repeated;
      this.#checkRoom();
      this.#arriving += 1;
      try {
        const rank = await this.#parts.rankOf(job.transcription.model);
        if (recording) await this.#parts.recordings.keep(recording);
        return this.#insert(job, fingerprint, rank * this.#parts.agingMs);
      } finally {
        this.#arriving -= 1;
      }
    } finally {
      await recording?.release();
    }
  }

  find(dialect: string, id: string): Job | undefined {
    const kept = this.#parts.store.find(id);
    return kept?.job.dialect === dialect ? this.#describe(kept) : undefined;
  }

  list(dialect: string, filter: { status?: JobStatus; limit: number; offset: number }): JobPage {
    const counts = this.counts(dialect);
    const total = filter.status ? counts[filter.status] : Object.values(counts).reduce((sum, count) => sum + count, 0);
    return { jobs: this.#parts.store.list(dialect, filter).map((kept) => this.#describe(kept)), total };
  }

  transcripts(dialect: string, id: string): Transcript[] | undefined {
    return this.find(dialect, id) && this.#parts.store.transcripts(id);
  }

  async cancel(dialect: string, id: string): Promise<Job> {
    const known = this.#known(dialect, id);
    const { progress } = this.#runner.progressOf(known);
    const ended = this.#parts.store.end(id, {
      ...{ status: 'cancelled', endedAtMs: this.#nowMs() },
      ...{ progress, measurements: known.job.measurements },
    });
    if (!ended) throw new GatewayError('job-ended', `The job ${id} has ended: ${known.job.status}.`);
    this.#onEnded(ended);
    await this.#runner.release(id);
    return this.#describe(ended);
  }

  async remove(dialect: string, id: string): Promise<void> {
    if (this.#known(dialect, id).job.endedAtMs === null) {
      await this.cancel(dialect, id).catch((error: unknown) => {
        // It came to its end by itself meanwhile.
        if (!(error instanceof GatewayError && error.code === 'job-ended')) throw error;
      });
    }
    // Nobody could say what to send once it is forgotten.
    await this.#webhooks.send(id);
    this.#parts.store.forget(id);
    this.#watchers.leave(id);
  }

  async *watch(
    dialect: string,
    id: string,
    options: { afterSequence?: number; signal: AbortSignal },
  ): AsyncGenerator<JobEvent> {
    const kept = this.#known(dialect, id);
    const { sequence, progress } = this.#runner.progressOf(kept);
    const now: JobEvent =
      kept.job.endedAtMs === null
        ? { type: 'progress', sequence, ...progress }
        : { type: 'ended', job: this.#describe(kept) };
    yield* this.#watchers.watch(id, now, options);
  }

  counts(dialect: string): Record<JobStatus, number> {
    return this.#parts.store.counts(dialect);
  }

  /** Whoever wants to hear of this dialect's jobs may want to hear of the server, too. */
  webhookUrls(dialect: string): string[] {
    return this.#parts.store.webhookUrls(dialect, WEBHOOK_URLS_MAX);
  }

  webhookStatus(): WebhookStatus {
    const { waiting, running, due, refused } = this.#parts.store.countWebhooks();
    const failures = this.#parts.store.refused(REFUSED_LISTED_MAX).map(({ job }) => ({
      ...{ id: job.id, url: withoutSecrets(job.webhook?.url ?? ''), attempts: 0, reason: job.delivery.error ?? '' },
      ...{ createdAtMs: job.createdAtMs, failedAtMs: job.delivery.atMs ?? 0 },
    }));
    return { pending: waiting + due, running, failed: refused, failures };
  }

  /** Takes up nothing more and ends what runs: it is on disk, and goes on with the next start. What is kept can be seen. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cancelForgetting();
    this.#watchers.close();
    await this.#runner.stop();
    await this.#webhooks.close();
  }

  /** After `stop`, and after the outbox has closed. */
  close(): void {
    this.#parts.store.close();
  }

  /** All of it in one go: of two that come at the same time, the second finds the first. */
  #insert(job: NewJob, fingerprint: string, delayMs: number): { job: Job; isRepeat: boolean } {
    const { store, recordings } = this.#parts;
    let kept: KeptJob | undefined;
    try {
      const repeated = this.#findRepeated(job, fingerprint);
      if (repeated) return repeated;
      const createdAtMs = this.#nowMs();
      kept = store.insert(job, { createdAtMs, orderMs: createdAtMs + delayMs, fingerprint });
    } finally {
      if (!kept && 'stored' in job.source) recordings.drop(job.source.sha256);
    }
    this.#runner.add(kept);
    const accepted = this.#describe(kept);
    this.#runner.takeUp();
    return { job: accepted, isRepeat: false };
  }

  #findRepeated(job: NewJob, fingerprint: string): { job: Job; isRepeat: boolean } | undefined {
    const earlier = job.idempotencyKey === null ? undefined : this.#parts.store.findRepeated(job);
    if (!earlier) return undefined;
    if (earlier.fingerprint === fingerprint) return { job: this.#describe(earlier), isRepeat: true };
    throw new GatewayError('idempotency-key-reused', 'The idempotency key was used for another request.');
  }

  #checkRoom(): void {
    if (this.#runner.count + this.#arriving < this.#parts.settings.JOBS_WAITING_MAX) return;
    throw new GatewayError('queue-full', 'Too many jobs are waiting.', { retryAfterSeconds: RETRY_SECONDS });
  }

  /** Its recording is not where it was put: what was fetched is fetched again. */
  #lose(kept: KeptJob): void {
    const { store, log } = this.#parts;
    const { id, source, progress, measurements } = kept.job;
    log.error({ job: id }, 'the recording of a job is gone');
    if ('url' in source) {
      store.noteRecording(id, null, null);
      this.#runner.add(kept);
      return;
    }
    const error = new GatewayError('internal', 'The recording of the job is gone.');
    store.end(id, { status: 'failed', error, endedAtMs: this.#nowMs(), progress, measurements });
  }

  #onEnded(kept: KeptJob): void {
    const { id, status } = kept.job;
    if (kept.sha256 !== null) this.#parts.recordings.drop(kept.sha256);
    this.#parts.log.info({ job: id, status, error: kept.job.error?.code }, 'a job has ended');
    this.#watchers.tell(id, { type: 'ended', job: this.#describe(kept) });
    if (kept.webhook === 'due') void this.#webhooks.send(id);
    this.#forgetEndedAfter(0); // even where nothing is kept, those who watch have been told by then
  }

  /** Those whose time is over, and wakes up for the next. */
  #forgetEnded(): void {
    if (this.#isStopping) return;
    this.#cancelForgetting();
    const { store, settings, log } = this.#parts;
    const retentionMs = settings.JOB_RETENTION_SECONDS * 1000;
    let delayMs: number | undefined;
    try {
      const count = store.forgetEnded(this.#nowMs() - retentionMs, settings.JOBS_KEPT_MAX, FORGOTTEN_BATCH);
      const oldestMs = store.oldestEndedMs();
      if (count === FORGOTTEN_BATCH) delayMs = 0;
      else if (oldestMs !== undefined) delayMs = Math.max(0, oldestMs + retentionMs - this.#nowMs());
    } catch (error) {
      log.error({ err: error }, 'jobs that ended could not be forgotten');
      delayMs = STORAGE_REST_MS;
    }
    if (delayMs !== undefined) this.#forgetEndedAfter(delayMs);
  }

  #forgetEndedAfter(delayMs: number): void {
    this.#cancelForgetting();
    this.#cancelForgetting = this.#parts.clock.after(delayMs, () => this.#forgetEnded());
  }

  #known(dialect: string, id: string): KeptJob {
    const kept = this.#parts.store.find(id);
    if (kept?.job.dialect === dialect) return kept;
    throw new GatewayError('job-unknown', `There is no job ${id}.`);
  }

  #describe(kept: KeptJob): Job {
    const { job } = kept;
    const isOver = job.endedAtMs !== null;
    const position = isOver ? null : this.#runner.positionOf(job.id);
    return {
      ...job,
      delivery: this.#webhooks.deliveryOf(kept),
      progress: isOver ? job.progress : this.#runner.progressOf(kept).progress,
      position,
      estimatedWaitMs: position === null ? null : this.#runner.estimateWaitMs(position),
    };
  }

  #nowMs(): number {
    return this.#originMs + this.#parts.clock.nowMs();
  }
}

/** What must be the same for two requests to be one. */
function fingerprintOf({ source, transcription, eachChannel, details, webhook }: NewJob): string {
  const what = 'url' in source ? source.url : source.sha256;
  const text = JSON.stringify([what, transcription, eachChannel, details, webhook]);
  return createHash('sha256').update(text).digest('hex');
}
