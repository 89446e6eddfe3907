// One id per request, told to the client on every answer and written in every log line about it. Its digits are those of a
// UUID, since some vendors' clients expect one.
import { randomUUID } from 'node:crypto';
import { createMiddleware } from 'hono/factory';
import type { HttpEnvironment } from './environment.ts';

export const requestId = createMiddleware<HttpEnvironment>(async (context, next) => {
  const id = newRequestId();
  context.set('requestId', id);
  context.set('receivedAtMs', performance.now());
  context.header('x-request-id', id);
  await next();
});

export function newRequestId(): string {
  return `req_${randomUUID().replaceAll('-', '')}`;
}
