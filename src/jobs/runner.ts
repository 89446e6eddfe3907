// Owns which jobs run, and what follows a run: the end, or another try. Every change of a job is in the store before anything
// depends on it. Does not accept jobs and tells nobody of them: whoever owns the runner hears of every end and all progress.
import { GatewayError, toGatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Transcript } from '../transcript/transcript.ts';
import type { JobProgress, JobRenderer } from './job.ts';
import { type RunParts, runJob } from './run.ts';
import type { JobsSettings } from './settings.ts';
import type { Ending, KeptJob } from './store.ts';
import { type WaitingJob, WaitingJobs } from './waiting.ts';

/** Runs in a row that failed without finishing another chunk. With the rests below, two and a half minutes. */
const FAILURES_MAX = 6;
/** Runs in a row that the process did not survive and that finished no chunk. */
const CRASHES_MAX = 3;
const REST_SECONDS = 5;
/** For a rest that nobody asked for. */
const REST_SECONDS_MAX = 60;
const ASKED_REST_SECONDS_MAX = 300;
/** How much the latest run counts in the mean. */
const MEAN_WEIGHT = 0.2;
/** How many of the last jobs say at the start how long one takes. */
const MEAN_JOBS = 20;
/** More progress than a run can make: the numbers of one run stay below those of the next. */
const EVENTS_MAX = 2 ** 20;

/** What will be there in time, and no fault of the job: waiting for it is bounded by time alone. */
const WAITS: ReadonlySet<string> = new Set(['model-not-ready', 'gpu-memory-short', 'queue-full', 'disk-full']);

export interface RunnerParts extends RunParts {
  settings: JobsSettings;
  log: Log;
  clock: Clock;
  nowMs(): number;
  rendererOf(dialect: string): JobRenderer | undefined;
  onProgress(id: string, progress: LiveProgress): void;
  onEnded(kept: KeptJob): void;
}

export interface LiveProgress {
  sequence: number;
  progress: JobProgress;
}

interface Running {
  job: WaitingJob;
  abort: AbortController;
  live: LiveProgress | undefined;
  done: Promise<void>;
}

export class Runner {
  readonly #parts: RunnerParts;
  readonly #waiting = new WaitingJobs();
  readonly #running = new Map<string, Running>();
  #isStarted = false;
  #stopping: GatewayError | undefined;
  #meanRunMs: number | undefined;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#meanRunMs = parts.store.recentRunMs(MEAN_JOBS);
  }

  /** Waiting or running. */
  get count(): number {
    return this.#waiting.count + this.#running.size;
  }

  /** Takes up nothing before this. */
  start(): void {
    this.#isStarted = true;
    this.takeUp();
  }

  /** Behind those before it. To be taken up, too. */
  add({ job: { id }, orderMs, sequence, crashes }: KeptJob): void {
    this.#waiting.add({ id, orderMs, sequence, isResting: false, rests: 0, isSuspect: crashes > 0 });
  }

  /** The job has ended in the store. Resolves when its run, if there is one, has let go of everything. */
  async release(id: string): Promise<void> {
    if (this.#waiting.remove(id)) this.takeUp();
    const running = this.#running.get(id);
    running?.abort.abort(new GatewayError('job-ended', 'The job was cancelled.'));
    await running?.done;
  }

  progressOf({ job, runs }: KeptJob): LiveProgress {
    return this.#running.get(job.id)?.live ?? { sequence: (runs + 1) * EVENTS_MAX - 1, progress: job.progress };
  }

  positionOf(id: string): number | null {
    return this.#waiting.positionOf(id) ?? null;
  }

  /** Until the one at this position starts. */
  estimateWaitMs(position: number): number | null {
    if (this.#meanRunMs === undefined) return null;
    const ahead = position - 1 + this.#running.size;
    return Math.round(Math.floor(ahead / this.#parts.settings.JOBS_RUNNING_MAX) * this.#meanRunMs);
  }

  /** Ends what runs. It waits in the store for the next start. */
  async stop(): Promise<void> {
    this.#stopping = new GatewayError('shutting-down', 'The server is shutting down.');
    for (const { abort } of this.#running.values()) abort.abort(this.#stopping);
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  /** As many as may run. */
  takeUp(): void {
    if (!this.#isStarted) return;
    while (this.#running.size < this.#parts.settings.JOBS_RUNNING_MAX && !this.#stopping) {
      const job = this.#waiting.next();
      if (!job) return;
      // Which of several runs ended the process nobody can tell, so each of them is made alone the next time.
      const others = [...this.#running.values()].map((running) => running.job);
      if (others.length > 0 && [job, ...others].some(({ isSuspect }) => isSuspect)) return;
      this.#waiting.remove(job.id);
      this.#start(job);
    }
  }

  #start(job: WaitingJob): void {
    const running: Running = { job, abort: new AbortController(), live: undefined, done: Promise.resolve() };
    this.#running.set(job.id, running);
    running.done = this.#run(running).finally(() => {
      this.#running.delete(job.id);
      this.takeUp();
    });
  }

  /** Never rejects. What stays undone stays in the store. */
  async #run(running: Running): Promise<void> {
    const { store, log } = this.#parts;
    const { id } = running.job;
    try {
      // Before anything that the process may not survive.
      const kept = store.begin(id, this.#parts.nowMs());
      if (!kept) return;
      running.live = { sequence: kept.runs * EVENTS_MAX, progress: kept.job.progress };
      const measured = this.#measure(kept);
      const outcome = await this.#attempt(kept, running);
      this.#settle(running, kept, outcome, measured());
    } catch (error) {
      log.error({ err: error, job: id }, 'what became of a run could not be written');
      this.#rest(running.job, toGatewayError(error));
    }
  }

  async #attempt(kept: KeptJob, running: Running): Promise<Outcome> {
    const { id } = kept.job;
    if (kept.crashes >= CRASHES_MAX) {
      this.#parts.log.error({ job: id, crashes: kept.crashes }, 'a job is not run again: the server ended each time');
      return { error: new GatewayError('internal', 'The server broke down on this job each time.') };
    }
    const listener = {
      onProgress: (progress: JobProgress) => {
        running.live = { sequence: (running.live?.sequence ?? 0) + 1, progress };
        this.#parts.onProgress(id, running.live);
      },
      onChunk: () => {
        kept.failures = 0;
        running.job.rests = 0;
        if (!running.job.isSuspect) return;
        running.job.isSuspect = false;
        this.takeUp();
      },
    };
    try {
      return { transcripts: await runJob(kept, this.#parts, listener, running.abort.signal) };
    } catch (error) {
      return { error };
    }
  }

  // 1. Cancelled: its end is in the store. 2. Done. 3. The server stops: the next start begins where this one was.
  // 4. A failure that may pass: others go on meanwhile. 5. Any other is the end.
  #settle({ job, abort, live }: Running, kept: KeptJob, outcome: Outcome, measurements: unknown): void {
    const { store, log } = this.#parts;
    const { id, progress: before } = kept.job;
    const progress = live?.progress ?? before;
    if (abort.signal.aborted && !this.#stopping) return;
    if ('transcripts' in outcome) {
      const whole = { ...progress, percent: 100, chunk: progress.chunksTotal ?? progress.chunk };
      const ended = this.#end(id, { status: 'done', progress: whole, measurements, ...outcome });
      if (ended) this.#noteDuration(ended);
      return;
    }
    if (this.#stopping) {
      store.requeue(id, kept.failures, progress);
      return;
    }
    const failure = toGatewayError(outcome.error);
    if (this.#mayPass(failure, kept)) {
      store.requeue(id, WAITS.has(failure.code) ? kept.failures : kept.failures + 1, progress);
      this.#rest(job, failure);
      return;
    }
    if (failure.code === 'internal') log.error({ err: outcome.error, job: id }, 'bug');
    this.#end(id, { status: 'failed', error: failure, progress, measurements });
  }

  #mayPass(failure: GatewayError, { job, failures }: KeptJob): boolean {
    const ageMs = this.#parts.nowMs() - job.createdAtMs;
    if (WAITS.has(failure.code)) return ageMs < this.#parts.settings.JOB_SECONDS_MAX * 1000;
    const isPassing = failure.retryable || failure.remoteFault?.kind === 'server-error';
    return isPassing && failures + 1 < FAILURES_MAX;
  }

  #end(id: string, ending: Omitted<Ending, 'endedAtMs'>): KeptJob | undefined {
    const ended = this.#parts.store.end(id, { ...ending, endedAtMs: this.#parts.nowMs() });
    if (ended) this.#parts.onEnded(ended);
    return ended;
  }

  /** It waits at its place, and is passed over. */
  #rest(job: WaitingJob, { code, message: reason, retryAfterSeconds = 0 }: GatewayError): void {
    const usualSeconds = Math.min(REST_SECONDS * 2 ** job.rests, REST_SECONDS_MAX);
    const restMs = Math.max(usualSeconds, Math.min(retryAfterSeconds, ASKED_REST_SECONDS_MAX)) * 1000;
    this.#parts.log.info({ job: job.id, restMs, code, reason }, 'a job will be tried again');
    job.rests += 1;
    job.isResting = true;
    this.#waiting.add(job);
    // No clock is asked whether the time is over: Node's timers are up as much as a millisecond before it.
    this.#parts.clock.after(restMs, () => {
      job.isResting = false;
      this.takeUp();
    });
  }

  /** What a dialect's bug must not cost is the transcript. */
  #measure({ job }: KeptJob): () => unknown {
    const guarded = <Result>(task: () => Result): Result | undefined => {
      try {
        return task();
      } catch (error) {
        this.#parts.log.error({ err: error, job: job.id }, 'a run could not be measured');
        return undefined;
      }
    };
    const measured = guarded(() => this.#parts.rendererOf(job.dialect)?.measure?.());
    return () => guarded(() => measured?.());
  }

  #noteDuration({ job: { startedAtMs, endedAtMs } }: KeptJob): void {
    if (startedAtMs === null || endedAtMs === null) return;
    const mean = this.#meanRunMs ?? endedAtMs - startedAtMs;
    this.#meanRunMs = mean + MEAN_WEIGHT * (endedAtMs - startedAtMs - mean);
  }
}

type Outcome = { transcripts: Transcript[] } | { error: unknown };

/** Of each kind by itself. */
type Omitted<Kinds, Key extends PropertyKey> = Kinds extends unknown ? Omit<Kinds, Key> : never;
