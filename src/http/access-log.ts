// One line per answered request, at the edge, with its id.
import { createMiddleware } from 'hono/factory';
import { GatewayError } from '../errors.ts';
import type { Log } from '../lib/log.ts';
import type { HttpEnvironment } from './environment.ts';

export function accessLog(log: Log) {
  return createMiddleware<HttpEnvironment>(async (context, next) => {
    await next();
    // Every dialect renders its own errors; what nobody expected is told here, once.
    const error = context.error;
    if (error && !(error instanceof GatewayError)) log.error({ err: error, requestId: context.var.requestId }, 'bug');
    log.info(
      {
        requestId: context.var.requestId,
        method: context.req.method,
        path: context.req.path,
        status: context.res.status,
        code: error instanceof GatewayError ? error.code : undefined,
        cause: error instanceof GatewayError && error.cause instanceof Error ? error.cause.message : undefined,
        cache: context.res.headers.get('x-cache') ?? undefined,
        tookMs: Math.round(performance.now() - context.var.receivedAtMs),
      },
      'answered',
    );
  });
}
