// Runs one chunk on whichever backend the scheduler leases. A backend that fails under it is replaced once, unseen by the caller.
import { GatewayError } from '../errors.ts';
import type { LeaseNeed, Scheduler } from '../schedule/scheduler.ts';
import type { ChunkFinal, LanguageDetected } from '../transcript/event.ts';
import type { Chunk } from '../transcript/recording.ts';
import type { DecodingOptions } from '../transcript/request.ts';

/** A chunk that brings down two backends is at fault itself. */
const RUNS_MAX = 2;

export async function runChunk(
  scheduler: Pick<Scheduler, 'lease'>,
  chunk: Chunk,
  { options, ...need }: Omit<LeaseNeed, 'avoid'> & { options: DecodingOptions },
  signal: AbortSignal,
  onLanguage?: (detected: LanguageDetected) => void,
): Promise<ChunkFinal> {
  let avoid: LeaseNeed['avoid'];
  for (let runs = 1; ; runs++) {
    const lease = await scheduler.lease(avoid ? { ...need, avoid } : need, signal);
    try {
      for await (const event of lease.backend.run(chunk, options, signal)) {
        if (event.type === 'chunk-final') return event;
        if (event.type === 'language-detected') onLanguage?.(event);
      }
      throw new GatewayError('engine-failed', 'The engine ended without a result.');
    } catch (error) {
      if (signal.aborted || runs === RUNS_MAX || !isBackendFault(error)) throw error;
      avoid = lease.backend;
    } finally {
      lease.release();
    }
  }
}

function isBackendFault(error: unknown): boolean {
  return error instanceof GatewayError && (error.code === 'engine-failed' || error.code === 'engine-timeout');
}
