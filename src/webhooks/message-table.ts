// Owns the outbox's file: messages, when they are due, and those that were given up. Every change is on disk when the
// call returns, because it is acknowledged to someone right after. Decides nothing.
import type { Delivery } from './deliver.ts';
import { DurableFile, type Row } from './durable-file.ts';

const FORMAT = 1;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    host TEXT NOT NULL,
    method TEXT NOT NULL,
    body BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    retry_delays_ms TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    due_at_ms INTEGER NOT NULL,
    failed_at_ms INTEGER,
    reason TEXT
  ) STRICT;
  -- With host and bytes in them, no question below reads the bodies to be answered.
  CREATE INDEX IF NOT EXISTS pending ON messages (due_at_ms, host, id, bytes) WHERE failed_at_ms IS NULL;
  CREATE INDEX IF NOT EXISTS failed ON messages (failed_at_ms, bytes) WHERE failed_at_ms IS NOT NULL;
`;
const INSERT = `INSERT INTO messages
  (id, url, host, method, body, bytes, retry_delays_ms, attempts, created_at_ms, due_at_ms)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?8)`;
const KNOWS = 'SELECT 1 FROM messages WHERE id = ?';
const FIND = 'SELECT failed_at_ms, reason FROM messages WHERE id = ?';
const NEXT = `SELECT * FROM messages WHERE failed_at_ms IS NULL AND due_at_ms <= ?
  AND host NOT IN (SELECT value FROM json_each(?)) AND id NOT IN (SELECT value FROM json_each(?))
  ORDER BY due_at_ms LIMIT 1`;
const NEXT_DUE = 'SELECT min(due_at_ms) AS at_ms FROM messages WHERE failed_at_ms IS NULL AND due_at_ms > ?';
const OLDEST_FAILED = 'SELECT min(failed_at_ms) AS at_ms FROM messages WHERE failed_at_ms IS NOT NULL';
const LIMIT_WAITS = 'UPDATE messages SET due_at_ms = ?1 WHERE failed_at_ms IS NULL AND due_at_ms > ?1';
const POSTPONE = 'UPDATE messages SET attempts = attempts + 1, due_at_ms = ?, reason = ? WHERE id = ?';
const FAIL = 'UPDATE messages SET attempts = attempts + 1, failed_at_ms = ?, reason = ? WHERE id = ?';
const DELETE = 'DELETE FROM messages WHERE id = ?';
const DELETE_OLDEST_FAILED = `DELETE FROM messages WHERE id =
  (SELECT id FROM messages WHERE failed_at_ms IS NOT NULL ORDER BY failed_at_ms LIMIT 1)`;
const DELETE_FAILED_BEFORE = 'DELETE FROM messages WHERE failed_at_ms IS NOT NULL AND failed_at_ms <= ?';
const PENDING_SIZE = `SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM messages
  WHERE failed_at_ms IS NULL`;
const FAILED_SIZE = `SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM messages
  WHERE failed_at_ms IS NOT NULL`;
const LIST_FAILED = `SELECT id, url, attempts, reason, created_at_ms, failed_at_ms FROM messages
  WHERE failed_at_ms IS NOT NULL ORDER BY failed_at_ms DESC LIMIT ?`;

export interface NewMessage extends Delivery {
  host: string;
  /** The waits between attempts, one per retry. */
  retryDelaysMs: readonly number[];
}

export interface Message extends NewMessage {
  /** How many have failed. */
  attempts: number;
}

/** What has become of one so far. */
export interface KeptMessage {
  /** Null where it was not given up. */
  failedAtMs: number | null;
  /** Of its last attempt. */
  lastError: string | null;
}

export interface FailedMessage {
  id: string;
  url: string;
  attempts: number;
  reason: string;
  createdAtMs: number;
  failedAtMs: number;
}

export interface Size {
  count: number;
  bytes: number;
}

/**
 * Times are wall times in milliseconds: they outlive the process. Every method throws `disk-full` while the file cannot be read
 * or written.
 */
export class MessageTable {
  readonly #file: DurableFile;

  constructor(directory: string) {
    this.#file = new DurableFile({
      directory,
      name: 'outbox.sqlite',
      what: 'webhooks',
      format: FORMAT,
      schema: SCHEMA,
    });
  }

  /** False when a message of this id is there already. */
  insert({ id, url, host, method, body, retryDelaysMs }: NewMessage, nowMs: number): boolean {
    if (this.#file.get(KNOWS, id)) return false;
    const delays = JSON.stringify(retryDelaysMs);
    this.#file.run(INSERT, id, url, host, method, body, body.length, delays, Math.round(nowMs));
    return true;
  }

  find(id: string): KeptMessage | undefined {
    const row = this.#file.get(FIND, id);
    if (!row) return undefined;
    return {
      failedAtMs: row.failed_at_ms === null ? null : Number(row.failed_at_ms),
      lastError: row.reason === null ? null : String(row.reason),
    };
  }

  /** The message that has been due longest, or undefined. */
  next(nowMs: number, except: { ids: readonly string[]; hosts: readonly string[] }): Message | undefined {
    const row = this.#file.get(NEXT, nowMs, JSON.stringify(except.hosts), JSON.stringify(except.ids));
    return row && toMessage(row);
  }

  nextDueMs(afterMs: number): number | undefined {
    return timeOf(this.#file.get(NEXT_DUE, afterMs));
  }

  oldestFailedMs(): number | undefined {
    return timeOf(this.#file.get(OLDEST_FAILED));
  }

  /** Brings forward what is due later than this. */
  limitWaits(latestMs: number): void {
    this.#file.run(LIMIT_WAITS, Math.round(latestMs));
  }

  postpone(id: string, dueAtMs: number, reason: string): void {
    this.#file.run(POSTPONE, Math.round(dueAtMs), reason, id);
  }

  fail(id: string, nowMs: number, reason: string): void {
    this.#file.run(FAIL, Math.round(nowMs), reason, id);
  }

  delete(id: string): void {
    this.#file.run(DELETE, id);
  }

  deleteOldestFailed(): void {
    this.#file.run(DELETE_OLDEST_FAILED);
  }

  deleteFailedBefore(timeMs: number): void {
    this.#file.run(DELETE_FAILED_BEFORE, timeMs);
  }

  pendingSize(): Size {
    return sizeOf(this.#file.get(PENDING_SIZE));
  }

  failedSize(): Size {
    return sizeOf(this.#file.get(FAILED_SIZE));
  }

  /** Latest first. */
  listFailed(countMax: number): FailedMessage[] {
    return this.#file.all(LIST_FAILED, countMax).map((row) => ({
      id: String(row.id),
      url: String(row.url),
      attempts: Number(row.attempts),
      reason: String(row.reason),
      createdAtMs: Number(row.created_at_ms),
      failedAtMs: Number(row.failed_at_ms),
    }));
  }

  close(): void {
    this.#file.close();
  }
}

function toMessage(row: Row): Message {
  return {
    id: String(row.id),
    url: String(row.url),
    host: String(row.host),
    method: row.method === 'PUT' ? 'PUT' : 'POST',
    body: row.body as Uint8Array,
    retryDelaysMs: JSON.parse(String(row.retry_delays_ms)) as number[],
    attempts: Number(row.attempts),
  };
}

function timeOf(row: Row | undefined): number | undefined {
  return row?.at_ms === null ? undefined : Number(row?.at_ms);
}

function sizeOf(row: Row | undefined): Size {
  return { count: Number(row?.count), bytes: Number(row?.bytes) };
}
