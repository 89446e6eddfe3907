// An SQLite file whose content was acknowledged to somebody: every change is on disk when its call returns, and what cannot be
// read or written at the moment is an operating error, not a bug. What is in it is its owner's business.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { GatewayError } from '../errors.ts';
import { readSqliteFault } from '../lib/sqlite-fault.ts';

/** How long SQLite waits when another program, such as its shell, holds the file. It blocks the process. */
const BUSY_WAIT_MS = 500;

export type Row = Record<string, unknown>;

export interface DurableFileParts {
  directory: string;
  name: string;
  /** What is in it, as messages say it. */
  what: string;
  /** Raised when an older version of us must not write it any more. */
  format: number;
  /** Makes the tables that are not there. */
  schema: string;
}

/** Every method throws `disk-full` while the file cannot be read or written. */
export class DurableFile {
  readonly #path: string;
  readonly #what: string;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor({ directory, name, what, format, schema }: DurableFileParts) {
    this.#path = join(directory, name);
    this.#what = what;
    this.#database = this.opening(() => {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const database = new DatabaseSync(this.#path, { timeout: BUSY_WAIT_MS });
      const found = Number(database.prepare('PRAGMA user_version').get()?.user_version);
      if (found > format) throw new Error(`a newer version wrote it (format ${found})`);
      database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${schema} PRAGMA user_version = ${format};`);
      return database;
    });
  }

  /** Of a file that was just opened: what is wrong with it is said with what can be done about it. */
  opening<Result>(task: () => Result): Result {
    try {
      return task();
    } catch (error) {
      const fault = readSqliteFault(error, this.#what);
      if (fault instanceof GatewayError) throw fault;
      // Never replaced by an empty one: what is in it was acknowledged.
      throw new GatewayError(
        'setup-incomplete',
        `The ${this.#what} in ${this.#path} cannot be read: ${(error as Error).message}. Move the file away to start without them.`,
        { cause: error },
      );
    }
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#try(() => this.#statement(sql).get(...values));
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#try(() => this.#statement(sql).all(...values));
  }

  /** How many rows that changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#try(() => Number(this.#statement(sql).run(...values).changes));
  }

  /** All of it or nothing. */
  write<Result>(change: () => Result): Result {
    try {
      this.#try(() => this.#database.exec('BEGIN IMMEDIATE'));
      const result = change();
      this.#try(() => this.#database.exec('COMMIT'));
      return result;
    } catch (error) {
      // Some of its failures end the transaction themselves.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      if (error instanceof GatewayError) this.#makeRoom();
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }

  /** The log of changes is emptied by changes that succeed. On a full disk there may be none until it has been. */
  #makeRoom(): void {
    try {
      this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // Somebody else has to.
    }
  }

  #try<Result>(task: () => Result): Result {
    try {
      return task();
    } catch (error) {
      throw readSqliteFault(error, this.#what);
    }
  }

  #statement(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}
