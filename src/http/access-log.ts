// One line per answered request, at the edge, with its id.
import { createMiddleware } from 'hono/factory';
import type { Log } from '../lib/log.ts';
import type { HttpEnvironment } from './environment.ts';

export function accessLog(log: Log) {
  return createMiddleware<HttpEnvironment>(async (context, next) => {
    await next();
    log.info(
      {
        requestId: context.var.requestId,
        method: context.req.method,
        path: context.req.path,
        status: context.res.status,
        cache: context.res.headers.get('x-cache') ?? undefined,
        tookMs: Math.round(performance.now() - context.var.receivedAtMs),
      },
      'answered',
    );
  });
}
