// Owns who watches which job. Holds no history: a watcher who is slow misses progress, never the end.
import type { JobEvent } from './job.ts';

export class Watchers {
  readonly #byJob = new Map<string, Set<Watcher>>();
  #isClosed = false;

  tell(id: string, event: JobEvent): void {
    for (const watcher of this.#byJob.get(id) ?? []) watcher.tell(event);
  }

  /** Those who watch it hear nothing more. */
  leave(id: string): void {
    for (const watcher of this.#byJob.get(id) ?? []) watcher.end();
  }

  close(): void {
    this.#isClosed = true;
    for (const id of this.#byJob.keys()) this.leave(id);
  }

  /** `now` first, unless it is known. Between the call of the first `next` and its being heard of nothing is missed. */
  async *watch(
    id: string,
    now: JobEvent,
    { afterSequence = 0, signal }: { afterSequence?: number; signal: AbortSignal },
  ): AsyncGenerator<JobEvent> {
    const watcher = new Watcher();
    const watchers = this.#byJob.get(id) ?? new Set();
    this.#byJob.set(id, watchers.add(watcher));
    const leave = () => watcher.end();
    signal.addEventListener('abort', leave);
    if (signal.aborted || this.#isClosed) leave();
    watcher.tell(now);
    try {
      for (let event = await watcher.next(); event; event = await watcher.next()) {
        if (event.type === 'ended' || event.sequence > afterSequence) yield event;
        if (event.type === 'ended') return;
      }
    } finally {
      signal.removeEventListener('abort', leave);
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#byJob.get(id) === watchers) this.#byJob.delete(id);
    }
  }
}

class Watcher {
  /** The latest that has not been read. */
  #unread: JobEvent | undefined;
  #isOver = false;
  #wake = () => {};

  tell(event: JobEvent): void {
    this.#unread = event;
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  async next(): Promise<JobEvent | undefined> {
    while (!this.#unread && !this.#isOver) await new Promise<void>((resolve) => (this.#wake = resolve));
    const event = this.#unread;
    this.#unread = undefined;
    return this.#isOver ? undefined : event;
  }
}
