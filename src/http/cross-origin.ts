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
const EXPOSED = ['x-request-id', 'x-cache', 'x-warning', 'retry-after'];

const open = cors({
  ...granted,
  origin: '*',
  exposeHeaders: [
    ...EXPOSED,
    'openai-processing-ms',
    'openai-version',
    'x-ratelimit-limit-requests',
    'x-ratelimit-remaining-requests',
    'x-ratelimit-reset-requests',
  ],
});

/** For clients that send credentials with everything, which browsers allow to a named origin only. We read none. */
const reflecting = cors({
  ...granted,
  origin: (origin) => origin,
  credentials: true,
  exposeHeaders: [
    ...['dg-model-name', 'dg-model-uuid', 'dg-char-count', 'dg-request-id', 'dg-project-id', 'dg-error'],
    ...EXPOSED,
  ],
});

export function crossOrigin(isReflecting: (request: Request) => boolean) {
  return createMiddleware<HttpEnvironment>((context, next) =>
    (isReflecting(context.req.raw) ? reflecting : open)(context, next),
  );
}
