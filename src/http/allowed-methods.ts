// What a known path answers to a method it does not have: 405 and the one it has, instead of 404.
import type { Hono } from 'hono';
import { GatewayError } from '../errors.ts';
import type { HttpEnvironment } from './environment.ts';

/** To be called after every route of these paths: the first that matches answers. */
export function refuseOtherMethods(routes: Hono<HttpEnvironment>, methodByPath: Record<string, string>): void {
  for (const [path, method] of Object.entries(methodByPath)) {
    routes.all(path, (context) => {
      context.header('allow', method);
      throw new GatewayError('method-unsupported', `Not allowed to ${context.req.method} on ${context.req.path}.`);
    });
  }
}
