// Liveness and readiness. What the status means is computed elsewhere and handed in; these routes must stay honest and
// quick while every device is busy, so they never touch an engine.
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import type { HttpEnvironment } from '../http/environment.ts';
import type { Readiness } from './readiness.ts';

const healthRoute = createRoute({
  method: 'get',
  path: '/health',
  tags: ['Server'],
  summary: 'Is the process alive?',
  responses: {
    200: {
      description: 'The server is running.',
      content: {
        'application/json': {
          schema: z.object({ status: z.literal('ok'), version: z.string() }).openapi('Health'),
        },
      },
    },
  },
});

const readinessSchema = z
  .object({
    ready: z.boolean(),
    state: z.enum(['starting', 'ready', 'error']),
    reason: z.string().openapi({ example: "Serving with the model 'base'." }),
    model: z.string().nullable(),
  })
  .openapi('Readiness');

const readyRoute = createRoute({
  method: 'get',
  path: '/ready',
  tags: ['Server'],
  summary: 'Can a transcription be served now?',
  responses: {
    200: { description: 'Yes.', content: { 'application/json': { schema: readinessSchema } } },
    503: { description: 'Not now, and why.', content: { 'application/json': { schema: readinessSchema } } },
  },
});

export function createHealthRoutes(of: { version: string; readiness(): Promise<Readiness> }) {
  const routes = new OpenAPIHono<HttpEnvironment>({ strict: false });
  routes.openapi(healthRoute, (context) => context.json({ status: 'ok' as const, version: of.version }, 200));
  routes.openapi(readyRoute, async (context) => {
    const readiness = await of.readiness();
    return context.json(readiness, readiness.ready ? 200 : 503);
  });
  return routes;
}
