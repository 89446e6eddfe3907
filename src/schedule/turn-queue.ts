// Who is next of those who wait for one model: callers take turns, the recordings of one caller take turns, and within
// one recording first come is first served. A recording that runs on its share of slots stands aside. Every operation
// takes constant time, however many wait. Knows no ranks, no devices and no time.
import { Fifo } from './fifo.ts';

/** Whose turn a request takes. Null stands for all callers without a name, and for all requests that are no recording's. */
export interface Turn {
  readonly caller: string | null;
  readonly recording: string | null;
}

/** A request's place: either it is left, or its turn is taken and at some time ended. */
export interface Place {
  leave(): void;
  /** The request runs. Its recording and its caller go behind all others. */
  takeTurn(): void;
  /** The request runs no more. */
  endTurn(): void;
}

interface Caller<T> {
  readonly parties: Map<string | null, Party<T>>;
  /** Those who may run. */
  readonly ready: Fifo<Party<T>>;
  /** Set while it is in the rotation, which is while somebody of it is ready. */
  leave: (() => void) | null;
}

/** What one caller asks for one recording, or for none. */
interface Party<T> {
  readonly waiting: Fifo<T>;
  running: number;
  /** Set while somebody waits, which is in its caller's `ready` or aside. */
  leave: (() => void) | null;
}

export class TurnQueue<T> {
  readonly #runningMax: number;
  readonly #callers = new Map<string | null, Caller<T>>();
  readonly #rotation = new Fifo<Caller<T>>();
  readonly #aside = new Fifo<Party<T>>();
  readonly #arrivals = new Fifo<T>();
  #partyCount = 0;

  /** `runningMax`: how many requests of one recording may run before it stands aside. */
  constructor(runningMax = Number.POSITIVE_INFINITY) {
    this.#runningMax = runningMax;
  }

  get next(): T | undefined {
    return this.#rotation.first?.ready.first?.waiting.first;
  }

  /** Next of those whose recording runs on its share already; for when there is nobody else. */
  get nextAside(): T | undefined {
    return this.#aside.first?.waiting.first;
  }

  /** Who has waited longest, whoever's turn it is. */
  get oldest(): T | undefined {
    return this.#arrivals.first;
  }

  get size(): number {
    return this.#arrivals.size;
  }

  /** How many recordings wait, each with any number of requests. */
  get partyCount(): number {
    return this.#partyCount;
  }

  enter(value: T, turn: Turn): Place {
    const [caller, party] = this.#partyOf(turn);
    const takeOut = [party.waiting.push(value), this.#arrivals.push(value)];
    if (party.waiting.size === 1) this.#enqueue(party, caller);
    const leave = () => {
      for (const take of takeOut) take();
    };
    return {
      leave: () => {
        leave();
        if (party.waiting.size === 0) this.#enqueue(party, caller);
        this.#forgetIfDone(party, caller, turn);
      },
      takeTurn: () => {
        leave();
        party.running += 1;
        caller.leave?.();
        caller.leave = null;
        this.#enqueue(party, caller);
      },
      endTurn: () => {
        party.running -= 1;
        if (party.running === this.#runningMax - 1) this.#enqueue(party, caller);
        this.#forgetIfDone(party, caller, turn);
      },
    };
  }

  #partyOf(turn: Turn): [Caller<T>, Party<T>] {
    let caller = this.#callers.get(turn.caller);
    if (!caller) {
      caller = { parties: new Map(), ready: new Fifo(), leave: null };
      this.#callers.set(turn.caller, caller);
    }
    let party = caller.parties.get(turn.recording);
    if (!party) {
      party = { waiting: new Fifo(), running: 0, leave: null };
      caller.parties.set(turn.recording, party);
    }
    return [caller, party];
  }

  /** Puts the party behind the others it stands with, or nowhere when it has nothing waiting; a caller keeps its place. */
  #enqueue(party: Party<T>, caller: Caller<T>): void {
    if (party.leave) this.#partyCount -= 1;
    party.leave?.();
    party.leave = null;
    if (party.waiting.size > 0) {
      this.#partyCount += 1;
      party.leave = (party.running < this.#runningMax ? caller.ready : this.#aside).push(party);
    }
    if (caller.ready.size > 0) caller.leave ??= this.#rotation.push(caller);
    else {
      caller.leave?.();
      caller.leave = null;
    }
  }

  #forgetIfDone(party: Party<T>, caller: Caller<T>, turn: Turn): void {
    if (party.waiting.size > 0 || party.running > 0) return;
    caller.parties.delete(turn.recording);
    if (caller.parties.size === 0) this.#callers.delete(turn.caller);
  }
}
