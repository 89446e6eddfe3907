// Owns the answer to "which models did the operator enable", where a database says so (MODELS_DATABASE_URL), and the
// connection to it. What a name stands for and whether its model can be served is the store's.
import type { Pool } from 'pg';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { type Ask, readEnabledModels } from './enabled-table.ts';
import type { ModelsSettings } from './settings.ts';

export interface EnabledModels {
  /** Their names as the database has them; null where none was named, and every model is enabled. Throws `model-not-ready`. */
  readonly names: () => Promise<string[] | null>;
  close(): Promise<void>;
}

/** What was changed in the database is known here after so long. */
const KEPT_MS = 5000;
/** A database that does not answer is given up after this, for each of: a connection, a statement. */
const ANSWER_MS_MAX = 3000;
const IDLE_CONNECTION_MS_MAX = 60_000;
const RETRY_AFTER_SECONDS = 5;

export function createEnabledModels(settings: ModelsSettings, clock: Clock, log: Log): EnabledModels {
  const url = settings.MODELS_DATABASE_URL;
  if (url === undefined) return { names: async () => null, close: async () => {} };
  const database = new Database(url, log);
  const table = new EnabledTable({ ask: database.ask, clock, log });
  return { names: () => table.names(), close: () => database.close() };
}

export interface EnabledTableParts {
  ask: Ask;
  clock: Clock;
  log: Log;
}

/** Remembers for a short while; callers at the same time share one look. */
export class EnabledTable {
  readonly #parts: EnabledTableParts;
  #kept: { names: string[]; atMs: number } | undefined;
  #asking: Promise<string[]> | undefined;
  #isFailing = false;

  constructor(parts: EnabledTableParts) {
    this.#parts = parts;
  }

  async names(): Promise<string[]> {
    if (this.#kept && this.#parts.clock.nowMs() - this.#kept.atMs < KEPT_MS) return this.#kept.names;
    this.#asking ??= this.#read().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #read(): Promise<string[]> {
    const { ask, clock, log } = this.#parts;
    try {
      const names = await readEnabledModels(ask);
      this.#kept = { names, atMs: clock.nowMs() };
      this.#isFailing = false;
      return names;
    } catch (cause) {
      // Once, not with every request.
      if (!this.#isFailing) log.error({ err: cause }, 'the enabled models could not be read from the database');
      this.#isFailing = true;
      if (cause instanceof GatewayError) throw cause;
      throw new GatewayError(
        'model-not-ready',
        'Which models are enabled is kept in a database that does not answer. Please try again.',
        { retryAfterSeconds: RETRY_AFTER_SECONDS, cause },
      );
    }
  }
}

/** One connection, made when it is first needed, and made anew when it broke. */
class Database {
  readonly #url: string;
  readonly #log: Log;
  #opening: Promise<Pool> | undefined;

  constructor(url: string, log: Log) {
    this.#url = url;
    this.#log = log;
  }

  readonly ask: Ask = async (statement, values = []) => {
    this.#opening ??= this.#open();
    return (await (await this.#opening).query(statement, values)).rows;
  };

  async close(): Promise<void> {
    await (await this.#opening)?.end();
  }

  async #open(): Promise<Pool> {
    // Loaded only where there is a database: most installations have none.
    const { Pool } = await import('pg');
    const pool = new Pool({
      connectionString: this.#url,
      application_name: 'whispergate',
      max: 1,
      connectionTimeoutMillis: ANSWER_MS_MAX,
      query_timeout: ANSWER_MS_MAX,
      statement_timeout: ANSWER_MS_MAX,
      idleTimeoutMillis: IDLE_CONNECTION_MS_MAX,
      allowExitOnIdle: true,
    });
    // An idle connection that breaks would otherwise end the process; the next statement makes another.
    pool.on('error', (error) => this.#log.warn({ err: error }, 'the connection to the database of models broke'));
    return pool;
  }
}
