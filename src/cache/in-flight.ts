// Owns the runs that are going on, by key: identical requests share one run, and it ends early once nobody waits for it.
// Does not keep results (cache.ts does) and does not know what a run computes.
import { GatewayError } from '../errors.ts';

/** Events one run may report besides progress: many times what the longest recording makes. Past it the run has failed. */
export const EVENTS_HELD_MAX = 100_000;

export interface Joined<Event> {
  /** Whether somebody else had started the run. */
  shared: boolean;
  /**
   * Every event from the beginning, then the live ones; of progress only the latest that has not been read. Ends or throws
   * as the run does, and throws the signal's reason once the signal has aborted. One caller, one iteration. Stopping the
   * iteration leaves the run; a caller that never iterates holds the run until its signal aborts.
   */
  events: AsyncIterable<Event>;
}

export class InFlight<Event extends { type: string }> {
  readonly #runs = new Map<string, Run<Event>>();

  /**
   * Joins the key's run, or calls `start` at once, not when iteration begins. The run's signal aborts the moment its last
   * caller has left; the key is free from then on, so that who comes next is not given an aborted run. Whatever must
   * happen although everybody leaves on reading the last event, the run must do before it yields that event. By `alsoKey`
   * others may find the run, too, unless there is one by that name; the caller never finds another's by it.
   */
  join(
    key: string,
    start: (signal: AbortSignal) => AsyncIterable<Event>,
    signal: AbortSignal,
    alsoKey = key,
  ): Joined<Event> {
    signal.throwIfAborted();
    const running = this.#runs.get(key);
    if (running) return { shared: true, events: new Caller(running, signal) };
    const keys = [key, ...(this.#runs.has(alsoKey) ? [] : [alsoKey])];
    const run = new Run<Event>(() => {
      for (const taken of keys) this.#forget(taken, run);
    });
    for (const taken of keys) this.#runs.set(taken, run);
    const events = new Caller(run, signal);
    void run.pump(start);
    return { shared: false, events };
  }

  running(key: string): boolean {
    return this.#runs.has(key);
  }

  get size(): number {
    return new Set(this.#runs.values()).size;
  }

  /** An aborted run ends some time after the key was given to another. */
  #forget(key: string, run: Run<Event>): void {
    if (this.#runs.get(key) === run) this.#runs.delete(key);
  }
}

/** Made once: a run that is told to stop has most often just ended, and a reason takes as long to make as a short answer. */
const LEFT = new Error('Nobody waits for it.');

/** One run and what it has reported so far. Never waits for those who read. */
class Run<Event extends { type: string }> {
  readonly events: Event[] = [];
  /** The latest progress, and how many events had been reported before it. */
  progress: { event: Event; position: number } | undefined;
  outcome: { error?: unknown } | undefined;
  /** Resolves at the next change of anything a caller may be waiting for; one promise, however many wait. */
  changed = Promise.withResolvers<void>();
  readonly #callers = new Set<Caller<Event>>();
  readonly #abort = new AbortController();
  readonly #onOver: () => void;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  async pump(start: (signal: AbortSignal) => AsyncIterable<Event>): Promise<void> {
    const signal = this.#abort.signal;
    try {
      for await (const event of start(signal)) {
        if (signal.aborted) break;
        this.#add(event);
      }
      this.#end({});
    } catch (error) {
      this.#end({ error });
    }
  }

  enter(caller: Caller<Event>): void {
    this.#callers.add(caller);
  }

  leave(caller: Caller<Event>): void {
    if (!this.#callers.delete(caller)) return;
    this.#wake();
    if (this.#callers.size > 0) return;
    this.#onOver();
    this.#abort.abort(LEFT);
  }

  #add(event: Event): void {
    if (event.type === 'progress') {
      this.progress = { event, position: this.events.length };
    } else {
      if (this.events.length === EVENTS_HELD_MAX) {
        throw new GatewayError('engine-failed', 'The transcription reported more segments than any speech can have.');
      }
      this.events.push(event);
    }
    this.#wake();
  }

  #end(outcome: { error?: unknown }): void {
    this.outcome = outcome;
    this.#onOver();
    for (const caller of this.#callers) caller.runEnded();
    this.#callers.clear();
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.changed;
    this.changed = Promise.withResolvers<void>();
    resolve();
  }
}

/** One caller's place in a run. */
class Caller<Event extends { type: string }> implements AsyncIterableIterator<Event> {
  readonly #run: Run<Event>;
  readonly #signal: AbortSignal;
  #position = 0;
  #progressRead: Run<Event>['progress'];
  #done = false;
  readonly #leave = () => {
    this.#signal.removeEventListener('abort', this.#leave);
    this.#run.leave(this);
  };

  constructor(run: Run<Event>, signal: AbortSignal) {
    this.#run = run;
    this.#signal = signal;
    signal.addEventListener('abort', this.#leave);
    run.enter(this);
  }

  /** What is left to read needs no place among the callers any more. */
  runEnded(): void {
    this.#signal.removeEventListener('abort', this.#leave);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Event, undefined>> {
    while (!this.#done) {
      if (this.#signal.aborted) {
        this.#done = true;
        throw this.#signal.reason;
      }
      const event = this.#take();
      if (event) return { done: false, value: event };
      const { outcome } = this.#run;
      if (outcome) {
        this.#done = true;
        if ('error' in outcome) throw outcome.error;
      } else {
        await this.#run.changed.promise;
      }
    }
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<Event, undefined>> {
    this.#done = true;
    this.#leave();
    return { done: true, value: undefined };
  }

  #take(): Event | undefined {
    const { progress, events } = this.#run;
    if (progress && progress.position <= this.#position && progress !== this.#progressRead) {
      this.#progressRead = progress;
      return progress.event;
    }
    const event = events[this.#position];
    if (event) this.#position += 1;
    return event;
  }
}
