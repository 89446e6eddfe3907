// SHA-256 of model files, computed once per size and modification time and remembered beside them.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { Log } from '../lib/log.ts';

export interface FileVersion {
  path: string;
  bytes: number;
  modifiedAtMs: number;
}

const remembered = z.record(
  z.string(),
  z.object({ bytes: z.number(), modifiedAtMs: z.number(), sha256: z.hash('sha256') }),
);
type Remembered = z.infer<typeof remembered>;

const READ_BYTES = 1024 * 1024;

export class Digests {
  readonly #path: string;
  readonly #log: Log;
  readonly #byFile: Map<string, Remembered[string]>;
  readonly #running = new Map<string, Promise<string>>();
  #saving: Promise<void> = Promise.resolve();

  static async open(directory: string, log: Log): Promise<Digests> {
    const path = join(directory, '.digests.json');
    return new Digests(path, await load(path, log), log);
  }

  private constructor(path: string, known: Remembered, log: Log) {
    this.#path = path;
    this.#byFile = new Map(Object.entries(known));
    this.#log = log;
  }

  /** Callers that ask for the same version at the same time share one reading. Rejects when the file changes meanwhile. */
  of(version: FileVersion): Promise<string> {
    const file = basename(version.path);
    const known = this.#byFile.get(file);
    if (known && isSame(known, version)) return Promise.resolve(known.sha256);

    const run = `${file} ${version.bytes} ${version.modifiedAtMs}`;
    let digest = this.#running.get(run);
    if (!digest) {
      digest = compute(version)
        .then((sha256) => {
          this.remember(version, sha256);
          return sha256;
        })
        .finally(() => this.#running.delete(run));
      this.#running.set(run, digest);
    }
    return digest;
  }

  /** For a digest that is known already, from a download. */
  remember({ path, bytes, modifiedAtMs }: FileVersion, sha256: string): void {
    this.#byFile.set(basename(path), { bytes, modifiedAtMs, sha256 });
    this.#saving = this.#saving.then(() => this.#save());
  }

  /** Drops what is known of files that are gone. Takes effect on disk with the next one remembered. */
  keepOnly(files: ReadonlySet<string>): void {
    for (const file of this.#byFile.keys()) if (!files.has(file)) this.#byFile.delete(file);
  }

  /** Resolves when everything remembered so far is on disk. */
  saved(): Promise<void> {
    return this.#saving;
  }

  async #save(): Promise<void> {
    const temporary = `${this.#path}.${process.pid}.tmp`;
    try {
      const file = await open(temporary, 'w');
      try {
        await file.writeFile(JSON.stringify(Object.fromEntries(this.#byFile), null, 2));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (error) {
      // A models folder may be mounted read-only: the digests are then computed again at the next start.
      this.#log.warn({ err: error }, 'model digests could not be saved');
    }
  }
}

async function load(path: string, log: Log): Promise<Remembered> {
  try {
    return remembered.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.warn({ err: error }, 'model digests are computed anew');
    return {};
  }
}

async function compute(version: FileVersion): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(version.path, { highWaterMark: READ_BYTES }), hash);
  const { size, mtimeMs } = await stat(version.path);
  if (!isSame({ bytes: size, modifiedAtMs: mtimeMs }, version)) throw new Error(`${version.path} is being written`);
  return hash.digest('hex');
}

function isSame(one: Omit<FileVersion, 'path'>, other: Omit<FileVersion, 'path'>): boolean {
  return one.bytes === other.bytes && one.modifiedAtMs === other.modifiedAtMs;
}
