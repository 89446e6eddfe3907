// A first-in, first-out queue whose members may also leave from the middle, every operation in constant time: a caller
// that goes away must not cost a scan of everybody who waits behind it.

interface Link<T> {
  value: T;
  previous: Link<T> | null;
  next: Link<T> | null;
}

export class Fifo<T> {
  #first: Link<T> | null = null;
  #last: Link<T> | null = null;
  #size = 0;

  get first(): T | undefined {
    return this.#first?.value;
  }

  get size(): number {
    return this.#size;
  }

  /** The returned function takes the value out again; calling it twice does nothing. */
  push(value: T): () => void {
    const link: Link<T> = { value, previous: this.#last, next: null };
    if (this.#last) this.#last.next = link;
    else this.#first = link;
    this.#last = link;
    this.#size += 1;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      if (link.previous) link.previous.next = link.next;
      else this.#first = link.next;
      if (link.next) link.next.previous = link.previous;
      else this.#last = link.previous;
      this.#size -= 1;
    };
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let link = this.#first; link; link = link.next) yield link.value;
  }
}
