// Owns the cache's file: texts by key, bounded in bytes and age, written in the background and replaced when damaged.
// Never throws and never makes a caller wait for a write. Does not know what the texts say.
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KeyvSqlite } from '@keyv/sqlite';
import { Keyv } from 'keyv';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';

/** How long SQLite waits when another program, such as its shell, holds the file. It blocks one of Node's few I/O threads. */
const BUSY_WAIT_MS = 500;
/** Texts waiting to be written; past it new ones are held in memory only. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
const SWEEP_EVERY_MS = 3_600_000;
/** Small, so that reads get their turn between two batches. */
const SWEEP_BATCH_ROWS = 64;
const REPORT_EVERY_MS = 60_000;
const DAMAGED_FILES_KEPT = 2;

/**
 * SQLite's words for a file that is not, or no longer, what we wrote. Not among them: a full disk, a failing device, a lock
 * held by another program; those pass, or a new file would fail in the same way.
 */
const DAMAGE_CODES = new Set([
  'SQLITE_CORRUPT',
  'SQLITE_NOTADB',
  'SQLITE_ERROR',
  'SQLITE_CONSTRAINT',
  'SQLITE_MISMATCH',
  'SQLITE_READONLY',
]);

// Keyv's adapter neither bounds the file nor deletes what has expired. A row begins with the time at which it expires, in
// milliseconds and always 13 digits long, so this one expression orders rows by age; it is indexed.
const EXPIRES_DIGITS = 13;
const EXPIRES = `substr(value, 1, ${EXPIRES_DIGITS})`;
const PREPARE = [
  'PRAGMA journal_mode = WAL',
  'PRAGMA synchronous = NORMAL',
  `CREATE INDEX IF NOT EXISTS keyv_expires ON keyv (${EXPIRES})`,
];
/** By how much at most a row makes the file grow beyond its text: pages that are split, of the table and of both its indexes. */
const ROW_BYTES_MAX = 64 * 1024;
const FILE_BYTES = 'SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()';
const COUNT = 'SELECT count(*) AS entries FROM keyv';
const DELETE_OLDEST = `DELETE FROM keyv WHERE rowid = (SELECT rowid FROM keyv ORDER BY ${EXPIRES} LIMIT 1) RETURNING 1`;
// Rows that live longer than a new one would were written under a longer CACHE_AGE_SECONDS: they go, too.
const DELETE_OVERDUE = `DELETE FROM keyv WHERE rowid IN
  (SELECT rowid FROM keyv WHERE ${EXPIRES} < ? OR ${EXPIRES} > ? LIMIT ${SWEEP_BATCH_ROWS}) RETURNING 1`;

export interface DiskOptions {
  path: string;
  bytesMax: number;
  ageMs: number;
  log: Log;
  clock: Clock;
}

export interface StoredText {
  text: string;
  expiresAtMs: number;
}

interface Table {
  texts: Keyv<string>;
  sqlite: KeyvSqlite;
}

export class Disk {
  readonly #options: DiskOptions;
  /** Undefined while a damaged file is being replaced, when the disk cannot be used at all, and once closed. */
  #table: Table | undefined;
  /** The end of the one line in which everything that changes the file waits. Never rejects. */
  #background: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  /** The file is not longer than this. */
  #fileBytesMax = Number.POSITIVE_INFINITY;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #cancelSweep = () => {};

  private constructor(options: DiskOptions) {
    this.#options = options;
  }

  static async open(options: DiskOptions): Promise<Disk> {
    const disk = new Disk(options);
    await disk.#start();
    disk.#sweepNowAndThen();
    return disk;
  }

  read(key: string): Promise<StoredText | undefined> {
    return this.#read(async ({ texts }) => {
      const row = await texts.getRaw<string>(key);
      return row && { text: String(row.value), expiresAtMs: Number(row.expires) };
    });
  }

  write(key: string, text: string): void {
    const bytes = Buffer.byteLength(text);
    if (bytes > this.#options.bytesMax) return;
    if (this.#waitingBytes > WAITING_BYTES_MAX) {
      this.#report('The cache file is written too slowly; some transcripts are not kept on disk.');
      return;
    }
    this.#waitingBytes += bytes;
    const written = this.#change(async (table) => {
      await table.texts.set(key, text);
      this.#fileBytesMax += bytes + ROW_BYTES_MAX;
      if (this.#fileBytesMax > this.#options.bytesMax) await this.#trim(table);
    });
    void written.then(() => {
      this.#waitingBytes -= bytes;
    });
  }

  delete(key: string): void {
    void this.#change(async ({ texts }) => {
      await texts.delete(key);
    });
  }

  /** Undefined when nothing can be kept on disk. */
  size(): Promise<{ entries: number; bytes: number } | undefined> {
    return this.#read(async ({ sqlite }) => {
      const [[{ entries }], [{ bytes }]] = await Promise.all([sqlite.query(COUNT), sqlite.query(FILE_BYTES)]);
      return { entries, bytes };
    });
  }

  /** Writes what waits, then lets the file go. */
  close(): Promise<void> {
    this.#cancelSweep();
    return this.#change(async ({ texts }) => {
      this.#table = undefined;
      await texts.disconnect();
    });
  }

  /** Reads do not wait in the line. */
  async #read<Result>(query: (table: Table) => Promise<Result>): Promise<Result | undefined> {
    const table = this.#table;
    if (!table) return undefined;
    try {
      return await query(table);
    } catch (error) {
      void this.#change(() => this.#recover(table, error));
      return undefined;
    }
  }

  #change(change: (table: Table) => Promise<void>): Promise<void> {
    this.#background = this.#background.then(async () => {
      const table = this.#table;
      if (!table) return;
      await change(table).catch((error) => this.#recover(table, error));
    });
    return this.#background;
  }

  async #recover(table: Table, error: unknown): Promise<void> {
    if (!isDamage(error)) {
      this.#report('The cache file cannot be used at the moment; requests go on without it.', error);
    } else if (this.#table === table) {
      // The first to meet the damage replaces the file; others may meet the same damage later.
      this.#table = undefined;
      await table.texts.disconnect().catch(() => {}); // SQLite may find the damage again when it closes the file.
      await this.#startAnew(error);
    }
  }

  async #trim({ sqlite }: Table): Promise<void> {
    for (;;) {
      const [{ bytes }] = await sqlite.query(FILE_BYTES);
      this.#fileBytesMax = bytes;
      if (bytes <= this.#options.bytesMax) return;
      const deleted = await sqlite.query(DELETE_OLDEST);
      if (deleted.length === 0) return;
    }
  }

  #sweepNowAndThen(): void {
    void this.#change(async ({ sqlite }) => {
      for (;;) {
        const nowMs = Date.now();
        const deleted = await sqlite.query(DELETE_OVERDUE, String(nowMs), String(nowMs + this.#options.ageMs));
        if (deleted.length < SWEEP_BATCH_ROWS) return;
      }
    });
    this.#cancelSweep = this.#options.clock.after(SWEEP_EVERY_MS, () => this.#sweepNowAndThen());
  }

  async #start(): Promise<void> {
    const { path, ageMs } = this.#options;
    try {
      await mkdir(dirname(path), { recursive: true });
      this.#table = await connect(path, ageMs);
    } catch (error) {
      if (isDamage(error)) await this.#startAnew(error);
      else this.#goWithout(error);
    }
  }

  async #startAnew(damage: unknown): Promise<void> {
    const { path, ageMs } = this.#options;
    try {
      const asidePath = await setAside(path);
      this.#table = await connect(path, ageMs);
      this.#options.log.warn(
        { err: damage, path, asidePath },
        'The cache file was damaged: it was set aside and a new one begun.',
      );
    } catch (error) {
      this.#goWithout(error);
    }
  }

  #goWithout(error: unknown): void {
    this.#options.log.warn({ err: error, path: this.#options.path }, 'The cache is held in memory only.');
  }

  #report(message: string, error?: unknown): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#reportedAtMs < REPORT_EVERY_MS) return;
    this.#reportedAtMs = nowMs;
    this.#options.log.warn({ err: error, path: this.#options.path }, message);
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof Error && 'code' in error && DAMAGE_CODES.has(String(error.code));
}

async function connect(path: string, ageMs: number): Promise<Table> {
  const sqlite = new KeyvSqlite({ uri: `sqlite://${path}`, busyTimeout: BUSY_WAIT_MS });
  const texts = new Keyv<string>(sqlite, {
    useKeyPrefix: false,
    ttl: ageMs,
    throwOnErrors: true,
    emitErrors: false,
    // The text is JSON already: to wrap it in JSON once more would escape every quote in it.
    serialize: ({ value, expires }) => `${expires} ${value}`,
    deserialize: (row) => ({
      value: row.slice(EXPIRES_DIGITS + 1) as never,
      expires: Number(row.slice(0, EXPIRES_DIGITS)),
    }),
  });
  try {
    const [{ auto_vacuum: vacuumMode }] = await sqlite.query('PRAGMA auto_vacuum');
    if (vacuumMode !== 1) {
      // So that deleting rows shrinks the file: its size is then what the bound is measured by. Costs nothing on a new file.
      await sqlite.query('PRAGMA auto_vacuum = FULL');
      await sqlite.query('VACUUM');
    }
    for (const statement of PREPARE) await sqlite.query(statement);
    return { texts, sqlite };
  } catch (error) {
    await sqlite.close().catch(() => {}); // The first failure is the one worth telling.
    throw error;
  }
}

/** Keeps the newest damaged files for whoever wants to know what happened, and deletes older ones. */
async function setAside(path: string): Promise<string> {
  const prefix = `${basename(path)}.damaged-`;
  const asidePath = join(dirname(path), prefix + new Date().toISOString().replaceAll(':', '-'));
  await rename(path, asidePath);
  // The adapter never closes a connection whose first statement failed: the new file must not share these with it.
  await Promise.all(['-wal', '-shm', '-journal'].map((suffix) => rm(path + suffix, { force: true })));
  const damaged = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix)).sort();
  const old = damaged.slice(0, -DAMAGED_FILES_KEPT);
  await Promise.all(old.map((name) => rm(join(dirname(path), name), { force: true, recursive: true })));
  return asidePath;
}
