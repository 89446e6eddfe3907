// The socket's side of a request, which Hono's own request hides: its body as a stream, and whether anybody is still there.
import { hash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { KeyRing } from './auth.ts';
import type { HttpEnvironment } from './environment.ts';
import { presentedKey } from './presented-key.ts';

/** Nobody is there to read it; logs show it (nginx's code for a client that closed the request). */
export const CLIENT_CLOSED_REQUEST = 499 as ContentfulStatusCode;

export function incomingBody({ env, req }: Context<HttpEnvironment>): Readable {
  if (env?.incoming) return env.incoming;
  return req.raw.body ? Readable.fromWeb(req.raw.body as NodeReadableStream) : Readable.from([]);
}

/**
 * One name for all requests of one client: its key, wherever it calls from. Where no keys are asked for, many clients write
 * the same word instead of one, so that its address counts, too. Not the key itself: it is logged.
 */
export function callerOf({ env, req }: Context<HttpEnvironment>, keys: KeyRing): string {
  const key = presentedKey(req.raw.headers);
  const address = env?.incoming?.socket.remoteAddress ?? '';
  return hash('sha256', key && !keys.isEmpty ? key : `${key ?? ''} ${address}`).slice(0, 16);
}

/** The socket is asked too: a torn upload shows as a parsing failure a moment before the signal fires. */
export function hasLeft({ env }: Context<HttpEnvironment>, signal: AbortSignal): boolean {
  return signal.aborted || env?.incoming?.socket.destroyed === true;
}
