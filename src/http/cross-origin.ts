// Lets pages of any origin call us: keys travel in a header, never in a cookie, so an open origin gives nothing away.
import { cors } from 'hono/cors';

export const crossOrigin = cors({
  origin: '*',
  // Left empty, the headers a browser asks for are granted as asked: SDKs add more of them with every release.
  allowHeaders: [],
  allowMethods: ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'],
  exposeHeaders: [
    'x-request-id',
    'x-cache',
    'x-warning',
    'retry-after',
    'openai-processing-ms',
    'openai-version',
    'x-ratelimit-limit-requests',
    'x-ratelimit-remaining-requests',
    'x-ratelimit-reset-requests',
  ],
  maxAge: 86_400,
});
