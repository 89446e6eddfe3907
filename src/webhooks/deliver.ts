// Owns one attempt at one webhook: the request, its headers, and the verdict on the answer. When to try again is the
// outbox's business, which addresses may be asked the guard's.
import { STATUS_CODES } from 'node:http';
import { Agent, type Dispatcher, request } from 'undici';
import { GatewayError, type GatewayErrorDetails } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { UrlGuard } from '../lib/safe-url.ts';
import type { WebhooksSettings } from './settings.ts';
import { readSecret, sign } from './sign.ts';

const CONNECT_MS_MAX = 10_000;
/** An answer's body says nothing to us. This much is read, so that a receiver who is still writing sees no broken connection. */
const ANSWER_BYTES_MAX = 64 * 1024;

export interface Delivery {
  id: string;
  /** May hold credentials. */
  url: string;
  method: 'POST' | 'PUT';
  /** JSON. */
  body: Uint8Array;
}

/** Resolves after a 2xx. Anything else throws, with `retryAfterSeconds` where the receiver named a time. */
export type Send = (delivery: Delivery, signal: AbortSignal) => Promise<void>;

export interface SendParts {
  settings: WebhooksSettings;
  guard: UrlGuard;
  clock: Clock;
  /** Wall time: receivers compare the timestamp with their own. */
  epochMs: () => number;
}

export function createSend({ settings, guard, clock, epochMs }: SendParts): Send {
  const secret = settings.WEBHOOK_SECRET === undefined ? undefined : readSecret(settings.WEBHOOK_SECRET);

  function writeHeaders({ id, body }: Delivery, authorization: string | undefined): Record<string, string> {
    const timestampSeconds = Math.floor(epochMs() / 1000);
    return {
      'content-type': 'application/json',
      'user-agent': 'whispergate',
      'webhook-id': id,
      'webhook-timestamp': String(timestampSeconds),
      ...(secret && { 'webhook-signature': sign({ secret, id, timestampSeconds, body }) }),
      ...(authorization !== undefined && { authorization }),
    };
  }

  return async (delivery, signal) => {
    signal.throwIfAborted();
    const { url, authorization } = guard.check(delivery.url);
    const deadline = new AbortController();
    const cancelDeadline = clock.after(settings.WEBHOOK_SECONDS_MAX * 1000, () =>
      deadline.abort(undelivered('did not answer in time')),
    );
    const either = AbortSignal.any([signal, deadline.signal]);
    // Of its own, so that no connection outlives the attempt. No timeouts of undici's: the deadline covers them all.
    const agent = new Agent({
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { lookup: guard.lookup, timeout: CONNECT_MS_MAX },
    });
    // A request whose connection is still being made does not hear its signal.
    const stop = () => void agent.destroy();
    either.addEventListener('abort', stop);
    try {
      const { method, body } = delivery;
      const headers = writeHeaders(delivery, authorization);
      const answer = await request(url, { dispatcher: agent, signal: either, method, headers, body });
      answer.body.on('error', () => {}); // the verdict does not wait for the body, nor for how it ends
      judge(answer, epochMs());
      await answer.body.dump({ limit: ANSWER_BYTES_MAX, signal: either }).catch(() => {});
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      either.throwIfAborted(); // whatever broke in consequence
      throw undelivered('could not be reached', { cause: error });
    } finally {
      cancelDeadline();
      either.removeEventListener('abort', stop);
      stop();
    }
  };
}

/** A redirect is a refusal, too: a signed body goes where it was meant to go and nowhere else. */
function judge({ statusCode, headers }: Dispatcher.ResponseData, nowMs: number): void {
  if (statusCode >= 200 && statusCode < 300) return;
  const retryAfterSeconds = readRetryAfter(headers['retry-after'], nowMs);
  throw undelivered(
    `answered ${statusCode} ${STATUS_CODES[statusCode] ?? ''}`.trim(),
    retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
  );
}

/** Seconds, or a date. Undefined for what is neither. */
export function readRetryAfter(value: string | string[] | undefined, nowMs: number): number | undefined {
  if (typeof value !== 'string') return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  const seconds = (Date.parse(value) - nowMs) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

function undelivered(whatItDid: string, details: GatewayErrorDetails = {}): GatewayError {
  return new GatewayError('url-unreachable', `The receiver ${whatItDid}.`, details);
}
