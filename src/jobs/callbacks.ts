// Owns requests whose answer is sent to a URL later. Each is on disk, its recording included, before its caller hears
// that it was accepted, and leaves the disk only when its answer is in the outbox: a restart between any two steps does
// the step again. Does not deliver (the outbox does), and does not know what an answer looks like (the dialect does).
//
// A step that is done again costs little, since the transcript is in the cache, and the outbox knows the request by its id.
import { GatewayError, toGatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Recording } from '../transcript/recording.ts';
import type { FailedMessage } from '../webhooks/message-table.ts';
import { type Outbox, withoutSecrets } from '../webhooks/outbox.ts';
import type { WebhooksSettings } from '../webhooks/settings.ts';
import { type Failure, type KeptRequest, RequestFolders, type Runs } from './request-folders.ts';
import type { JobsSettings } from './settings.ts';

/** Runs of one request that failed for reasons that may pass. With the waits below, about an hour and a half. */
const RUNS_MAX = 24;
/** Runs of one request that the process did not survive. */
const CRASHES_MAX = 3;
const RETRY_SECONDS = 5;
const RETRY_SECONDS_MAX = 300;
const FAILED_LISTED_MAX = 100;

interface Task {
  kept: KeptRequest;
  /** Those that are over. */
  runs: Runs;
}

interface FailedTask extends Task, Failure {
  cancelRetention: () => void;
}

export type Source = { url: string } | Recording;

export interface CallbackRequest {
  /** Unique, and fit for a file name. */
  id: string;
  dialect: string;
  callback: KeptRequest['callback'];
  /** Plain JSON. */
  request: unknown;
  source: Source;
}

/** What a dialect makes of a request when its turn comes. Both give JSON. */
export interface Answerer {
  answer(of: { id: string; request: unknown; source: Source }, signal: AbortSignal): Promise<string>;
  renderFailure(error: GatewayError, id: string): string;
}

/** What dialects may do with callbacks. */
export interface Callbacks {
  /** Throws `url-invalid` or `url-forbidden`. */
  check(url: string): void;
  /** Resolves when the request would survive a restart. Takes the recording over: it is released whatever happens. */
  accept(request: CallbackRequest): Promise<void>;
  /** Says who answers the requests of a dialect. */
  serve(dialect: string, answerer: Answerer): void;
}

export interface CallbackStatus {
  /** Those that are worked on among them. */
  pending: number;
  running: number;
  failed: number;
}

export interface CallbackParts {
  settings: JobsSettings & Pick<WebhooksSettings, 'WEBHOOK_FAILED_RETENTION_SECONDS'>;
  directory: string;
  outbox: Pick<Outbox, 'check' | 'enqueue'>;
  log: Log;
  clock: Clock;
  epochMs?: () => number;
}

export class CallbackQueue implements Callbacks {
  readonly #parts: CallbackParts;
  readonly #folders: RequestFolders;
  readonly #epochMs: () => number;
  readonly #answerers = new Map<string, Answerer>();
  readonly #closing = new AbortController();
  /** First come, first served. */
  readonly #waiting: Task[] = [];
  readonly #running = new Map<Task, Promise<void>>();
  /** The oldest first. */
  readonly #failed = new Map<string, FailedTask>();
  /** Accepted and not yet in the outbox, those being accepted included; the failed ones are counted by themselves. */
  #count = 0;
  #bytes = 0;

  constructor(parts: CallbackParts) {
    this.#parts = parts;
    this.#folders = new RequestFolders(parts.directory);
    this.#epochMs = parts.epochMs ?? Date.now;
  }

  check(url: string): void {
    this.#parts.outbox.check(url);
  }

  serve(dialect: string, answerer: Answerer): void {
    this.#answerers.set(dialect, answerer);
  }

  /** Takes up what an earlier process left. To be called once, when every dialect has said that it serves. */
  async resume(): Promise<void> {
    const { log } = this.#parts;
    const folders = await this.#folders.list(log);
    // What may have ended the earlier process comes last.
    folders.sort(
      (one, other) => one.runs.crashed - other.runs.crashed || one.request.acceptedAtMs - other.request.acceptedAtMs,
    );
    for (const { request: kept, runs, failure } of folders) {
      if (failure) continue;
      this.#count += 1;
      this.#bytes += bytesOf(kept);
      this.#waiting.push({ kept, runs });
    }
    const failed = folders.flatMap(({ request: kept, runs, failure }) => (failure ? [{ kept, runs, ...failure }] : []));
    failed.sort((one, other) => one.failedAtMs - other.failedAtMs);
    for (const task of failed) this.#list(task, task);
    if (this.#waiting.length > 0)
      log.info({ requests: this.#waiting.length }, 'requests with a callback taken up again');
    this.#next();
  }

  async accept({ source, ...request }: CallbackRequest): Promise<void> {
    const recording = 'path' in source ? source : undefined;
    const kept: KeptRequest = {
      ...request,
      source: 'url' in source ? source : { sha256: source.sha256, bytes: source.bytes },
      acceptedAtMs: this.#epochMs(),
    };
    this.#count += 1;
    this.#bytes += bytesOf(kept);
    try {
      if (this.#closing.signal.aborted) throw new GatewayError('shutting-down', 'The server is shutting down.');
      await this.#makeRoom();
      await this.#folders.keep(kept, recording);
      this.#waiting.push({ kept, runs: { failed: 0, crashed: 0 } });
      this.#next();
    } catch (error) {
      this.#uncount(kept);
      throw error;
    } finally {
      await recording?.release();
    }
  }

  status(): CallbackStatus {
    return { pending: this.#count, running: this.#running.size, failed: this.#failed.size };
  }

  /** The latest that were given up before there was anything to deliver; their URLs without credentials and query. */
  failed(): FailedMessage[] {
    return [...this.#failed.values()]
      .slice(-FAILED_LISTED_MAX)
      .reverse()
      .map(({ kept, runs, reason, failedAtMs }) => ({
        id: kept.id,
        url: withoutSecrets(kept.callback.url),
        attempts: runs.failed,
        reason,
        createdAtMs: kept.acceptedAtMs,
        failedAtMs,
      }));
  }

  /** Ends what runs. It is on disk, and begins anew with the next start. */
  async close(): Promise<void> {
    this.#closing.abort(new GatewayError('shutting-down', 'The server is shutting down.'));
    await Promise.all(this.#running.values());
  }

  /** Requests that wait are never dropped for a new one; those that were given up are. */
  async #makeRoom(): Promise<void> {
    const { CALLBACKS_WAITING_MAX: countMax, CALLBACK_BYTES_MAX: bytesMax } = this.#parts.settings;
    if (this.#count > countMax || this.#bytes > bytesMax) {
      throw new GatewayError('queue-full', 'Too many requests with a callback are waiting.', {
        retryAfterSeconds: RETRY_SECONDS,
      });
    }
    for (const task of this.#failed.values()) {
      const failedBytes = [...this.#failed.values()].reduce((sum, { kept }) => sum + bytesOf(kept), 0);
      if (this.#count + this.#failed.size <= countMax && this.#bytes + failedBytes <= bytesMax) return;
      await this.#forget(task);
    }
  }

  #next(): void {
    while (this.#running.size < this.#parts.settings.CALLBACK_RUNS_MAX && !this.#closing.signal.aborted) {
      const [task] = this.#waiting;
      if (!task) return;
      // Which of several runs ended the process nobody can tell, so each of them is made alone the next time.
      if (this.#running.size > 0 && [task, ...this.#running.keys()].some(({ runs }) => runs.crashed > 0)) return;
      this.#waiting.shift();
      const run = this.#run(task)
        // What stays undone stays on disk.
        .catch((error: unknown) => {
          this.#parts.log.error({ err: error, request: task.kept.id }, 'a request with a callback is left undone');
        })
        .finally(() => {
          this.#running.delete(task);
          this.#next();
        });
      this.#running.set(task, run);
    }
  }

  async #run(task: Task): Promise<void> {
    const { id } = task.kept;
    try {
      // Before anything that the process may not survive.
      await this.#folders.noteRuns(id, { ...task.runs, crashed: task.runs.crashed + 1 });
      this.#closing.signal.throwIfAborted();
      this.#enqueue(task, await this.#answer(task));
    } catch (error) {
      if (this.#closing.signal.aborted) return this.#noteRuns(task);
      task.runs = { ...task.runs, failed: task.runs.failed + 1 };
      await this.#noteRuns(task);
      const failure = toGatewayError(error);
      if (failure.retryable && task.runs.failed < RUNS_MAX) this.#postpone(task, failure);
      else await this.#giveUp(task, error);
      return;
    }
    await this.#folders.remove(id);
    this.#uncount(task.kept);
  }

  /** The answer; or the failure in the dialect's words, when there is no point in trying again. */
  async #answer({ kept, runs }: Task): Promise<string> {
    const { id, request, source } = kept;
    if (runs.crashed >= CRASHES_MAX) {
      this.#parts.log.error(
        { request: id, crashes: runs.crashed },
        'a request is not run again: the server ended each time',
      );
      return this.#renderFailure(
        kept,
        new GatewayError('internal', 'The server broke down on this request each time.'),
      );
    }
    // The file stays until the answer is in the outbox.
    const path = this.#folders.recordingPath(id);
    const given = 'url' in source ? source : { ...source, path, release: async () => {} };
    const { signal } = this.#closing;
    try {
      return await this.#answererOf(kept).answer({ id, request, source: given }, signal);
    } catch (error) {
      signal.throwIfAborted();
      const failure = toGatewayError(error);
      if (failure.retryable && runs.failed + 1 < RUNS_MAX) throw failure;
      if (failure.code === 'internal') this.#parts.log.error({ err: error, request: id }, 'bug');
      return this.#renderFailure(kept, failure);
    }
  }

  /** A receiver that cannot be sent the answer is sent why. */
  #enqueue({ kept }: Task, body: string): void {
    const { id, callback } = kept;
    const enqueue = (text: string) => this.#parts.outbox.enqueue({ id, ...callback, body: Buffer.from(text) });
    try {
      enqueue(body);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'body-too-large') throw error;
      this.#parts.log.error({ err: error, request: id, characters: body.length }, 'a failure is sent in its place');
      enqueue(this.#renderFailure(kept, error));
    }
  }

  #renderFailure(kept: KeptRequest, failure: GatewayError): string {
    return this.#answererOf(kept).renderFailure(failure, kept.id);
  }

  #answererOf({ dialect }: KeptRequest): Answerer {
    const answerer = this.#answerers.get(dialect);
    if (answerer) return answerer;
    throw new GatewayError('internal', `Nobody answers for '${dialect}'.`);
  }

  /** Others go on meanwhile. */
  #postpone(task: Task, { message: reason, retryAfterSeconds = 0 }: GatewayError): void {
    const { failed } = task.runs;
    const waitSeconds = Math.max(retryAfterSeconds, Math.min(RETRY_SECONDS * 2 ** (failed - 1), RETRY_SECONDS_MAX));
    this.#parts.log.info({ request: task.kept.id, runs: failed, waitSeconds, reason }, 'will be tried again');
    this.#parts.clock.after(waitSeconds * 1000, () => {
      this.#waiting.push(task);
      this.#next();
    });
  }

  /** Nobody can be told any more. What was accepted stays on disk, recording and all, for a person to look at. */
  async #giveUp(task: Task, error: unknown): Promise<void> {
    const { id } = task.kept;
    this.#parts.log.error({ err: error, request: id }, 'a callback is given up');
    const reason = error instanceof GatewayError ? error.message : `Unexpected: ${(error as Error).message}`;
    const failure = { reason, failedAtMs: this.#epochMs() };
    this.#uncount(task.kept);
    this.#list(task, failure);
    await this.#folders.noteFailure(id, failure);
  }

  #list({ kept, runs }: Task, { reason, failedAtMs }: Failure): void {
    const retentionMs = this.#parts.settings.WEBHOOK_FAILED_RETENTION_SECONDS * 1000;
    const leftMs = Math.max(0, failedAtMs + retentionMs - this.#epochMs());
    const task: FailedTask = {
      ...{ kept, runs, reason, failedAtMs },
      cancelRetention: this.#parts.clock.after(leftMs, () => void this.#forget(task)),
    };
    this.#failed.set(kept.id, task);
  }

  async #forget({ kept: { id }, cancelRetention }: FailedTask): Promise<void> {
    cancelRetention();
    this.#failed.delete(id);
    this.#parts.log.warn({ request: id }, 'a callback that was given up is deleted');
    await this.#folders.remove(id).catch((error: unknown) => {
      this.#parts.log.error({ err: error, request: id }, 'it could not be deleted');
    });
  }

  /** A disk that cannot be written is no reason to end what goes on without it. */
  async #noteRuns({ kept, runs }: Task): Promise<void> {
    await this.#folders.noteRuns(kept.id, runs).catch((error: unknown) => {
      this.#parts.log.error({ err: error, request: kept.id }, 'the runs of a request could not be noted');
    });
  }

  #uncount(kept: KeptRequest): void {
    this.#count -= 1;
    this.#bytes -= bytesOf(kept);
  }
}

function bytesOf({ source }: KeptRequest): number {
  return 'bytes' in source ? source.bytes : 0;
}
