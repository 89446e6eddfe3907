// What every handler finds in Hono's context.
import type { HttpBindings } from '@hono/node-server';

export interface HttpEnvironment {
  /** Empty when a test calls the app without a socket. */
  Bindings: Partial<HttpBindings>;
  Variables: { requestId: string; receivedAtMs: number };
}
