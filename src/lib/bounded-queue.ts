// Carries items from one who must not wait to a reader who may be slow. Past its bound the oldest are lost.
import assert from 'node:assert/strict';

export class BoundedQueue<Item> {
  readonly #lengthMax: number;
  readonly #items: Item[] = [];
  #isClosed = false;
  #wake = () => {};

  constructor(lengthMax: number) {
    assert(lengthMax > 0);
    this.#lengthMax = lengthMax;
  }

  push(item: Item): void {
    if (this.#isClosed) return;
    this.#items.push(item);
    if (this.#items.length > this.#lengthMax) this.#items.shift();
    this.#wake();
  }

  /** Takes nothing more; what is in it can still be read. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  /** For one reader. Ends when the queue is closed and empty. */
  async *read(): AsyncGenerator<Item> {
    for (;;) {
      for (const item of this.#taken()) yield item;
      if (this.#isClosed) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  *#taken(): Generator<Item> {
    while (this.#items.length > 0) yield* this.#items.splice(0, 1);
  }
}
