import { describe, expect, test } from 'vitest';
import { settle } from '../lib/clock.ts';
import { EVENTS_HELD_MAX, InFlight } from './in-flight.ts';

type Event = { type: 'progress'; fraction: number } | { type: 'draft'; index: number } | { type: 'final' };

const draft = (index: number): Event => ({ type: 'draft', index });
const progress = (fraction: number): Event => ({ type: 'progress', fraction });
const final: Event = { type: 'final' };
const forever = new AbortController().signal;

/** A run whose every step a test decides. */
class Script {
  readonly started: AbortSignal[] = [];
  ended = 0;
  #steps: (Event | 'end' | Error)[] = [];
  #wake = Promise.withResolvers<void>();

  step(...steps: (Event | 'end' | Error)[]): Promise<void> {
    this.#steps.push(...steps);
    this.#wake.resolve();
    return settle();
  }

  readonly start = (signal: AbortSignal): AsyncIterable<Event> => {
    this.started.push(signal);
    return this.#run(signal);
  };

  async *#run(signal: AbortSignal): AsyncGenerator<Event> {
    signal.addEventListener('abort', () => this.#wake.resolve());
    try {
      for (;;) {
        signal.throwIfAborted();
        const step = this.#steps.shift();
        if (step === 'end') return;
        if (step instanceof Error) throw step;
        if (step) yield step;
        else {
          this.#wake = Promise.withResolvers();
          await this.#wake.promise;
        }
      }
    } finally {
      this.ended++;
    }
  }
}

async function collect(events: AsyncIterable<Event>): Promise<Event[]> {
  const all: Event[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('sharing', () => {
  test('a late caller gets every event from the beginning, then the live ones', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const first = inFlight.join('k', script.start, forever);
    const firstEvents = collect(first.events);
    await script.step(draft(0), draft(1));
    const second = inFlight.join('k', script.start, forever);
    const secondEvents = collect(second.events);
    await script.step(draft(2), final, 'end');
    expect([first.shared, second.shared]).toEqual([false, true]);
    expect(await firstEvents).toEqual([draft(0), draft(1), draft(2), final]);
    expect(await secondEvents).toEqual(await firstEvents);
    expect(script.started).toHaveLength(1);
    expect(script.started[0]?.aborted).toBe(false);
  });

  test('different keys have runs of their own', () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    expect(inFlight.join('a', script.start, forever).shared).toBe(false);
    expect(inFlight.join('b', script.start, forever).shared).toBe(false);
    expect(script.started).toHaveLength(2);
    expect(inFlight.size).toBe(2);
    expect(inFlight.running('a')).toBe(true);
    expect(inFlight.running('c')).toBe(false);
  });

  test('the run starts on joining and goes on though nobody reads', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const { events } = inFlight.join('k', script.start, forever);
    expect(script.started).toHaveLength(1);
    await script.step(draft(0), final, 'end');
    expect(script.ended).toBe(1);
    expect(inFlight.size).toBe(0);
    expect(await collect(events)).toEqual([draft(0), final]);
  });

  test('a caller that never reads holds up nobody', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    inFlight.join('k', script.start, forever);
    const reading = collect(inFlight.join('k', script.start, forever).events);
    await script.step(draft(0), final, 'end');
    expect(await reading).toEqual([draft(0), final]);
  });

  test('a slow reader gets the latest progress in its place and every other event', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const { events } = inFlight.join('k', script.start, forever);
    await script.step(progress(0.1), draft(0), progress(0.2), progress(0.3), draft(1), progress(0.4));
    const reader = events[Symbol.asyncIterator]();
    const read: unknown[] = [];
    for (let count = 0; count < 3; count++) read.push((await reader.next()).value);
    expect(read).toEqual([draft(0), draft(1), progress(0.4)]);
    const next = reader.next();
    await script.step(progress(0.5));
    expect((await next).value).toEqual(progress(0.5));
  });

  test('a reader that keeps up sees every progress, in order', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const reading = collect(inFlight.join('k', script.start, forever).events);
    for (const event of [progress(0.1), progress(0.2), draft(0), progress(0.3), final]) await script.step(event);
    await script.step('end');
    expect(await reading).toEqual([progress(0.1), progress(0.2), draft(0), progress(0.3), final]);
  });

  test('several reads asked for at once are answered in order', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const reader = inFlight.join('k', script.start, forever).events[Symbol.asyncIterator]();
    const reads = Promise.all([reader.next(), reader.next(), reader.next()]);
    await script.step(draft(0), draft(1), 'end');
    expect(await reads).toEqual([
      { done: false, value: draft(0) },
      { done: false, value: draft(1) },
      { done: true, value: undefined },
    ]);
  });
});

describe('leaving', () => {
  test('the first caller leaves and the others still get their answer', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const caller = new AbortController();
    const first = collect(inFlight.join('k', script.start, caller.signal).events);
    const second = collect(inFlight.join('k', script.start, forever).events);
    await script.step(draft(0));
    caller.abort(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
    await script.step(final, 'end');
    expect(await second).toEqual([draft(0), final]);
    expect(script.started[0]?.aborted).toBe(false);
  });

  test('the last to leave by its signal aborts the run in the same tick', () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const callers = [new AbortController(), new AbortController()];
    for (const caller of callers) inFlight.join('k', script.start, caller.signal);
    callers[0]?.abort();
    expect(script.started[0]?.aborted).toBe(false);
    callers[1]?.abort();
    expect(script.started[0]?.aborted).toBe(true);
    expect(inFlight.size).toBe(0);
  });

  test('to stop iterating is to leave', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const { events } = inFlight.join('k', script.start, forever);
    await script.step(draft(0), draft(1));
    for await (const _ of events) break;
    expect(script.started[0]?.aborted).toBe(true);
    await settle();
    expect(script.ended).toBe(1);
    expect(await collect(events)).toEqual([]);
  });

  test('a read that waits ends when its caller stops the iteration or aborts', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const caller = new AbortController();
    const stopping = inFlight.join('k', script.start, forever).events[Symbol.asyncIterator]();
    const aborting = inFlight.join('k', script.start, caller.signal).events[Symbol.asyncIterator]();
    const [stopped, aborted] = [stopping.next(), aborting.next()];
    await stopping.return?.();
    expect(await stopped).toEqual({ done: true, value: undefined });
    caller.abort(new Error('gone'));
    await expect(aborted).rejects.toThrow('gone');
    expect(await aborting.next()).toEqual({ done: true, value: undefined });
    expect(script.started[0]?.aborted).toBe(true);
  });

  test('leaving twice counts once', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const caller = new AbortController();
    const leaving = inFlight.join('k', script.start, caller.signal).events[Symbol.asyncIterator]();
    inFlight.join('k', script.start, forever);
    await leaving.return?.();
    await leaving.return?.();
    caller.abort();
    expect(script.started[0]?.aborted).toBe(false);
  });

  test('who has left already never joins', () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    expect(() => inFlight.join('k', script.start, AbortSignal.abort(new Error('gone')))).toThrow('gone');
    expect(script.started).toHaveLength(0);
    expect(inFlight.size).toBe(0);
  });

  test('who joins after the last has left gets a new run, which the end of the old one does not touch', async () => {
    const inFlight = new InFlight<Event>();
    const [old, fresh] = [new Script(), new Script()];
    const caller = new AbortController();
    inFlight.join('k', old.start, caller.signal);
    caller.abort();
    const second = inFlight.join('k', fresh.start, forever);
    expect(second.shared).toBe(false);
    await settle();
    expect(old.ended).toBe(1);
    expect(inFlight.running('k')).toBe(true);
    const third = inFlight.join('k', old.start, forever);
    expect(third.shared).toBe(true);
    await fresh.step(final, 'end');
    expect(await collect(third.events)).toEqual([final]);
  });

  test('a run that ignores its signal is stopped at its next event', async () => {
    const inFlight = new InFlight<Event>();
    const gate = Promise.withResolvers<void>();
    let reported = 0;
    let cleaned = false;
    const caller = new AbortController();
    const deaf = async function* (): AsyncGenerator<Event> {
      try {
        await gate.promise;
        for (;;) yield draft(reported++);
      } finally {
        cleaned = true;
      }
    };
    inFlight.join('k', deaf, caller.signal);
    caller.abort();
    gate.resolve();
    await settle();
    expect(reported).toBe(1);
    expect(cleaned).toBe(true);
  });

  test('an abort after the run has ended stops the reading and disturbs nothing else', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const caller = new AbortController();
    const { events } = inFlight.join('k', script.start, caller.signal);
    await script.step(final, 'end');
    caller.abort(new Error('gone'));
    await expect(collect(events)).rejects.toThrow('gone');
    expect(script.started[0]?.aborted).toBe(false);
  });
});

describe('failing', () => {
  test('every caller gets the events so far and the error, late ones and those that read later too; then the key is free', async () => {
    const inFlight = new InFlight<Event>();
    const script = new Script();
    const failure = new Error('engine');
    const reading = collect(inFlight.join('k', script.start, forever).events).catch((error: unknown) => error);
    await script.step(draft(0));
    const later = inFlight.join('k', script.start, forever).events[Symbol.asyncIterator]();
    await script.step(failure);
    expect(await reading).toBe(failure);
    expect((await later.next()).value).toEqual(draft(0));
    await expect(later.next()).rejects.toBe(failure);
    expect(await later.next()).toEqual({ done: true, value: undefined });
    expect(inFlight.join('k', script.start, forever).shared).toBe(false);
    expect(script.started).toHaveLength(2);
  });

  test('a start that throws reaches its caller like any other error', async () => {
    const inFlight = new InFlight<Event>();
    const { events } = inFlight.join(
      'k',
      () => {
        throw new Error('no start');
      },
      forever,
    );
    expect(inFlight.size).toBe(0);
    await expect(collect(events)).rejects.toThrow('no start');
  });

  test('an error that nobody is left to hear is not unhandled', async () => {
    const unhandled: unknown[] = [];
    const hear = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', hear);
    const inFlight = new InFlight<Event>();
    const script = new Script();
    inFlight.join('unread', script.start, forever);
    await script.step(new Error('engine'));
    const caller = new AbortController();
    inFlight.join('left', new Script().start, caller.signal);
    caller.abort();
    await settle();
    await settle();
    process.off('unhandledRejection', hear);
    expect(unhandled).toEqual([]);
    expect(inFlight.size).toBe(0);
  });

  test('a run that reports without end fails instead of filling the memory; progress does not count', async () => {
    const inFlight = new InFlight<Event>();
    let cleaned = false;
    const flood = async function* (): AsyncGenerator<Event> {
      try {
        for (let index = 0; index <= EVENTS_HELD_MAX; index++) yield progress(index);
        for (let index = 0; index <= EVENTS_HELD_MAX; index++) yield draft(index);
      } finally {
        cleaned = true;
      }
    };
    const read: Event[] = [];
    const reading = async () => {
      for await (const event of inFlight.join('k', flood, forever).events) if (event.type === 'draft') read.push(event);
    };
    await expect(reading()).rejects.toMatchObject({ code: 'engine-failed' });
    expect(read).toHaveLength(EVENTS_HELD_MAX);
    expect(cleaned).toBe(true);
    expect(inFlight.size).toBe(0);
  });
});

test('thousands of callers leave no listener behind and cause no warning', async () => {
  const warnings: Error[] = [];
  const hear = (warning: Error) => warnings.push(warning);
  process.on('warning', hear);
  const inFlight = new InFlight<Event>();
  const script = new Script();
  const shared = new AbortController();
  let listeners = 0;
  const { signal } = shared;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...listening: Parameters<typeof add>) => {
    listeners++;
    add(...listening);
  };
  signal.removeEventListener = (...listening: Parameters<typeof remove>) => {
    listeners--;
    remove(...listening);
  };
  const joined = Array.from({ length: 3000 }, () => inFlight.join('k', script.start, signal).events);
  expect(listeners).toBe(3000);
  for (const events of joined.slice(0, 1000)) await events[Symbol.asyncIterator]().return?.();
  expect(listeners).toBe(2000);
  await script.step(final, 'end');
  expect(listeners).toBe(0);
  expect(await collect(joined[2000] as AsyncIterable<Event>)).toEqual([final]);
  await settle();
  process.off('warning', hear);
  expect(warnings).toEqual([]);
});

describe('whatever the order of joining, leaving, reporting and failing', () => {
  const seeds = Array.from({ length: 30 }, (_, index) => index + 1);
  test.each(seeds)('seed %i', async (seed) => {
    await simulate(seed);
  });
});

interface SimulatedRun {
  script: Script;
  reported: Event[];
  staying: number;
  over: boolean;
  failure: Error | undefined;
}

interface SimulatedCaller {
  run: SimulatedRun;
  abort: AbortController;
  left: boolean;
  outcome: Promise<{ events: Event[]; error?: unknown }>;
}

/** Random acts on three keys beside a model of what must be true; every act is checked before the next. */
async function simulate(seed: number): Promise<void> {
  const random = randomNumbers(seed);
  const pick = <Item>(items: Item[]): Item | undefined => items[Math.floor(random() * items.length)];
  const inFlight = new InFlight<Event>();
  const current = new Map<string, SimulatedRun>();
  const runs: SimulatedRun[] = [];
  const callers: SimulatedCaller[] = [];

  const join = (key: string) => {
    const expected = current.get(key);
    const made: SimulatedRun = { script: new Script(), reported: [], staying: 0, over: false, failure: undefined };
    const abort = new AbortController();
    const { shared, events } = inFlight.join(key, made.script.start, abort.signal);
    expect(shared).toBe(expected !== undefined);
    const run = expected ?? made;
    if (!expected) {
      current.set(key, run);
      runs.push(run);
    }
    run.staying++;
    const readsUntil = random() < 0.2 ? Math.floor(random() * 5) : Number.POSITIVE_INFINITY;
    const caller: SimulatedCaller = { run, abort, left: false, outcome: Promise.resolve({ events: [] }) };
    const read = async () => {
      const all: Event[] = [];
      try {
        for await (const event of events) {
          all.push(event);
          if (all.length > readsUntil) {
            leave(caller);
            break;
          }
        }
        return { events: all };
      } catch (error) {
        return { events: all, error };
      }
    };
    caller.outcome = read();
    callers.push(caller);
  };

  const leave = (caller: SimulatedCaller) => {
    if (caller.left) return;
    caller.left = true;
    if (caller.run.over) return;
    caller.run.staying--;
    if (caller.run.staying > 0) return;
    for (const [key, run] of current) if (run === caller.run) current.delete(key);
  };

  const act = async () => {
    const dice = random();
    const run = pick([...current.values()]);
    if (dice < 0.35 || !run) join(pick(['a', 'b', 'c']) as string);
    else if (dice < 0.55) {
      const caller = pick(callers.filter((one) => !one.left && !one.run.over));
      if (caller) {
        leave(caller);
        caller.abort.abort();
      }
    } else if (dice < 0.9) {
      const events = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, index) =>
        random() < 0.4 ? progress(run.reported.length + index) : draft(run.reported.length + index),
      );
      run.reported.push(...events);
      await run.script.step(...events);
    } else {
      if (random() < 0.5) run.failure = new Error(`failure in seed ${seed}`);
      for (const [key, one] of current) if (one === run) current.delete(key);
      run.over = true;
      await run.script.step(run.failure ?? 'end');
    }
    if (random() < 0.5) await settle();
  };

  for (let count = 0; count < 150; count++) {
    await act();
    for (const run of runs) {
      expect(run.script.started).toHaveLength(1);
      expect(run.script.started[0]?.aborted).toBe(run.staying === 0 && !run.over);
    }
    expect(inFlight.size).toBe(current.size);
    for (const key of ['a', 'b', 'c']) expect(inFlight.running(key)).toBe(current.has(key));
  }

  for (const run of current.values()) {
    run.over = true;
    await run.script.step('end');
  }
  const isDraft = (event: Event) => event.type !== 'progress';
  for (const caller of callers) {
    const { events, error } = await caller.outcome;
    const { reported, failure } = caller.run;
    // In order and nothing twice: the numbers that events carry only ever grow.
    const order = events.map((event) => reported.indexOf(event));
    expect(order).toEqual([...new Set(order)].sort((left, right) => left - right));
    if (caller.left) continue;
    expect(events.filter(isDraft)).toEqual(reported.filter(isDraft));
    expect(error).toBe(failure);
  }
  expect(inFlight.size).toBe(0);
  expect(runs.every((run) => run.script.ended === 1)).toBe(true);
}

/** A small generator of repeatable random numbers (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

describe('a run with a second name', () => {
  test('is found by it, and lives for whoever found it', async () => {
    const inFlight = new InFlight<Event>();
    const [script, other] = [new Script(), new Script()];
    const owner = new AbortController();
    inFlight.join('own', script.start, owner.signal, 'common');
    const guest = inFlight.join('common', other.start, forever);
    expect(guest.shared).toBe(true);
    expect(inFlight.size).toBe(1);
    owner.abort();
    expect(script.started[0]?.aborted).toBe(false);
    await script.step(final, 'end');
    expect(await collect(guest.events)).toEqual([final]);
    expect(other.started).toEqual([]);
    expect([inFlight.running('own'), inFlight.running('common')]).toEqual([false, false]);
  });

  test('finds no other run by it, and leaves that one its name', async () => {
    const inFlight = new InFlight<Event>();
    const [first, second] = [new Script(), new Script()];
    inFlight.join('common', first.start, forever);
    expect(inFlight.join('own', second.start, forever, 'common').shared).toBe(false);
    await second.step('end');
    expect(inFlight.running('common')).toBe(true);
    await first.step('end');
    expect(inFlight.size).toBe(0);
  });
});
