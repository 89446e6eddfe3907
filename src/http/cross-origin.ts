// Lets pages of any origin call us: keys travel in a header, never in a cookie, so an open origin gives nothing away.
import { cors } from 'hono/cors';
import { createMiddleware } from 'hono/factory';
import type { HttpEnvironment } from './environment.ts';

const granted = {
  // Left empty, the headers a browser asks for are granted as asked: SDKs add more of them with every release.
  allowHeaders: [],
  allowMethods: ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'],
  maxAge: 86_400,
};
const EXPOSED_ALWAYS = ['x-request-id', 'x-cache', 'x-warning', 'retry-after'];
const EXPOSED_TO_NAMED = [
  ...['dg-model-name', 'dg-model-uuid', 'dg-char-count', 'dg-request-id', 'dg-project-id', 'dg-error'],
  ...EXPOSED_ALWAYS,
];

const EXPOSED_TO_ANY = [
  ...['openai-processing-ms', 'openai-version', 'location', 'idempotency-replayed'],
  ...['x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
  ...EXPOSED_ALWAYS,
];

const openPreflight = cors({ ...granted, origin: '*', exposeHeaders: EXPOSED_TO_ANY });
/** For clients that send credentials with everything, which browsers allow to a named origin only. We read none. */
const namedPreflight = cors({
  ...granted,
  origin: (origin) => origin,
  credentials: true,
  exposeHeaders: EXPOSED_TO_NAMED,
});

const openHeaders = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': EXPOSED_TO_ANY.join(','),
};
const namedHeaders = (origin: string | undefined) => ({
  ...(origin && { 'access-control-allow-origin': origin }),
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': EXPOSED_TO_NAMED.join(','),
  vary: 'Origin',
});

/** For answers to requests whose origin cannot be read. */
export const ANY_ORIGIN_HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': EXPOSED_TO_NAMED.join(','),
};

export function crossOrigin(isReflecting: (request: Request) => boolean) {
  return createMiddleware<HttpEnvironment>((context, next) => {
    const isNamed = isReflecting(context.req.raw);
    if (context.req.method === 'OPTIONS') return (isNamed ? namedPreflight : openPreflight)(context, next);
    // Before the answer is made, which then is made once, by the context's own methods: Hono's middleware has it made twice,
    // for a tenth of what a known transcript costs. A handler that made a Response itself would lose these headers.
    const headers = isNamed ? namedHeaders(context.req.header('origin')) : openHeaders;
    for (const [name, value] of Object.entries(headers)) context.header(name, value);
    return next();
  });
}
