// Owns the downloads that requests set off: one per model, a few at a time, failures remembered for a while.
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { published, type Source } from './catalogue.ts';
import { readHeader } from './header.ts';

interface DownloadReport {
  receivedBytes: number;
  totalBytes: number | undefined;
  source: string;
}

/** What fetches one file: `backends/download.mjs`. */
export type Download = (options: {
  target: string;
  sources: readonly Source[];
  bytes?: number | undefined;
  sha256?: string | undefined;
  sha1?: string | undefined;
  verify?: (path: string) => Promise<void>;
  signal?: AbortSignal;
  onProgress?: (report: DownloadReport) => void;
}) => Promise<{ source: string; sha256: string; bytes: number }>;

export interface DownloadProgress {
  model: string;
  state: 'queued' | 'running' | 'failed';
  receivedBytes: number;
  totalBytes: number | null;
  /** Where it comes from now. */
  source: string | null;
  /** Why it failed, for the operator. */
  reason: string | null;
  /** When asking again makes sense. */
  retryAfterSeconds: number;
}

interface Entry {
  progress: Omit<DownloadProgress, 'retryAfterSeconds'>;
  /** The first report of this source: what had been received before it says nothing of the speed. */
  first: { source: string; bytes: number; atMs: number } | null;
  failedAtMs: number;
}

export interface DownloadsParts {
  directory: string;
  download: Download;
  /** Runs before the download counts as done. */
  onFinished(model: string, sha256: string): Promise<void>;
  clock: Clock;
  log: Log;
}

const RUNNING_MAX = 2;
const FAILURE_REST_MS = 5 * 60_000;
/** Until the speed is known. */
const RETRY_GUESS_SECONDS = 30;
const RETRY_SECONDS_MIN = 2;
const RETRY_SECONDS_MAX = 3600;

export class Downloads {
  readonly #parts: DownloadsParts;
  /** In the order they were asked for. Only models of the catalogue get in, which bounds it. */
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();

  constructor(parts: DownloadsParts) {
    this.#parts = parts;
  }

  /** Starts the download unless it is under way, waits its turn, or failed a short while ago. */
  begin(model: string): DownloadProgress {
    let entry = this.#entries.get(model);
    if (!entry || (entry.progress.state === 'failed' && this.#restMs(entry) <= 0)) {
      entry = queued(model);
      this.#entries.delete(model);
      this.#entries.set(model, entry);
      this.#startNext();
    }
    return this.#shown(entry);
  }

  rows(): DownloadProgress[] {
    return [...this.#entries.values()].map((entry) => this.#shown(entry));
  }

  /** Stops every download; what was received stays, so that a later one goes on from there. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running.values());
  }

  #startNext(): void {
    for (const [model, entry] of this.#entries) {
      if (this.#closing.signal.aborted || this.#running.size >= RUNNING_MAX) return;
      if (entry.progress.state !== 'queued') continue;
      entry.progress.state = 'running';
      const run = this.#run(model, entry).finally(() => {
        this.#running.delete(model);
        this.#startNext();
      });
      this.#running.set(model, run);
    }
  }

  async #run(model: string, entry: Entry): Promise<void> {
    const { directory, download, onFinished, clock, log } = this.#parts;
    const { bytes, sha256: expected, sha1, sources } = published(model);
    log.info({ model, bytes }, 'model download started');
    try {
      const { source, sha256 } = await download({
        target: join(directory, `ggml-${model}.bin`),
        sources,
        bytes: bytes ?? undefined,
        sha256: expected,
        sha1,
        verify: async (path) => void (await readHeader(path)),
        signal: this.#closing.signal,
        onProgress: (report) => this.#note(entry, report),
      });
      await onFinished(model, sha256);
      this.#entries.delete(model);
      log.info({ model, source, sha256 }, 'model download finished');
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      entry.progress.state = 'failed';
      entry.progress.reason = error instanceof Error ? error.message : String(error);
      entry.failedAtMs = clock.nowMs();
      log.error({ err: error, model }, 'model download failed');
    }
  }

  #note(entry: Entry, { receivedBytes, totalBytes, source }: DownloadReport): void {
    entry.progress.receivedBytes = receivedBytes;
    entry.progress.totalBytes = totalBytes ?? entry.progress.totalBytes;
    entry.progress.source = source;
    if (entry.first?.source !== source) {
      entry.first = { source, bytes: receivedBytes, atMs: this.#parts.clock.nowMs() };
    }
  }

  #shown(entry: Entry): DownloadProgress {
    const seconds = Math.ceil(this.#retrySeconds(entry));
    return {
      ...entry.progress,
      retryAfterSeconds: Math.min(RETRY_SECONDS_MAX, Math.max(RETRY_SECONDS_MIN, seconds)),
    };
  }

  #retrySeconds(entry: Entry): number {
    if (entry.progress.state === 'failed') return this.#restMs(entry) / 1000;
    const { receivedBytes, totalBytes } = entry.progress;
    const { first } = entry;
    const tookMs = this.#parts.clock.nowMs() - (first?.atMs ?? 0);
    if (!first || totalBytes === null || receivedBytes <= first.bytes || tookMs <= 0) return RETRY_GUESS_SECONDS;
    const bytesPerMs = (receivedBytes - first.bytes) / tookMs;
    return (totalBytes - receivedBytes) / bytesPerMs / 1000;
  }

  #restMs(entry: Entry): number {
    return entry.failedAtMs + FAILURE_REST_MS - this.#parts.clock.nowMs();
  }
}

function queued(model: string): Entry {
  const totalBytes = published(model).bytes;
  const progress = { model, state: 'queued' as const, receivedBytes: 0, totalBytes, source: null, reason: null };
  return { progress, first: null, failedAtMs: 0 };
}
