// Owns every webhook from the moment it is accepted until a receiver has confirmed it or it is given up: persist,
// deliver, confirm, then delete (DESIGN.md has the steps and what a crash between them does). Does not know what the
// bodies say: whoever enqueues one has rendered it. How one attempt is made is in deliver.ts.
import assert from 'node:assert/strict';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { createUrlGuard, type UrlGuard } from '../lib/safe-url.ts';
import { createSend, type Delivery, type Send } from './deliver.ts';
import { type FailedMessage, type KeptMessage, type Message, MessageTable } from './message-table.ts';
import type { WebhooksSettings } from './settings.ts';

/** The longest wait between two attempts, whoever asks for it: a schedule, `Retry-After`, or a clock that was set back. */
export const WAIT_MS_MAX = 3_600_000;
export const RETRIES_MAX = 100;
/** How long deliveries that are under way may take to end when the outbox closes. */
const CLOSE_GRACE_MS = 5000;
/** Until a file that could not be read or written is tried again. */
export const STORAGE_REST_MS = 30_000;
const FAILED_LISTED_MAX = 100;

export interface Enqueued extends Delivery {
  /** The waits between attempts, one per retry. Left out: WEBHOOK_RETRIES_MAX times WEBHOOK_RETRY_SECONDS. */
  retryDelaysMs?: readonly number[];
  /** Further waits before those. */
  quickRetriesMs?: readonly number[];
}

/** The end of a message: confirmed, or given up. */
export interface Outcome {
  id: string;
  /** Wall time. */
  atMs: number;
  /** Null when a receiver confirmed it. */
  error: string | null;
}

export interface OutboxStatus {
  /** Those under way among them. */
  pending: number;
  delivering: number;
  failed: number;
}

export interface Outbox {
  /** Throws `url-invalid` or `url-forbidden` for a URL that would be refused. What a name resolves to shows at delivery. */
  check(url: string): void;
  /**
   * The message is on disk when this returns, and is sent until it is confirmed or its retries are used up. One id is one
   * message: enqueued again while it is kept, it changes nothing. Throws what `check` throws, `body-too-large`,
   * `queue-full` and `disk-full`.
   */
  enqueue(message: Enqueued): void;
  /** A message that is kept, whether it waits or was given up. One that was confirmed is not kept. */
  find(id: string): KeptMessage | undefined;
  /** Calls `observer` after each outcome is on disk, and again until it does not throw. A crash between the two leaves it uncalled. */
  observe(observer: (outcome: Outcome) => void): void;
  status(): OutboxStatus;
  /** The latest that were given up; their URLs without credentials and query. */
  failed(): FailedMessage[];
  /** Sends nothing more. What is not confirmed by then is sent again after the next start. */
  close(): Promise<void>;
}

/** A URL as it may be shown: callers put keys into its user and its query. */
export function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

export interface OutboxParts {
  settings: WebhooksSettings;
  /** For the outbox alone. */
  directory: string;
  log: Log;
  clock: Clock;
  send?: Send;
  /** Wall time, for what outlives the process. */
  epochMs?: () => number;
}

export async function createOutbox(parts: OutboxParts): Promise<Outbox> {
  return new DurableOutbox(parts);
}

class DurableOutbox implements Outbox {
  readonly #settings: WebhooksSettings;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #guard: UrlGuard;
  readonly #send: Send;
  readonly #table: MessageTable;
  /** Of wall time, when the clock stood at zero: within one process, setting the machine's time moves nothing. */
  readonly #originMs: number;
  readonly #underWay = new Map<string, { host: string; done: Promise<void> }>();
  readonly #ending = new AbortController();
  #isClosing = false;
  #observer: (outcome: Outcome) => void = () => {};
  #cancelWake = () => {};

  constructor({ settings, directory, log, clock, send, epochMs = Date.now }: OutboxParts) {
    this.#settings = settings;
    this.#log = log;
    this.#clock = clock;
    this.#guard = createUrlGuard({ allowPrivate: settings.ALLOW_PRIVATE_URLS });
    this.#send = send ?? createSend({ settings, guard: this.#guard, clock, epochMs });
    this.#originMs = epochMs() - clock.nowMs();
    this.#table = new MessageTable(directory);
    this.#table.limitWaits(this.#nowMs() + WAIT_MS_MAX);
    this.#deliverDue();
  }

  check(url: string): void {
    this.#guard.check(url);
  }

  find(id: string): KeptMessage | undefined {
    return this.#table.find(id);
  }

  observe(observer: (outcome: Outcome) => void): void {
    this.#observer = observer;
  }

  enqueue({ id, url, method, body, quickRetriesMs = [], ...given }: Enqueued): void {
    const slowRetriesMs = given.retryDelaysMs ?? this.#usualDelaysMs();
    const retryDelaysMs = [...quickRetriesMs, ...slowRetriesMs];
    assert(/^[\w.-]{1,128}$/.test(id), 'an id is sent as a header');
    assert([quickRetriesMs, slowRetriesMs].every(({ length }) => length <= RETRIES_MAX));
    assert(retryDelaysMs.every((delayMs) => delayMs >= 0 && delayMs <= WAIT_MS_MAX));
    if (this.#isClosing) throw new GatewayError('shutting-down', 'The server is shutting down.');
    const { host } = this.#guard.check(url).url;
    if (body.length > this.#settings.WEBHOOK_BODY_BYTES_MAX) {
      throw new GatewayError('body-too-large', 'The result is too large for a webhook.');
    }
    this.#makeRoom(body.length);
    this.#table.insert({ id, url, host, method, body, retryDelaysMs }, this.#nowMs());
    this.#deliverDue();
  }

  status(): OutboxStatus {
    const { count: pending } = this.#table.pendingSize();
    const { count: failed } = this.#table.failedSize();
    return { pending, delivering: this.#underWay.size, failed };
  }

  failed(): FailedMessage[] {
    return this.#table
      .listFailed(FAILED_LISTED_MAX)
      .map((message) => ({ ...message, url: withoutSecrets(message.url) }));
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#cancelWake();
    const done = Promise.all([...this.#underWay.values()].map((delivery) => delivery.done));
    const cancelGrace = this.#clock.after(CLOSE_GRACE_MS, () => this.#ending.abort());
    await done;
    cancelGrace();
    this.#table.close();
  }

  #usualDelaysMs(): number[] {
    return Array(this.#settings.WEBHOOK_RETRIES_MAX).fill(this.#settings.WEBHOOK_RETRY_SECONDS * 1000);
  }

  /** Messages that wait are never dropped for a new one; those that were given up are. */
  #makeRoom(bytes: number): void {
    const { WEBHOOK_QUEUE_MAX: countMax, WEBHOOK_QUEUE_BYTES_MAX: bytesMax } = this.#settings;
    const pending = this.#table.pendingSize();
    if (pending.count + 1 > countMax || pending.bytes + bytes > bytesMax) {
      throw new GatewayError('queue-full', 'The server holds as many webhooks as it may at the moment.');
    }
    for (;;) {
      const failed = this.#table.failedSize();
      const isRoom = pending.count + failed.count + 1 <= countMax && pending.bytes + failed.bytes + bytes <= bytesMax;
      if (isRoom) return;
      this.#table.deleteOldestFailed();
    }
  }

  /** Starts what is due as far as the bounds allow, and wakes again when something falls due. */
  #deliverDue(): void {
    if (this.#isClosing) return;
    this.#cancelWake();
    // One look at the clock: what falls due between two of them would be neither started nor waited for.
    const nowMs = this.#nowMs();
    let wakeMs: number | undefined;
    try {
      this.#table.deleteFailedBefore(nowMs - this.#retentionMs());
      while (this.#underWay.size < this.#settings.WEBHOOK_DELIVERIES_MAX) {
        const message = this.#table.next(nowMs, { ids: [...this.#underWay.keys()], hosts: this.#busyHosts() });
        if (!message) break;
        this.#start(message);
      }
      wakeMs = this.#nextWakeMs(nowMs);
    } catch (error) {
      this.#log.error({ err: error }, 'the outbox cannot be read or written at the moment');
      wakeMs = this.#nowMs() + STORAGE_REST_MS;
    }
    if (wakeMs === undefined) return;
    const delayMs = Math.min(wakeMs - this.#nowMs(), WAIT_MS_MAX);
    this.#cancelWake = this.#clock.after(Math.max(0, delayMs), () => this.#deliverDue());
  }

  #nextWakeMs(nowMs: number): number | undefined {
    const oldestFailedMs = this.#table.oldestFailedMs();
    const times = [
      this.#table.nextDueMs(nowMs),
      oldestFailedMs === undefined ? undefined : oldestFailedMs + this.#retentionMs(),
    ].filter((timeMs) => timeMs !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #busyHosts(): string[] {
    const hosts = [...this.#underWay.values()].map(({ host }) => host);
    const perHostMax = this.#settings.WEBHOOK_DELIVERIES_PER_HOST_MAX;
    return [...new Set(hosts)].filter((host) => hosts.filter((other) => other === host).length >= perHostMax);
  }

  #start(message: Message): void {
    const done = this.#deliver(message).finally(() => {
      this.#underWay.delete(message.id);
      this.#deliverDue();
    });
    this.#underWay.set(message.id, { host: message.host, done });
  }

  /** One attempt and its outcome on disk. Never rejects. */
  async #deliver(message: Message): Promise<void> {
    const { id, host } = message;
    try {
      await this.#send(message, this.#ending.signal);
    } catch (error) {
      if (this.#ending.signal.aborted) return; // no attempt of its own; made again after the next start
      let reason: string | undefined;
      await this.#persist(() => (reason = this.#noteFailure(message, error)));
      if (reason !== undefined) await this.#tell(id, reason);
      return;
    }
    await this.#persist(() => this.#table.delete(id));
    this.#log.info({ id, host, attempts: message.attempts + 1 }, 'webhook delivered');
    await this.#tell(id, null);
  }

  async #tell(id: string, error: string | null): Promise<void> {
    const outcome = { id, atMs: this.#nowMs(), error };
    await this.#persist(() => this.#observer(outcome));
  }

  /** The reason, when it was the last attempt. */
  #noteFailure({ id, host, attempts, retryDelaysMs }: Message, error: unknown): string | undefined {
    const reason = error instanceof GatewayError ? error.message : `Unexpected: ${(error as Error).message}`;
    const delayMs = retryDelaysMs[attempts];
    if (delayMs === undefined) {
      this.#table.fail(id, this.#nowMs(), reason);
      this.#log.error({ id, host, attempts: attempts + 1, err: error }, 'webhook given up');
      return reason;
    }
    const askedMs = error instanceof GatewayError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    const waitMs = Math.max(delayMs, Math.min(askedMs, WAIT_MS_MAX));
    this.#table.postpone(id, this.#nowMs() + waitMs, reason);
    this.#log.warn({ id, host, attempts: attempts + 1, retryMs: waitMs, err: error }, 'webhook failed, to be retried');
    return undefined;
  }

  /** A disk that fails must not make a receiver get its message over and over: the change is tried again, not the delivery. */
  async #persist(change: () => void): Promise<void> {
    for (;;) {
      try {
        change();
        return;
      } catch (error) {
        this.#log.error({ err: error }, 'the outbox cannot be written at the moment');
      }
      if (this.#ending.signal.aborted) return;
      await this.#rest();
    }
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        this.#ending.signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = this.#clock.after(STORAGE_REST_MS, end);
      this.#ending.signal.addEventListener('abort', end);
    });
  }

  #retentionMs(): number {
    return this.#settings.WEBHOOK_FAILED_RETENTION_SECONDS * 1000;
  }

  #nowMs(): number {
    return this.#originMs + this.#clock.nowMs();
  }
}
