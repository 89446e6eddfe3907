// Server-sent events over one response: framing, pings, backpressure, and the moment the response commits to a stream.
// What the records say, and what a failure looks like among them, belongs to the dialects.
import type { Clock } from '../lib/clock.ts';

/** Under the idle limits that proxies have been seen to use (30 s and more). */
export const PING_INTERVAL_MS = 15_000;

/** Until then a failure can still be an ordinary status; after it, a client deserves its headers. */
export const FIRST_RECORD_WAIT_MS = 10_000;

/** One line of data; with an id, a client that lost its connection says which record was its last. */
export type EventRecord = string | { id: string; data: string };

export interface EventStreamOptions {
  clock: Clock;
  /** The last record after `records` threw; the stream ends with it. */
  renderFailure(thrown: unknown): string;
  /** The client left; `records` are returned right after. */
  onCancel(): void;
  /** How long a first record is waited for; 0 where none may ever come. */
  firstRecordWaitMs?: number;
}

/** Sent with every stream; the last keeps nginx from collecting records before it passes them on. */
export const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};

/** The id of the last record that a client which comes back has seen. */
export function lastEventId(headers: Headers): string | undefined {
  return headers.get('last-event-id')?.trim() || undefined;
}

/**
 * Turns records into the body of a response. Rejects with what `records` throws before the first record, if that comes
 * within FIRST_RECORD_WAIT_MS. A record is asked for only when the client has taken the last.
 */
export async function openEventStream(
  records: AsyncGenerator<EventRecord>,
  { clock, renderFailure, onCancel, firstRecordWaitMs = FIRST_RECORD_WAIT_MS }: EventStreamOptions,
): Promise<ReadableStream<Uint8Array>> {
  let cancelled = false;
  let next: Promise<IteratorResult<EventRecord>> | undefined = records.next();
  await within(clock, firstRecordWaitMs, next);

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const send = (bytes: Uint8Array) => {
          if (!cancelled) controller.enqueue(bytes);
        };
        next ??= records.next();
        try {
          const result = await within(clock, PING_INTERVAL_MS, next);
          if (result === undefined) return send(PING);
          next = undefined;
          if (!result.done) return send(frame(result.value));
        } catch (thrown) {
          if (!cancelled) send(frame(renderFailure(thrown)));
        }
        if (!cancelled) controller.close();
      },
      async cancel() {
        cancelled = true;
        onCancel();
        // A pending record settles when its source sees the cancellation; `return` then runs the source's clean-up.
        await records.return(undefined).catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
}

const encoder = new TextEncoder();
const PING = encoder.encode(': ping\n\n');
/** One record may be sent to many, and be long. */
const frames = new WeakMap<object, Uint8Array>();

function frame(record: EventRecord): Uint8Array {
  if (typeof record === 'string') return encoder.encode(`data: ${record}\n\n`);
  const framed = frames.get(record) ?? encoder.encode(`id: ${record.id}\ndata: ${record.data}\n\n`);
  frames.set(record, framed);
  return framed;
}

/** What `promise` resolves to, or undefined once `limitMs` has passed. The promise stays usable. */
async function within<T>(clock: Clock, limitMs: number, promise: Promise<T>): Promise<T | undefined> {
  let stop = () => {};
  const elapsed = new Promise<undefined>((resolve) => {
    stop = clock.after(limitMs, () => resolve(undefined));
  });
  try {
    return await Promise.race([promise, elapsed]);
  } finally {
    stop();
  }
}
