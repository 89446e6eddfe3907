// Jobs and models that a test moves by hand, for dialects: nothing runs, nothing is on disk.
import { GatewayError } from '../errors.ts';
import {
  JOB_STATUSES,
  type Job,
  type JobEvent,
  type JobPage,
  type JobProgress,
  type JobRenderer,
  type JobStatus,
  type Jobs,
  type NewJob,
} from '../jobs/job.ts';
import { type Transcript, transcriptText } from '../transcript/transcript.ts';
import type { ModelEvent, ModelLifecycle, ModelStatus, ResultWriters } from './dialect.ts';

export const ACCEPTED_AT_MS = Date.parse('2026-01-02T03:04:05.678Z');

export class FakeJobs implements Jobs {
  readonly accepted: NewJob[] = [];
  readonly renderers = new Map<string, JobRenderer>();
  readonly #jobs = new Map<string, Job>();
  readonly #transcripts = new Map<string, Transcript[]>();
  readonly #watchers = new Set<(event: JobEvent) => void>();
  #sequence = 0;
  /** Of the webhook's URL. */
  refusal: GatewayError | undefined;
  /** May throw what keeps a job from being accepted. */
  onAccept: () => void = () => {};

  checkWebhook(): void {
    if (this.refusal) throw this.refusal;
  }

  async accept(given: NewJob): Promise<{ job: Job; isRepeat: boolean }> {
    const { source, idempotencyKey, ...rest } = given;
    if ('release' in source) await source.release();
    this.onAccept();
    const scopeOf = ({ dialect, transcription }: NewJob) => `${dialect} ${transcription.caller}`;
    const known = this.accepted.find(
      (other) =>
        idempotencyKey !== null && other.idempotencyKey === idempotencyKey && scopeOf(other) === scopeOf(given),
    );
    if (known) return { job: this.#known(known.dialect, known.id), isRepeat: true };
    const waiting = [...this.#jobs.values()].filter(({ status }) => status === 'queued').length;
    this.accepted.push(given);
    const job: Job = {
      ...rest,
      source: 'url' in source ? source : { sha256: source.sha256, bytes: source.bytes },
      status: 'queued',
      model: null,
      language: null,
      durationMs: null,
      progress: { percent: 0, chunk: 0, chunksTotal: null },
      error: null,
      measurements: null,
      delivery: { state: rest.webhook ? 'pending' : 'none', atMs: null, error: null },
      createdAtMs: ACCEPTED_AT_MS,
      startedAtMs: null,
      endedAtMs: null,
      position: waiting + 1,
      estimatedWaitMs: 12_000 * waiting,
    };
    this.#jobs.set(job.id, job);
    return { job, isRepeat: false };
  }

  /** Moves a job by hand, and tells those who watch it. */
  change(id: string, change: Partial<Job>, transcripts?: Transcript[]): Job {
    const before = this.#jobs.get(id);
    if (!before) throw new Error(`no job ${id}`);
    const position = (change.status ?? before.status) === 'queued' ? before.position : null;
    const job = { ...before, position, estimatedWaitMs: position && before.estimatedWaitMs, ...change };
    this.#jobs.set(id, job);
    if (transcripts) this.#transcripts.set(id, transcripts);
    const isEnded = ['done', 'failed', 'cancelled'].includes(job.status);
    for (const tell of this.#watchers) tell(isEnded ? { type: 'ended', job } : this.#progressOf(job.progress));
    return job;
  }

  begin(id: string): Job {
    return this.change(id, { status: 'running', startedAtMs: ACCEPTED_AT_MS + 1500 });
  }

  finish(id: string, ...transcripts: Transcript[]): Job {
    const { model = null, language = null, durationMs = null } = transcripts[0] ?? {};
    return this.change(
      id,
      {
        ...{ status: 'done', model, language, durationMs },
        progress: { percent: 100, chunk: 1, chunksTotal: 1 },
        startedAtMs: ACCEPTED_AT_MS + 1500,
        endedAtMs: ACCEPTED_AT_MS + 4000,
      },
      transcripts,
    );
  }

  fail(id: string, error: GatewayError): Job {
    return this.change(id, { status: 'failed', error, endedAtMs: ACCEPTED_AT_MS + 4000 });
  }

  find(dialect: string, id: string): Job | undefined {
    const job = this.#jobs.get(id);
    return job?.dialect === dialect ? job : undefined;
  }

  list(dialect: string, filter: { status?: JobStatus; limit: number; offset: number }): JobPage {
    const all = [...this.#jobs.values()]
      .reverse()
      .filter((job) => job.dialect === dialect && (!filter.status || job.status === filter.status));
    return { jobs: all.slice(filter.offset, filter.offset + filter.limit), total: all.length };
  }

  transcripts(dialect: string, id: string): Transcript[] | undefined {
    return this.find(dialect, id)?.status === 'done' ? this.#transcripts.get(id) : undefined;
  }

  async cancel(dialect: string, id: string): Promise<Job> {
    const job = this.#known(dialect, id);
    if (job.status !== 'queued' && job.status !== 'running') {
      throw new GatewayError('job-ended', `The job ${id} has ended: ${job.status}.`);
    }
    return this.change(id, { status: 'cancelled', endedAtMs: ACCEPTED_AT_MS + 2000 });
  }

  async remove(dialect: string, id: string): Promise<void> {
    this.#known(dialect, id);
    this.#jobs.delete(id);
  }

  async *watch(
    dialect: string,
    id: string,
    { afterSequence = 0, signal }: { afterSequence?: number; signal: AbortSignal },
  ): AsyncGenerator<JobEvent> {
    const job = this.#known(dialect, id);
    const pending: JobEvent[] = [];
    let wake = () => {};
    const tell = (event: JobEvent) => {
      pending.push(event);
      wake();
    };
    const isEnded = !['queued', 'running'].includes(job.status);
    tell(isEnded ? { type: 'ended', job } : this.#progressOf(job.progress));
    this.#watchers.add(tell);
    signal.addEventListener('abort', () => wake());
    try {
      while (!signal.aborted) {
        const event = pending.shift();
        if (!event) await new Promise<void>((resolve) => (wake = resolve));
        else if (event.type === 'ended') return void (yield event);
        else if (event.sequence > afterSequence) yield event;
      }
    } finally {
      this.#watchers.delete(tell);
    }
  }

  counts(dialect: string): Record<JobStatus, number> {
    const of = (status: JobStatus) => this.list(dialect, { status, limit: 0, offset: 0 }).total;
    return Object.fromEntries(JOB_STATUSES.map((status) => [status, of(status)])) as Record<JobStatus, number>;
  }

  serve(dialect: string, renderer: JobRenderer): void {
    this.renderers.set(dialect, renderer);
  }

  #known(dialect: string, id: string): Job {
    const job = this.find(dialect, id);
    if (!job) throw new GatewayError('job-unknown', `There is no job ${id}.`);
    return job;
  }

  #progressOf(progress: JobProgress): JobEvent {
    this.#sequence += 1;
    return { type: 'progress', sequence: this.#sequence, ...progress };
  }
}

export class FakeLifecycle implements ModelLifecycle {
  readonly asked: [verb: 'status' | 'load' | 'unload', model: string | null][] = [];
  state: ModelStatus = {
    model: 'base',
    state: 'unloaded',
    loadedAtMs: null,
    neededMb: 548,
    gpu: null,
    retryInSeconds: null,
  };
  refusal: GatewayError | undefined;
  readonly #tellers = new Set<(event: ModelEvent) => void>();

  async status(model: string | null): Promise<ModelStatus> {
    return this.#answer('status', model, this.state);
  }

  async load(model: string | null): Promise<'initiated' | 'ready'> {
    return this.#answer('load', model, this.state.state === 'ready' ? 'ready' : 'initiated');
  }

  async unload(model: string | null): Promise<void> {
    this.#answer('unload', model, undefined);
  }

  tell(event: ModelEvent): void {
    for (const tell of this.#tellers) tell(event);
  }

  async *events(signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const pending: ModelEvent[] = [];
    let wake = () => {};
    const tell = (event: ModelEvent) => {
      pending.push(event);
      wake();
    };
    this.#tellers.add(tell);
    signal.addEventListener('abort', () => wake());
    try {
      while (!signal.aborted) {
        const event = pending.shift();
        if (event) yield event;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#tellers.delete(tell);
    }
  }

  #answer<Answer>(verb: 'status' | 'load' | 'unload', model: string | null, answer: Answer): Answer {
    this.asked.push([verb, model]);
    if (this.refusal) throw this.refusal;
    return answer;
  }
}

const writer = (format: string) => async (transcript: Transcript) => ({
  contentType: format === 'json' || format === 'deepgram' ? 'application/json' : 'text/plain',
  body: `${format}: ${transcriptText(transcript)}`,
});

export const FAKE_WRITERS: ResultWriters = {
  json: writer('json'),
  text: writer('text'),
  srt: writer('srt'),
  vtt: writer('vtt'),
  verbose_json: writer('verbose_json'),
  deepgram: writer('deepgram'),
};
