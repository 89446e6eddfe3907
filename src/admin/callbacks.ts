// What has become of requests whose answer is sent to a URL: how many wait, and those that nobody could be told about.
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import type { KeyRing } from '../http/auth.ts';
import type { HttpEnvironment } from '../http/environment.ts';
import { keySecurity, presentedKey } from '../http/presented-key.ts';

const status = z
  .object({
    pending: z.int().openapi({ description: 'Accepted and not over, with those below.' }),
    transcribing: z.int(),
    delivering: z.int(),
    failed: z.int().openapi({ description: 'Given up, and still kept.' }),
    failures: z
      .array(
        z.object({
          id: z.string().openapi({ description: 'What the caller was told: `request_id`.' }),
          stage: z.enum(['transcription', 'delivery']).openapi({ description: 'Where it came to its end.' }),
          url: z
            .string()
            .openapi({ description: 'Without credentials and query.', example: 'https://example.com/hook' }),
          attempts: z.int(),
          error: z.string().openapi({ description: 'The last one.', example: 'The receiver answered 410 Gone.' }),
          accepted_at: z.iso.datetime(),
          failed_at: z.iso.datetime(),
        }),
      )
      .openapi({ description: 'The latest first; at most 100 of each stage.' }),
  })
  .openapi('Callbacks');
export type CallbacksStatus = z.infer<typeof status>;

interface Stage {
  pending: number;
  failed: number;
  failures: Failure[];
}

interface Failure {
  id: string;
  url: string;
  attempts: number;
  reason: string;
  createdAtMs: number;
  failedAtMs: number;
}

/** The same to those who look at it, whichever of the two has a request in hand. */
export function describeCallbacks(
  transcription: Stage & { running: number },
  delivery: Stage & { delivering: number },
): CallbacksStatus {
  return {
    pending: transcription.pending + delivery.pending,
    transcribing: transcription.running,
    delivering: delivery.delivering,
    failed: transcription.failed + delivery.failed,
    failures: [
      ...transcription.failures.map((failure) => ({ stage: 'transcription' as const, ...failure })),
      ...delivery.failures.map((failure) => ({ stage: 'delivery' as const, ...failure })),
    ]
      .sort((one, other) => other.failedAtMs - one.failedAtMs)
      .map(({ id, stage, url, attempts, reason, createdAtMs, failedAtMs }) => ({
        ...{ id, stage, url, attempts, error: reason },
        accepted_at: new Date(createdAtMs).toISOString(),
        failed_at: new Date(failedAtMs).toISOString(),
      })),
  };
}

const callbacksRoute = createRoute({
  method: 'get',
  path: '/callbacks',
  tags: ['Server'],
  summary: 'What has become of callbacks?',
  description: 'Needs one of `API_KEYS` where there are any.',
  security: keySecurity,
  responses: {
    200: { description: 'All that are kept.', content: { 'application/json': { schema: status } } },
    401: { description: 'No key, or a wrong one.' },
  },
});

export function createCallbackRoutes({ keys, callbacks }: { keys: KeyRing; callbacks(): CallbacksStatus }) {
  const routes = new OpenAPIHono<HttpEnvironment>({ strict: false });
  routes.openapi(callbacksRoute, (context) => {
    keys.check(presentedKey(context.req.raw.headers));
    return context.json(callbacks(), 200);
  });
  return routes;
}
