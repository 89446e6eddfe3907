// Runs one chunk on whichever backend the scheduler leases. A backend that fails under it is replaced once, unseen by the caller.
import { GatewayError } from '../errors.ts';
import type { Model } from '../models/model.ts';
import type { Lease, Scheduler } from '../schedule/scheduler.ts';
import type { ChunkEvent } from '../transcript/event.ts';
import type { Chunk } from '../transcript/recording.ts';
import type { DecodingOptions } from '../transcript/request.ts';

/** A chunk that brings down two backends is at fault itself. */
const RUNS_MAX = 2;

export async function* runChunk(
  scheduler: Pick<Scheduler, 'lease'>,
  chunk: Chunk,
  model: Model,
  options: DecodingOptions,
  signal: AbortSignal,
): AsyncGenerator<ChunkEvent> {
  let failed: Lease['backend'] | undefined;
  let draftedUntilMs = 0;

  for (let runs = 1; ; runs++) {
    const lease = await scheduler.lease(failed ? { model, avoid: failed } : { model }, signal);
    try {
      for await (const event of lease.backend.run(chunk, options, signal)) {
        if (event.type === 'segment-draft') {
          // The caller has heard this from the backend that failed.
          if (failed && event.startMs < draftedUntilMs) continue;
          draftedUntilMs = event.endMs;
        }
        yield event;
      }
      return;
    } catch (error) {
      if (signal.aborted || runs === RUNS_MAX || !isBackendFault(error)) throw error;
      failed = lease.backend;
    } finally {
      lease.release();
    }
  }
}

function isBackendFault(error: unknown): boolean {
  return error instanceof GatewayError && (error.code === 'engine-failed' || error.code === 'engine-timeout');
}
