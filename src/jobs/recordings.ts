// Owns the audio of the jobs on disk: one file for each content, however many jobs and runs hold it, gone with the last of
// them. Does not know which jobs there are: whoever needs a file holds it.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { copyFile, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';
import type { Log } from '../lib/log.ts';
import { inFile } from '../lib/stored.ts';
import type { Recording } from '../transcript/recording.ts';

/** Until somebody whose recording found no room may ask again. */
const RETRY_SECONDS = 5;

interface KeptFile {
  bytes: number;
  holders: number;
  /** Settles when the file would survive a crash, or is not there. */
  placed: Promise<void>;
}

export interface RecordingsParts {
  /** For the recordings alone. */
  directory: string;
  bytesMax: number;
  log: Log;
}

export class Recordings {
  readonly #parts: RecordingsParts;
  /** By SHA-256. */
  readonly #files = new Map<string, KeptFile>();
  #bytes = 0;

  constructor(parts: RecordingsParts) {
    this.#parts = parts;
    mkdirSync(parts.directory, { recursive: true, mode: 0o700 });
  }

  /** What all files take together. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Keeps the recording until `drop`, on disk when this resolves; whatever held it before may be gone then. Throws
   * `queue-full`, `disk-full`, and `body-too-large` for what will never have room.
   */
  async keep({ stored, sha256, bytes }: Recording): Promise<void> {
    const known = this.#files.get(sha256);
    if (known) {
      known.holders += 1;
      return known.placed;
    }
    this.#checkRoom(bytes);
    const placed = stored.path().then((path) => place(path, this.#pathOf(sha256)));
    this.#files.set(sha256, { bytes, holders: 1, placed });
    this.#bytes += bytes;
    try {
      await placed;
    } catch (error) {
      // With everybody who came to hold it meanwhile: they are told the same.
      this.#files.delete(sha256);
      this.#bytes -= bytes;
      throw error;
    }
  }

  /** At the start: what an earlier process kept. False where it is not there. */
  hold(sha256: string): boolean {
    const known = this.#files.get(sha256);
    if (known) known.holders += 1;
    else {
      const bytes = statSync(this.#pathOf(sha256), { throwIfNoEntry: false })?.size;
      if (bytes === undefined) return false;
      this.#files.set(sha256, { bytes, holders: 1, placed: Promise.resolve() });
      this.#bytes += bytes;
    }
    return true;
  }

  /** For one run, which may outlast its job: its release is a drop. */
  open(sha256: string): Recording {
    const file = this.#files.get(sha256);
    assert(file, 'a recording that nobody holds');
    file.holders += 1;
    let isHeld = true;
    const release = async () => {
      if (isHeld) this.drop(sha256);
      isHeld = false;
    };
    return { stored: inFile(this.#pathOf(sha256)), sha256, bytes: file.bytes, release };
  }

  drop(sha256: string): void {
    const file = this.#files.get(sha256);
    assert(file, 'a recording is dropped once by each who holds it');
    file.holders -= 1;
    if (file.holders > 0) return;
    this.#files.delete(sha256);
    this.#bytes -= file.bytes;
    this.#remove(sha256);
  }

  /** After everything that is needed is held: what a crash left. */
  removeOthers(): void {
    for (const name of readdirSync(this.#parts.directory)) if (!this.#files.has(name)) this.#remove(name);
  }

  #checkRoom(bytes: number): void {
    const { bytesMax } = this.#parts;
    if (bytes > bytesMax) throw new GatewayError('body-too-large', `The file is larger than ${bytesMax} bytes.`);
    if (this.#bytes + bytes <= bytesMax) return;
    throw new GatewayError('queue-full', 'The recordings of waiting jobs take all the room they may.', {
      retryAfterSeconds: RETRY_SECONDS,
    });
  }

  #remove(name: string): void {
    const { directory, log } = this.#parts;
    // Out of the way at once: the same recording may come again before a large file is gone.
    const gone = join(directory, `${randomUUID()}.gone`);
    try {
      renameSync(join(directory, name), gone);
    } catch (error) {
      log.error({ err: error, recording: name }, 'a recording could not be removed');
      return;
    }
    rm(gone, { force: true }).catch((error: unknown) => {
      log.error({ err: error, recording: name }, 'a recording could not be removed');
    });
  }

  #pathOf(sha256: string): string {
    return join(this.#parts.directory, sha256);
  }
}

/** What lies at `to` is always whole. */
async function place(from: string, to: string): Promise<void> {
  try {
    await sync(from);
    await move(from, to);
    await sync(join(to, '..'));
  } catch (error) {
    await rm(to, { force: true });
    if (!['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    throw new GatewayError('disk-full', 'The server has no disk space left for the recordings of jobs.', {
      cause: error,
    });
  }
}

/** The spool may be a file system of its own. */
async function move(from: string, to: string): Promise<void> {
  await rename(from, to).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EXDEV') throw error;
    const part = `${to}.part`;
    try {
      await copyFile(from, part);
      await sync(part);
      await rename(part, to);
    } catch (copyError) {
      await rm(part, { force: true });
      throw copyError;
    }
  });
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}
