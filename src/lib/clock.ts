// The only source of time for parts whose tests must not sleep.

export interface Clock {
  nowMs(): number;
  /** Runs `task` once after `delayMs`; the returned function cancels it. Never keeps the process alive. */
  after(delayMs: number, task: () => void): () => void;
}

/** Node fires a timer that is set further ahead at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (delayMs, task) => {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number) => {
      const nowMs = Math.min(leftMs, TIMER_MS_MAX);
      timer = setTimeout(() => (leftMs > nowMs ? arm(leftMs - nowMs) : task()), nowMs);
      timer.unref();
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
};

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #pending: { atMs: number; task: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): () => void {
    const entry = { atMs: this.#nowMs + delayMs, task };
    this.#pending.push(entry);
    return () => {
      this.#pending = this.#pending.filter((other) => other !== entry);
    };
  }

  /** Moves time forward, running what falls due in order, and lets promise reactions settle after each. */
  async advance(byMs: number): Promise<void> {
    const targetMs = this.#nowMs + byMs;
    await settle();
    for (;;) {
      const next = this.#pending.filter((entry) => entry.atMs <= targetMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#pending = this.#pending.filter((entry) => entry !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.task();
      await settle();
    }
    this.#nowMs = targetMs;
  }

  get pendingCount(): number {
    return this.#pending.length;
  }
}

/** Lets every promise reaction that is already due run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
