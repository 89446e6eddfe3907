// An event stream as the answer to a request. It opens at once: nothing may happen for long, and a client that waits for its
// headers cannot tell that from a server which does not answer.
import type { Context } from 'hono';
import { toGatewayError } from '../../errors.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { hasLeft } from '../../http/incoming.ts';
import { EVENT_STREAM_HEADERS, type EventRecord, openEventStream } from '../../http/sse.ts';
import type { Clock } from '../../lib/clock.ts';
import type { DialectServices } from '../dialect.ts';

/** `recordsUntil` is asked for its records once; they end when the signal aborts. */
export async function answerStream(
  context: Context<HttpEnvironment>,
  { log }: Pick<DialectServices, 'log'>,
  clock: Clock,
  recordsUntil: (signal: AbortSignal) => AsyncGenerator<EventRecord>,
): Promise<Response> {
  // Nobody would read, and so leave, the stream.
  if (context.req.method === 'HEAD') return context.body(null, 200, EVENT_STREAM_HEADERS);
  const departure = new AbortController();
  const signal = AbortSignal.any([context.req.raw.signal, departure.signal]);
  const stream = await openEventStream(recordsUntil(signal), {
    clock,
    firstRecordWaitMs: 0,
    onCancel: () => departure.abort(),
    renderFailure(thrown) {
      // The status line said 200 long ago, so this failure shows in no access log. That somebody left is no failure.
      if (!hasLeft(context, signal))
        log.error({ err: thrown, requestId: context.var.requestId }, 'failed while streaming');
      return JSON.stringify({ type: 'error', message: toGatewayError(thrown).message });
    },
  });
  return context.body(stream, 200, EVENT_STREAM_HEADERS);
}
