// Counts the work that is inside, so that shutting down can let it out before anything is taken away from under it.
import { GatewayError } from '../errors.ts';
import type { Clock } from './clock.ts';

export class Gate {
  #inside = 0;
  #closed = false;
  #onEmpty = () => {};

  /** Throws `shutting-down` once the gate is closed. Returns how to leave; leaving twice is leaving once. */
  enter(): () => void {
    if (this.#closed) throw new GatewayError('shutting-down', 'The server is shutting down.', { retryAfterSeconds: 1 });
    this.#inside += 1;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#inside -= 1;
      if (this.#inside === 0) this.#onEmpty();
    };
  }

  /** Lets nobody in any more. Resolves when all have left, or with false when time is up. */
  close(graceMs: number, clock: Clock): Promise<boolean> {
    this.#closed = true;
    if (this.#inside === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const cancel = clock.after(graceMs, () => resolve(false));
      this.#onEmpty = () => {
        cancel();
        resolve(true);
      };
    });
  }
}
