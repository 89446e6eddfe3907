// Owns the way of a job that has ended to its receiver: the dialect's document, the outbox, and what became of it. How often
// and when a message is sent is the outbox's business.
import { setImmediate as otherWork } from 'node:timers/promises';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Outbox } from '../webhooks/outbox.ts';
import type { Delivery, JobRenderer } from './job.ts';
import type { JobStore, KeptJob } from './store.ts';

/** Until an outbox that was full is asked again. */
const REST_SECONDS = 30;
const WAITS: ReadonlySet<string> = new Set(['queue-full', 'disk-full']);

export interface WebhooksParts {
  store: JobStore;
  outbox: Pick<Outbox, 'enqueue' | 'find' | 'observe'>;
  log: Log;
  clock: Clock;
  nowMs(): number;
  rendererOf(dialect: string): JobRenderer | undefined;
  /** The job is no longer needed for its webhook. */
  onSettled(): void;
}

export class Webhooks {
  readonly #parts: WebhooksParts;
  /** One document at a time, and others' work between two: each may be large, and after a while with a full outbox there may be many. */
  #last: Promise<void> = Promise.resolve();
  #isClosing = false;

  constructor(parts: WebhooksParts) {
    this.#parts = parts;
    parts.outbox.observe(({ id, atMs, error }) => {
      parts.store.noteWebhook(id, error === null ? 'delivered' : 'failed', { atMs, error });
    });
  }

  /** Takes up what an earlier process left. */
  resume(): void {
    const { store, outbox, nowMs } = this.#parts;
    for (const id of store.withWebhook('due')) void this.send(id);
    for (const id of store.withWebhook('enqueued')) {
      const message = outbox.find(id);
      if (message && message.failedAtMs !== null) {
        store.noteWebhook(id, 'failed', { atMs: message.failedAtMs, error: message.lastError });
      }
      // It left the outbox, and nobody was there to note it.
      if (!message) store.noteWebhook(id, 'delivered', { atMs: nowMs(), error: null });
    }
  }

  /** While the outbox tries, only that knows why it has to try again. */
  deliveryOf({ job, webhook }: KeptJob): Delivery {
    if (webhook !== 'enqueued') return job.delivery;
    return { ...job.delivery, error: this.#parts.outbox.find(job.id)?.lastError ?? null };
  }

  /** Of a job that has ended. Resolves when the message is in the outbox, or cannot be at the moment. Never rejects. */
  send(id: string): Promise<void> {
    this.#last = this.#last.then(() => this.#send(id));
    return this.#last;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#last;
  }

  async #send(id: string): Promise<void> {
    const { store, clock, log, nowMs } = this.#parts;
    await otherWork();
    if (this.#isClosing) return;
    try {
      const kept = store.find(id);
      if (kept?.webhook !== 'due') return;
      try {
        await this.#enqueue(kept);
        store.noteWebhook(id, 'enqueued', null);
      } catch (error) {
        const failure = toGatewayError(error);
        if (WAITS.has(failure.code) || this.#isClosing) throw failure;
        log.error({ err: error, job: id }, 'a webhook is given up');
        store.noteWebhook(id, 'refused', { atMs: nowMs(), error: failure.message });
      }
      this.#parts.onSettled();
    } catch (error) {
      log.warn({ err: error, job: id, restSeconds: REST_SECONDS }, 'a webhook waits for the outbox');
      clock.after(REST_SECONDS * 1000, () => void this.send(id));
    }
  }

  /** Under the job's own id, so that however often it is sent it is one message. */
  async #enqueue({ job }: KeptJob): Promise<void> {
    const { store, outbox, log, rendererOf } = this.#parts;
    const { id, dialect, webhook } = job;
    const renderer = rendererOf(dialect);
    if (!webhook) return;
    if (!renderer) throw new GatewayError('internal', `Nobody answers for '${dialect}'.`);
    const whole = { ...job, position: null, estimatedWaitMs: null };
    const transcripts = store.transcripts(id) ?? [];
    const enqueue = (text: string) =>
      outbox.enqueue({ id, ...webhook, body: Buffer.from(text), quickRetriesMs: renderer.quickRetriesMs ?? [] });
    try {
      enqueue(await renderer.document(whole, transcripts));
    } catch (thrown) {
      const error = toGatewayError(thrown);
      if (error.code.startsWith('url-') || WAITS.has(error.code) || error.code === 'shutting-down') throw error;
      // A receiver that cannot be sent the result is sent why.
      log.error({ err: thrown, job: id }, 'a failure is sent in the place of the result');
      enqueue(await renderer.document({ ...whole, status: 'failed', error }, []));
    }
  }
}
