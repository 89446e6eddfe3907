// Owns the files in the spool directory: their names, their bytes on disk, their removal. Knows nothing of audio or HTTP.
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GatewayError } from '../errors.ts';

/** While one write is on its way to the disk this much more is collected, and then written at once. */
const WRITE_BUFFER_BYTES = 1024 ** 2;

export interface SpoolFile {
  path: string;
  bytes: number;
  /** Deletes the file; calling it again does nothing. */
  release(): Promise<void>;
}

export interface Spool {
  /**
   * Streams `source` into a new file and destroys `source` when that fails. `inspect` sees each chunk and the bytes so
   * far before they are written, and stops the whole by throwing. `onOpen` hears the path once the file is there. After a
   * failure nothing stays on disk.
   */
  write(
    source: Readable,
    inspect: (chunk: Buffer, bytes: number) => void,
    signal: AbortSignal,
    onOpen?: (path: string) => void,
  ): Promise<SpoolFile>;
  /** What all files take together. */
  bytes(): number;
  /** Deletes what is left. */
  clear(): Promise<void>;
}

export async function openSpool(directory: string, bytesMax: number): Promise<Spool> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // The data directory is locked by this process, so whatever lies here was left by one that crashed.
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true, force: true });

  const sizes = new Map<string, number>();
  let total = 0;

  async function remove(path: string): Promise<void> {
    total -= sizes.get(path) ?? 0;
    sizes.delete(path);
    await unlink(path).catch(ignoreMissing);
  }

  return {
    async write(source, inspect, signal, onOpen) {
      source.on('error', () => {}); // one that breaks while the file is being opened: the pipeline finds it broken
      const path = join(directory, randomUUID());
      let bytes = 0;
      sizes.set(path, 0);
      const count = (chunk: Buffer) => {
        bytes += chunk.length;
        total += chunk.length;
        sizes.set(path, bytes);
        if (total > bytesMax) throw diskFull('The server holds as much audio as it may at the moment.');
        inspect(chunk, bytes);
      };
      try {
        const handle = await open(path, 'wx', 0o600);
        onOpen?.(path);
        const target = handle.createWriteStream({ highWaterMark: WRITE_BUFFER_BYTES });
        // Listened to beside the pipeline and not iterated over in it: an iterator is given copies, joined together.
        source.on('data', (chunk: Buffer) => {
          try {
            if (!target.destroyed) count(chunk);
          } catch (error) {
            target.destroy(error as Error);
          }
        });
        await pipeline(source, target, { signal });
      } catch (error) {
        source.destroy();
        await remove(path);
        signal.throwIfAborted();
        throw isDiskFull(error) ? diskFull('The server has no disk space left for the audio.', error) : error;
      }
      return { path, bytes, release: () => remove(path) };
    },
    bytes: () => total,
    async clear() {
      for (const path of [...sizes.keys()]) await remove(path);
    },
  };
}

function diskFull(message: string, cause?: unknown): GatewayError {
  return new GatewayError('disk-full', message, { cause });
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
}
