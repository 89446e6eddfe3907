// Owns requests whose answer is sent to a URL later. Each is on disk, its recording included, before its caller hears
// that it was accepted, and leaves the disk only when its answer is in the outbox: a restart between any two steps does
// the step again. Does not deliver (the outbox does), and does not know what an answer looks like (the dialect does).
//
// One folder for each request: `request.json` and, unless the audio is fetched, `recording`. A step that is done again
// costs little, since the transcript is in the cache, and the outbox knows the request by its id.
import { copyFile, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Recording } from '../transcript/recording.ts';
import type { Outbox } from '../webhooks/outbox.ts';
import type { JobsSettings } from './settings.ts';

/** Runs of one request that failed for reasons that may pass. With the waits below, about an hour and a half. */
const RUNS_MAX = 24;
const RETRY_SECONDS = 5;
const RETRY_SECONDS_MAX = 300;

const keptRequest = z.object({
  id: z.string(),
  dialect: z.string(),
  callback: z.object({ url: z.string(), method: z.enum(['POST', 'PUT']) }),
  /** Whatever the dialect needs to answer. */
  request: z.unknown(),
  source: z.union([z.object({ url: z.string() }), z.object({ sha256: z.string(), bytes: z.number() })]),
  acceptedAtMs: z.number(),
});
type KeptRequest = z.infer<typeof keptRequest>;

interface Task {
  kept: KeptRequest;
  runs: number;
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

export interface CallbackParts {
  settings: JobsSettings;
  directory: string;
  outbox: Pick<Outbox, 'check' | 'enqueue'>;
  log: Log;
  clock: Clock;
  epochMs?: () => number;
}

export class CallbackQueue implements Callbacks {
  readonly #parts: CallbackParts;
  readonly #answerers = new Map<string, Answerer>();
  readonly #closing = new AbortController();
  /** First come, first served. */
  #waiting: Task[] = [];
  /** Accepted and not yet in the outbox, those being accepted included. */
  #count = 0;
  #bytes = 0;
  readonly #running = new Set<Promise<void>>();

  constructor(parts: CallbackParts) {
    this.#parts = parts;
  }

  check(url: string): void {
    this.#parts.outbox.check(url);
  }

  serve(dialect: string, answerer: Answerer): void {
    this.#answerers.set(dialect, answerer);
  }

  /** Takes up what an earlier process left. To be called once, when every dialect has said that it serves. */
  async resume(): Promise<void> {
    const { directory, log } = this.#parts;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const kept: KeptRequest[] = [];
    for (const name of await readdir(directory)) {
      try {
        if (name.endsWith(PART)) await rm(join(directory, name), { recursive: true });
        else kept.push(keptRequest.parse(JSON.parse(await readFile(this.#file(name, REQUEST), 'utf8'))));
      } catch (error) {
        log.error({ err: error, request: name }, 'a kept request cannot be read, and is left where it is');
      }
    }
    kept.sort((one, other) => one.acceptedAtMs - other.acceptedAtMs);
    this.#count += kept.length;
    for (const { source } of kept) this.#bytes += bytesOf(source);
    this.#waiting.push(...kept.map((request) => ({ kept: request, runs: 0 })));
    if (kept.length > 0) log.info({ requests: kept.length }, 'requests with a callback taken up again');
    this.#next();
  }

  async accept({ source, ...request }: CallbackRequest): Promise<void> {
    const { settings, epochMs = Date.now } = this.#parts;
    const recording = 'path' in source ? source : undefined;
    const bytes = recording?.bytes ?? 0;
    this.#count += 1;
    this.#bytes += bytes;
    try {
      if (this.#closing.signal.aborted) throw new GatewayError('shutting-down', 'The server is shutting down.');
      if (this.#count > settings.CALLBACKS_WAITING_MAX || this.#bytes > settings.CALLBACK_BYTES_MAX) {
        throw new GatewayError('queue-full', 'Too many requests with a callback are waiting.', {
          retryAfterSeconds: RETRY_SECONDS,
        });
      }
      const kept: KeptRequest = {
        ...request,
        source: 'url' in source ? source : { sha256: source.sha256, bytes },
        acceptedAtMs: epochMs(),
      };
      await this.#keep(kept, recording);
      this.#waiting.push({ kept, runs: 0 });
      this.#next();
    } catch (error) {
      this.#count -= 1;
      this.#bytes -= bytes;
      throw error;
    } finally {
      await recording?.release();
    }
  }

  /** Ends what runs. It is on disk, and begins anew with the next start. */
  async close(): Promise<void> {
    this.#closing.abort(new GatewayError('shutting-down', 'The server is shutting down.'));
    await Promise.all(this.#running);
  }

  /** Under another name until it is complete, so that half a request is never taken for one. */
  async #keep(kept: KeptRequest, recording: Recording | undefined): Promise<void> {
    const { directory } = this.#parts;
    const part = `${kept.id}${PART}`;
    await mkdir(join(directory, part), { mode: 0o700 });
    try {
      if (recording) {
        await move(recording.path, this.#file(part, RECORDING));
        await sync(this.#file(part, RECORDING));
      }
      const file = await open(this.#file(part, REQUEST), 'wx', 0o600);
      await file.writeFile(JSON.stringify(kept)).finally(() => file.close());
      await sync(this.#file(part, REQUEST));
      await sync(join(directory, part));
      await rename(join(directory, part), join(directory, kept.id));
      await sync(directory);
    } catch (error) {
      await rm(join(directory, part), { recursive: true, force: true });
      throw error;
    }
  }

  #next(): void {
    while (this.#running.size < this.#parts.settings.CALLBACK_RUNS_MAX && !this.#closing.signal.aborted) {
      const task = this.#waiting.shift();
      if (!task) return;
      const run: Promise<void> = this.#attempt(task)
        // What stays undone stays on disk.
        .catch((error: unknown) => {
          if (this.#closing.signal.aborted) return;
          this.#parts.log.error({ err: error, request: task.kept.id }, 'a request with a callback is left undone');
        })
        .finally(() => {
          this.#running.delete(run);
          this.#next();
        });
      this.#running.add(run);
    }
  }

  async #attempt(task: Task): Promise<void> {
    const { outbox, directory } = this.#parts;
    const { id, callback, source } = task.kept;
    task.runs += 1;
    try {
      outbox.enqueue({ id, ...callback, body: Buffer.from(await this.#answer(task)) });
    } catch (error) {
      this.#closing.signal.throwIfAborted();
      const failure = toGatewayError(error);
      if (failure.retryable && task.runs < RUNS_MAX) return this.#postpone(task, failure);
      // The receiver can no longer be told. It can be read here.
      this.#parts.log.error({ err: error, request: id }, 'a callback is given up');
    }
    await rm(join(directory, id), { recursive: true, force: true });
    this.#count -= 1;
    this.#bytes -= bytesOf(source);
  }

  /** The answer; or the failure in the dialect's words, when there is no point in trying again. */
  async #answer({ kept, runs }: Task): Promise<string> {
    const { id, dialect, request, source } = kept;
    const answerer = this.#answerers.get(dialect);
    if (!answerer) throw new GatewayError('internal', `Nobody answers for '${dialect}'.`);
    // The file stays until the answer is in the outbox.
    const path = this.#file(id, RECORDING);
    const given = 'url' in source ? source : { ...source, path, release: async () => {} };
    const { signal } = this.#closing;
    try {
      return await answerer.answer({ id, request, source: given }, signal);
    } catch (error) {
      signal.throwIfAborted();
      const failure = toGatewayError(error);
      if (failure.retryable && runs < RUNS_MAX) throw failure;
      if (failure.code === 'internal') this.#parts.log.error({ err: error, request: id }, 'bug');
      return answerer.renderFailure(failure, id);
    }
  }

  /** Others go on meanwhile. */
  #postpone(task: Task, { message: reason, retryAfterSeconds = 0 }: GatewayError): void {
    const waitSeconds = Math.max(retryAfterSeconds, Math.min(RETRY_SECONDS * 2 ** (task.runs - 1), RETRY_SECONDS_MAX));
    this.#parts.log.info({ request: task.kept.id, runs: task.runs, waitSeconds, reason }, 'will be tried again');
    this.#parts.clock.after(waitSeconds * 1000, () => {
      this.#waiting.push(task);
      this.#next();
    });
  }

  #file(request: string, name: string): string {
    return join(this.#parts.directory, request, name);
  }
}

const PART = '.part';
const REQUEST = 'request.json';
const RECORDING = 'recording';

function bytesOf(source: KeptRequest['source']): number {
  return 'bytes' in source ? source.bytes : 0;
}

/** The spool may be a file system of its own. */
async function move(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EXDEV') throw error;
    return copyFile(from, to);
  });
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}
