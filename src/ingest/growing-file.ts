// Bytes that one side still writes while another reads them. What is read is stored, so whoever hears of it may open it;
// and neither side waits for the other's pace, so nothing collects in memory.
import type { Stored } from '../lib/stored.ts';

/** What the writer says of its progress. */
export class Growth {
  #ending: { error?: unknown } | undefined;
  #news = Promise.withResolvers<void>();

  /** A whole file is one that does not grow any more. */
  static ended(): Growth {
    const growth = new Growth();
    growth.end();
    return growth;
  }

  /** More was written, or soon will be. */
  grew(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  /** All was written. */
  end(): void {
    this.#ending = {};
    this.#news.resolve();
  }

  /** Nothing of it is to be trusted. */
  fail(error: unknown): void {
    this.#ending = { error };
    this.#news.resolve();
  }

  /** Whether all was written. Throws what writing failed with. */
  get hasEnded(): boolean {
    if (this.#ending && 'error' in this.#ending) throw this.#ending.error;
    return this.#ending !== undefined;
  }

  /** Settles at the next of these calls. */
  get news(): Promise<void> {
    return this.#news.promise;
  }
}

export interface GrowingFile {
  stored: Stored;
  byteOffset: number;
  /** Where it is known to end before the file does. */
  byteLength?: number;
  growth: Growth;
}

/** Blocks of one size, the last of what remains, each the caller's own. Ends early only when the writer fails. */
export async function* readBlocks(file: GrowingFile, blockBytes: number): AsyncGenerator<Buffer> {
  const reader = await file.stored.open();
  try {
    const endByte = file.byteLength === undefined ? Number.POSITIVE_INFINITY : file.byteOffset + file.byteLength;
    let position = file.byteOffset;
    while (position < endByte) {
      // Both before reading: what was written in between is then read, or told of.
      const { news } = file.growth;
      const { hasEnded } = file.growth;
      const read = await reader.read(position, Math.min(blockBytes, endByte - position));
      if (read.length === blockBytes || (hasEnded && read.length > 0)) {
        position += read.length; // of what is given away there is no more to see
        yield read;
      } else if (hasEnded) {
        return;
      } else {
        await news;
      }
    }
  } finally {
    await reader.close();
  }
}
