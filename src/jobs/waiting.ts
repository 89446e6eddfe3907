// Owns the order of the jobs that wait. The order is fixed when a job arrives, so nothing is ever sorted again. Pure.
import assert from 'node:assert/strict';

export interface WaitingJob {
  readonly id: string;
  /** Lowest first; then whoever came first. */
  readonly orderMs: number;
  readonly sequence: number;
  /** It is passed over until somebody wakes it. */
  isResting: boolean;
  /** In a row. */
  rests: number;
  /** An earlier process did not survive it, or one that ran beside it. */
  isSuspect: boolean;
}

export class WaitingJobs {
  readonly #inOrder: WaitingJob[] = [];
  readonly #byId = new Map<string, WaitingJob>();

  get count(): number {
    return this.#inOrder.length;
  }

  add(job: WaitingJob): void {
    assert(!this.#byId.has(job.id), 'a job waits once');
    this.#byId.set(job.id, job);
    this.#inOrder.splice(this.#indexOf(job), 0, job);
  }

  remove(id: string): boolean {
    const job = this.#byId.get(id);
    if (!job) return false;
    this.#byId.delete(id);
    this.#inOrder.splice(this.#indexOf(job), 1);
    return true;
  }

  /** The first that need not rest. */
  next(): WaitingJob | undefined {
    return this.#inOrder.find((job) => !job.isResting);
  }

  /** From 1; undefined for one that does not wait. */
  positionOf(id: string): number | undefined {
    const job = this.#byId.get(id);
    return job && this.#indexOf(job) + 1;
  }

  /** Where it is, or belongs. */
  #indexOf(job: WaitingJob): number {
    let low = 0;
    let high = this.#inOrder.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.#inOrder[middle] as WaitingJob, job) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function compare(one: WaitingJob, other: WaitingJob): number {
  return one.orderMs - other.orderMs || one.sequence - other.sequence;
}
