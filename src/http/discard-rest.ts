// Reads what a refused client still sends. A socket that is closed with unread bytes in it is reset, and a reset takes
// the answer with it that the client has not read yet.
import type { Readable } from 'node:stream';
import { type Clock, systemClock } from '../lib/clock.ts';

export const REST_BYTES_MAX = 64 * 1024 ** 2;
export const REST_MS_MAX = 5000;

/** Resolves when the body is over or a bound is reached; the body is then left paused, and its socket may be closed. */
export function discardRest(
  body: Readable,
  { signal, clock = systemClock }: { signal: AbortSignal; clock?: Clock },
): Promise<void> {
  if (body.readableEnded || body.destroyed || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    let bytes = 0;
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > REST_BYTES_MAX) finish();
    };
    const finish = () => {
      cancelTimer();
      signal.removeEventListener('abort', finish);
      body.off('data', onData).off('end', finish).off('close', finish).pause();
      resolve();
    };
    const cancelTimer = clock.after(REST_MS_MAX, finish);
    signal.addEventListener('abort', finish);
    body.on('data', onData).on('end', finish).on('close', finish).resume();
  });
}
