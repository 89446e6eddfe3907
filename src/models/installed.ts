// Owns the view of the models folder: which files can be served, and what each can do. Reads only.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { CATALOGUE, meaningOf } from './catalogue.ts';
import type { Digests } from './digests.ts';
import { readHeader, type Traits, traitsOf } from './header.ts';
import type { Model } from './model.ts';

export type InstalledModel = Omit<Model, 'digest'> & { modifiedAtMs: number };

export interface InstalledModelsParts {
  directory: string;
  ranks: ReadonlyMap<string, number>;
  digests: Digests;
  clock: Clock;
  log: Log;
}

const MODEL_FILE = /^ggml-(.+)\.bin$/;
/** How long a file that was dropped in may go unlisted; one that is asked for by name is found at once. */
const SCAN_INTERVAL_MS = 2000;
/** After this, a file that was still being written is worth asking for again. */
const WRITING_RETRY_SECONDS = 5;

export class InstalledModels {
  readonly #parts: InstalledModelsParts;
  /** Best first. */
  #byName = new Map<string, InstalledModel>();
  /** File → the version of it that was refused, so that each reason is logged once. */
  #refused = new Map<string, string>();
  #scannedAtMs = Number.NEGATIVE_INFINITY;
  #scanning: Promise<void> | undefined;

  constructor(parts: InstalledModelsParts) {
    this.#parts = parts;
  }

  /** Best first: by rank, then models for every language, then the larger file. */
  async all(): Promise<InstalledModel[]> {
    if (this.#parts.clock.nowMs() - this.#scannedAtMs >= SCAN_INTERVAL_MS) await this.scan();
    return [...this.#byName.values()];
  }

  /** What a name stands for, null for the default, and its file where there is one. */
  async lookUp(asked: string): Promise<{ name: string | null; model: InstalledModel | undefined }> {
    await this.all();
    const found = this.#lookUp(asked);
    if (found.name === null || found.model) return found;
    // It may have been dropped in a moment ago.
    await this.scan();
    return this.#lookUp(asked);
  }

  /** The same model, identified by its content. Takes seconds for a large file that was never read before. */
  async identify({ modifiedAtMs, ...model }: InstalledModel): Promise<Model> {
    try {
      return { ...model, digest: await this.#parts.digests.of({ ...model, modifiedAtMs }) };
    } catch (error) {
      await this.scan();
      throw new GatewayError(
        'model-not-ready',
        `The model '${model.name}' cannot be read yet; its file may still be being written.`,
        {
          retryAfterSeconds: WRITING_RETRY_SECONDS,
          cause: error,
        },
      );
    }
  }

  /** Looks at the folder now. Callers at the same time share one look. */
  scan(): Promise<void> {
    this.#scanning ??= this.#scan().finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  #lookUp(asked: string) {
    const name = meaningOf(asked, (file) => this.#byName.has(file));
    return { name, model: name === null ? undefined : this.#byName.get(name) };
  }

  async #scan(): Promise<void> {
    const { directory, digests, clock } = this.#parts;
    const files = (await filesIn(directory)).filter((file) => MODEL_FILE.test(file));
    const models = await Promise.all(files.map((file) => this.#look(file)));
    const bestFirst = models
      .filter((model) => model !== undefined)
      .sort(
        (one, other) =>
          other.rank - one.rank || Number(other.multilingual) - Number(one.multilingual) || other.bytes - one.bytes,
      );
    this.#byName = new Map(bestFirst.map((model) => [model.name, model]));
    this.#refused = new Map([...this.#refused].filter(([file]) => files.includes(file)));
    digests.keepOnly(new Set(files));
    this.#scannedAtMs = clock.nowMs();
  }

  async #look(file: string): Promise<InstalledModel | undefined> {
    const path = join(this.#parts.directory, file);
    const name = MODEL_FILE.exec(file)?.[1] ?? file;
    let version = '';
    try {
      const { size: bytes, mtimeMs: modifiedAtMs } = await stat(path);
      const known = this.#byName.get(name);
      if (known?.bytes === bytes && known.modifiedAtMs === modifiedAtMs) return known;
      version = `${bytes} ${modifiedAtMs}`;
      if (this.#refused.get(file) === version) return undefined;

      const header = await readHeader(path);
      const published = CATALOGUE.get(name);
      // A file that only bears a published name is judged by what it is.
      const traits = published?.bytes === bytes ? traitsIn(published) : traitsOf(header, bytes);
      const rank = this.#parts.ranks.get(name) ?? traits.rank;
      this.#parts.log.info({ model: name, rank, memoryMb: traits.memoryMb }, 'model found');
      return { name, path, bytes, modifiedAtMs, ...traits, rank };
    } catch (error) {
      // Gone since the folder was read: nothing to report.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      this.#refused.set(file, version);
      this.#parts.log.warn({ file, reason: (error as Error).message }, 'model file ignored');
      return undefined;
    }
  }
}

/** A folder that is gone holds nothing: it may be a disk that comes back. */
async function filesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function traitsIn({ rank, memoryMb, multilingual, translates, timestamps }: Traits): Traits {
  return { rank, memoryMb, multilingual, translates, timestamps };
}
