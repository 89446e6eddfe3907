// Liveness and readiness. What the status means is computed elsewhere and handed in; these routes must stay honest and
// quick while every device is busy, so they never touch an engine.
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import type { HttpEnvironment } from '../http/environment.ts';
import type { Readiness } from './readiness.ts';

const healthSchema = z
  .object({
    status: z.literal('ok'),
    version: z.string(),
    model: z.string().optional().openapi({ description: 'The default model.', example: 'base' }),
    model_state: z.enum(['unloaded', 'loading', 'waiting_for_gpu', 'ready']).optional(),
    gpu_name: z.string().optional().openapi({ description: 'Of the GPU that holds it, or would.' }),
    vram_total_mb: z.int().optional(),
    queue_depth: z.int().optional().openapi({ description: 'Jobs that wait for their turn.' }),
  })
  .openapi('Health', { description: 'What is unknown is left out.' });

/** What else the answer of a living process says. */
export interface Serving {
  /** The default model, where there is one on disk. */
  model: { name: string; state: z.infer<typeof healthSchema>['model_state'] } | undefined;
  /** That holds it, or would; on a CPU none does. */
  gpu: { name: string; memoryTotalMb: number } | undefined;
  queueDepth: number;
}

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
          schema: healthSchema,
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

export interface HealthParts {
  version: string;
  readiness(): Promise<Readiness>;
  serving(): Promise<Serving>;
}

export function createHealthRoutes(of: HealthParts) {
  const routes = new OpenAPIHono<HttpEnvironment>({ strict: false });
  routes.openapi(healthRoute, async (context) => {
    // That the rest cannot be told, a disk being full, makes the process no less alive.
    const serving = await of.serving().catch(() => undefined);
    return context.json({ status: 'ok' as const, version: of.version, ...(serving && writeServing(serving)) }, 200);
  });
  routes.openapi(readyRoute, async (context) => {
    const readiness = await of.readiness();
    return context.json(readiness, readiness.ready ? 200 : 503);
  });
  return routes;
}

function writeServing({ model, gpu, queueDepth }: Serving): Omit<z.infer<typeof healthSchema>, 'status' | 'version'> {
  return {
    ...(model && { model: model.name, model_state: model.state }),
    ...(gpu && { gpu_name: gpu.name, vram_total_mb: gpu.memoryTotalMb }),
    queue_depth: queueDepth,
  };
}
