// Bytes that are read more than once and from any place, wherever they lie. Does not decide where that is.
import { open } from 'node:fs/promises';

/** A chunk of half a minute in one step. */
const BLOCK_BYTES = 1024 ** 2;

export interface Stored {
  /** To be closed by the caller. */
  open(): Promise<StoredReader>;
  /** The file that holds them, for another program; written now where there was none. */
  path(): Promise<string>;
}

export interface StoredReader {
  /** What there is from `position` on, at most `byteLength`, for the caller to keep or to give away. */
  read(position: number, byteLength: number): Promise<Buffer>;
  close(): Promise<void>;
}

export function inFile(path: string): Stored {
  return {
    path: async () => path,
    async open() {
      const handle = await open(path);
      return {
        async read(position, byteLength) {
          const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafeSlow(byteLength), 0, byteLength, position);
          return buffer.subarray(0, bytesRead);
        },
        close: () => handle.close(),
      };
    },
  };
}

/** In memory, where `write` makes a file of them when somebody needs one. */
export function inMemory(bytes: () => Buffer, write: () => Promise<string>): Stored {
  return {
    path: write,
    open: async () => ({
      read: async (position, byteLength) => copyOf(bytes().subarray(position, position + byteLength)),
      close: async () => {},
    }),
  };
}

/** In memory of its own, and not in a part of what Node shares among small buffers. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

/** From `start` on, `byteLength` of them, fewer where they end before. */
export async function* readRange(stored: Stored, start: number, byteLength: number): AsyncGenerator<Buffer> {
  const reader = await stored.open();
  try {
    const end = start + byteLength;
    for (let position = start; position < end; ) {
      const block = await reader.read(position, Math.min(BLOCK_BYTES, end - position));
      if (block.length === 0) return;
      yield block;
      position += block.length;
    }
  } finally {
    await reader.close();
  }
}
