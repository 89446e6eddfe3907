// One id per request, told to the client on every answer and written in every log line about it.
import { randomBytes } from 'node:crypto';
import { createMiddleware } from 'hono/factory';
import type { HttpEnvironment } from './environment.ts';

export const requestId = createMiddleware<HttpEnvironment>(async (context, next) => {
  const id = `req_${randomBytes(16).toString('hex')}`;
  context.set('requestId', id);
  context.set('receivedAtMs', performance.now());
  context.header('x-request-id', id);
  await next();
});
