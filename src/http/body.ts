// Owns what is true of every request body, whatever is in it: how large it may be, how long it may stand still, and that
// a client whose body is refused hears why. What the bytes mean is for whoever reads them.
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { GatewayError } from '../errors.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { discardRest, REST_BYTES_MAX } from './discard-rest.ts';

export interface BodyOptions {
  /** Largest body. */
  bytesMax: number;
  /** How long the body may stand still while we are ready to take more. */
  idleMs: number;
  signal: AbortSignal;
  clock?: Clock;
}

/**
 * Runs `read` on a body that has not been touched. When it fails, what the client still sends is discarded within bounds
 * before this rejects, so that the answer reaches clients that read nothing until they have sent all.
 */
export async function readWithin<Result>(
  body: Readable,
  headers: Headers,
  options: BodyOptions,
  read: () => Promise<Result>,
): Promise<Result> {
  const length = lengthOf(headers) ?? 0;
  body.on('error', () => {}); // a connection that breaks is noticed by its close; unheard, the error would end the process
  try {
    options.signal.throwIfAborted();
    if (body.destroyed) throw malformed('The connection closed before the body had arrived.');
    if (length > options.bytesMax) throw tooLarge(options.bytesMax);
    return await read();
  } catch (thrown) {
    const isWorthIt = length <= options.bytesMax + REST_BYTES_MAX && !isStalled(thrown);
    if (isWorthIt) await discardRest(body, { signal: options.signal, ...(options.clock && { clock: options.clock }) });
    throw thrown;
  }
}

/** As the client said before it sent the body; undefined where it did not. */
export function lengthOf(headers: Headers): number | undefined {
  const length = headers.get('content-length');
  return length === null ? undefined : Number(length);
}

/** Hands the whole body to `take`, which reads its stream to the end, or rejects. */
export async function takeBody<Result>(
  body: Readable,
  options: BodyOptions,
  take: (stream: Readable) => Promise<Result>,
): Promise<Result> {
  const stream = new PassThrough();
  stream.on('error', () => {}); // whoever takes it hears of it too
  const stop = pump(body, stream, options, (reason) => stream.destroy(reason as Error));
  try {
    return await take(stream);
  } finally {
    stop();
  }
}

/** Reads a small body whole. */
export async function readBytes(body: Readable, options: BodyOptions): Promise<Buffer> {
  return takeBody(body, options, async (stream) => Buffer.concat(await stream.toArray()));
}

export interface PumpOptions extends BodyOptions {
  /** Sees every chunk before it is moved on, and how much came before it; stops the whole by throwing. */
  inspect?: (bytesBefore: number) => void;
}

/** Moves the body into `target`, as fast as that takes it, and watches over it. Returns what stops it. */
export function pump(
  body: Readable,
  target: Writable,
  { bytesMax, idleMs, signal, clock = systemClock, inspect = () => {} }: PumpOptions,
  fail: (reason: unknown) => void,
): () => void {
  let bytes = 0;
  let lastByteAtMs = clock.nowMs();
  let cancelTimer = () => {};

  const onData = (chunk: Buffer) => {
    lastByteAtMs = clock.nowMs();
    try {
      if (bytes + chunk.length > bytesMax) throw tooLarge(bytesMax);
      inspect(bytes);
    } catch (reason) {
      return refuse(reason);
    }
    bytes += chunk.length;
    if (!target.write(chunk)) body.pause();
  };
  const onDrain = () => {
    lastByteAtMs = clock.nowMs();
    body.resume();
  };
  const onEnd = () => {
    cancelTimer();
    target.end();
  };
  const onClose = () => {
    if (!body.readableEnded) refuse(malformed('The connection closed before the whole body had arrived.'));
  };
  const onAbort = () => refuse(signal.reason);
  const watch = (delayMs: number) => {
    cancelTimer = clock.after(delayMs, () => {
      // One timer per silence, not per chunk. While the body is paused it is we who are slow.
      const leftMs = body.isPaused() ? idleMs : idleMs - (clock.nowMs() - lastByteAtMs);
      if (leftMs <= 0) refuse(stalled(idleMs));
      else watch(leftMs);
    });
  };
  const stop = () => {
    cancelTimer();
    signal.removeEventListener('abort', onAbort);
    target.off('drain', onDrain);
    body.off('data', onData).off('end', onEnd).off('close', onClose).pause();
  };
  const refuse = (reason: unknown) => {
    stop();
    fail(reason);
  };

  target.on('drain', onDrain);
  signal.addEventListener('abort', onAbort);
  body.on('data', onData).on('end', onEnd).on('close', onClose);
  watch(idleMs);
  return stop;
}

function tooLarge(bytesMax: number): GatewayError {
  return new GatewayError('body-too-large', `The request body is larger than ${bytesMax} bytes.`);
}

export function malformed(message: string, cause?: unknown): GatewayError {
  return new GatewayError('body-malformed', message, { cause });
}

function stalled(idleMs: number): GatewayError {
  return new GatewayError('upload-stalled', `The upload sent nothing for ${idleMs / 1000} seconds.`);
}

function isStalled(thrown: unknown): boolean {
  return thrown instanceof GatewayError && thrown.code === 'upload-stalled';
}
