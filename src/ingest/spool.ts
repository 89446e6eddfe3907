// Owns what was received or decoded and is still needed: in memory while it is little, else in files of the spool directory.
// Their names, their bytes, their removal. Knows nothing of audio or HTTP.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { GatewayError } from '../errors.ts';
import { inFile, inMemory, type Stored } from '../lib/stored.ts';

/** While one write is on its way to the disk this much more is collected, and then written at once. */
const WRITE_BUFFER_BYTES = 512 * 1024;
/** A minute of sound. A file costs more than everything else that is done for a short clip whose transcript is known. */
const MEMORY_BYTES_EACH = 2 * 1024 ** 2;
/** Of all together; while they are taken, what comes goes to the disk. */
const MEMORY_BYTES_MAX = 32 * 1024 ** 2;
/** What a part costs beside its bytes: they may arrive one by one. */
const PART_BYTES = 512;

export interface Spooled {
  stored: Stored;
  bytes: number;
  /** Frees the memory, deletes the file; calling it again does nothing. */
  release(): Promise<void>;
}

/** What another program writes. */
export interface SpoolFile extends Pick<Spooled, 'stored' | 'release'> {
  /** For the other program to write into. */
  fd: number;
  /** Counts what it has written by now, which is how much there is. Throws `disk-full` where that is more than may be. */
  measure(): Promise<number>;
  /** Nothing more is written. */
  close(): Promise<void>;
}

/** Sees each part, and the bytes so far with it, before it is kept; stops the whole by throwing. */
export type Inspect = (part: Buffer, bytes: number) => void;

/** What is in the spool, or on its way there. */
interface Entry {
  inspect: Inspect;
  bytes: number;
  /** What of it is in memory, and what that costs. */
  parts: Buffer[];
  memoryBytes: number;
  path?: string;
  /** Where memory is being written to a file. */
  written?: Promise<string>;
  /** While another program writes into it. */
  handle?: FileHandle;
}

export class Spool {
  readonly #directory: string;
  readonly #bytesMax: number;
  readonly #entries = new Set<Entry>();
  #bytes = 0;
  #memoryBytes = 0;

  private constructor(directory: string, bytesMax: number) {
    this.#directory = directory;
    this.#bytesMax = bytesMax;
  }

  static async open(directory: string, bytesMax: number): Promise<Spool> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // The data directory is locked by this process, so whatever lies here was left by one that crashed.
    for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true, force: true });
    return new Spool(directory, bytesMax);
  }

  /** What everything takes together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes `source` in, and destroys it when that fails. After a failure nothing stays. What is known to be large takes no memory. */
  take(source: Readable, inspect: Inspect, signal: AbortSignal, bytesExpected = 0): Promise<Spooled> {
    return this.#enter(source, inspect, signal, async (entry) => {
      const isWhole = bytesExpected <= MEMORY_BYTES_EACH && (await this.#collect(source, entry, signal));
      return isWhole ? this.#inMemory(entry) : this.#writeFile(source, entry, signal);
    });
  }

  /** An empty file, for another program to write into while it may be read. */
  async create(): Promise<SpoolFile> {
    const entry = this.#newEntry(() => {});
    try {
      const path = this.#newPath();
      const handle = await open(path, 'wx', 0o600);
      Object.assign(entry, { path, handle });
      return {
        stored: inFile(path),
        fd: handle.fd,
        measure: async () => {
          this.#add((await handle.stat()).size - entry.bytes, entry);
          return entry.bytes;
        },
        close: () => closeOnce(entry),
        release: () => this.#remove(entry),
      };
    } catch (error) {
      await this.#remove(entry);
      throw explain(error);
    }
  }

  /** Deletes what is left. */
  async clear(): Promise<void> {
    for (const entry of [...this.#entries]) await this.#remove(entry);
  }

  async #enter(
    source: Readable,
    inspect: Inspect,
    signal: AbortSignal,
    store: (entry: Entry) => Promise<Stored>,
  ): Promise<Spooled> {
    source.on('error', () => {}); // one that breaks while nobody listens: whoever does next finds it broken
    const entry = this.#newEntry(inspect);
    try {
      const stored = await store(entry);
      return { stored, bytes: entry.bytes, release: () => this.#remove(entry) };
    } catch (error) {
      source.destroy();
      await this.#remove(entry);
      signal.throwIfAborted();
      throw error;
    }
  }

  #newEntry(inspect: Inspect): Entry {
    const entry: Entry = { inspect, bytes: 0, parts: [], memoryBytes: 0 };
    this.#entries.add(entry);
    return entry;
  }

  /** Whether all of it came before there was too much for memory. */
  async #collect(source: Readable, entry: Entry, signal: AbortSignal): Promise<boolean> {
    const stopped = Promise.withResolvers<void>();
    // Listened to and not iterated over: an iterator is given copies, joined together.
    const take = (part: Buffer) => {
      try {
        this.#count(part, entry);
        entry.parts.push(part);
        entry.memoryBytes += part.length + PART_BYTES;
        this.#memoryBytes += part.length + PART_BYTES;
        if (entry.memoryBytes <= MEMORY_BYTES_EACH && this.#memoryBytes <= MEMORY_BYTES_MAX) return;
        stopped.resolve();
      } catch (error) {
        stopped.reject(error);
      }
      source.off('data', take).pause();
    };
    source.on('data', take);
    await Promise.race([finished(source, { writable: false, cleanup: true, signal }), stopped.promise]);
    return source.readableEnded;
  }

  #inMemory(entry: Entry): Stored {
    const assertHeld = () => assert(this.#entries.has(entry), 'a recording is read before it is released');
    const bytes = () => {
      assertHeld();
      if (entry.parts.length > 1) entry.parts = [Buffer.concat(entry.parts)];
      return entry.parts[0] ?? Buffer.alloc(0);
    };
    return inMemory(bytes, async () => {
      assertHeld();
      entry.path ??= this.#newPath();
      entry.written ??= writeWhole(entry.path, entry.parts);
      return entry.written;
    });
  }

  async #writeFile(source: Readable, entry: Entry, signal: AbortSignal): Promise<Stored> {
    try {
      entry.path = this.#newPath();
      const handle = await open(entry.path, 'wx', 0o600);
      const target = handle.createWriteStream({ highWaterMark: WRITE_BUFFER_BYTES });
      for (const part of entry.parts) target.write(part);
      this.#forget(entry);
      source.on('data', (part: Buffer) => {
        try {
          if (!target.destroyed) this.#count(part, entry);
        } catch (error) {
          target.destroy(error as Error);
        }
      });
      await pipeline(source, target, { signal });
      return inFile(entry.path);
    } catch (error) {
      throw explain(error);
    }
  }

  #count(part: Buffer, entry: Entry): void {
    this.#add(part.length, entry);
    entry.inspect(part, entry.bytes);
  }

  #add(bytes: number, entry: Entry): void {
    entry.bytes += bytes;
    this.#bytes += bytes;
    if (this.#bytes > this.#bytesMax) throw diskFull('The server holds as much audio as it may at the moment.');
  }

  #forget(entry: Entry): void {
    this.#memoryBytes -= entry.memoryBytes;
    entry.memoryBytes = 0;
    entry.parts = [];
  }

  async #remove(entry: Entry): Promise<void> {
    if (!this.#entries.delete(entry)) return;
    this.#bytes -= entry.bytes;
    this.#forget(entry);
    if (entry.path === undefined) return;
    await entry.written?.catch(() => {});
    await closeOnce(entry);
    await unlink(entry.path).catch(ignoreMissing);
  }

  #newPath(): string {
    return join(this.#directory, randomUUID());
  }
}

async function closeOnce(entry: Entry): Promise<void> {
  const { handle } = entry;
  delete entry.handle;
  await handle?.close();
}

async function writeWhole(path: string, parts: Buffer[]): Promise<string> {
  try {
    await writeFile(path, parts, { flag: 'wx', mode: 0o600 });
    return path;
  } catch (error) {
    throw explain(error);
  }
}

function explain(error: unknown): unknown {
  const isFull = ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
  return isFull ? noSpaceLeft(error) : error;
}

/** As the system says it, also to another program that writes into a file of ours. */
export function noSpaceLeft(cause: unknown): GatewayError {
  return diskFull('The server has no disk space left for the audio.', cause);
}

function diskFull(message: string, cause?: unknown): GatewayError {
  return new GatewayError('disk-full', message, { cause });
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
