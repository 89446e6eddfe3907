// The one address that several vendors have: its answers hold what the clients of each look for, in one body. Refusals are
// in the words of the vendor whose client is asking.
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { GatewayError, toGatewayError } from '../errors.ts';
import { refuseOtherMethods } from '../http/allowed-methods.ts';
import type { HttpEnvironment } from '../http/environment.ts';
import type { ModelListing, Transcriber } from '../transcribe/recorded.ts';
import type { Dialect, ModelBodies } from './dialect.ts';

/** The first dialect speaks with whomever none claims. */
export type Dialects = readonly [Dialect, ...Dialect[]];

export function dialectOf(request: Request, dialects: Dialects): Dialect {
  return dialects.find((dialect) => dialect.claims(request)) ?? dialects[0];
}

export function renderFailure(thrown: unknown, context: Context<HttpEnvironment>, dialects: Dialects): Response {
  const request = context.req.raw;
  const error = toGatewayError(thrown);
  const { status, headers, body } = dialectOf(request, dialects).renderError(error, request, context.var.requestId);
  return context.json(body, status as ContentfulStatusCode, headers);
}

export function createModelRoutes(dialects: Dialects, models: Transcriber['models']): OpenAPIHono<HttpEnvironment> {
  const routes = new OpenAPIHono<HttpEnvironment>({ strict: false });
  for (const route of describeRoutes(dialects)) routes.openAPIRegistry.registerPath(route);

  routes.use('/models/*', async (context, next) => {
    const { answerHeaders } = dialectOf(context.req.raw, dialects);
    for (const [name, value] of Object.entries(answerHeaders(context.var.requestId))) context.header(name, value);
    await next();
  });
  routes.get('/models', async (context) => {
    dialectOf(context.req.raw, dialects).authenticate(context.req.raw);
    const installed = (await models.list()).filter((listing) => listing.installed);
    return context.json(merge(dialects, (bodies) => bodies.list(installed)));
  });
  // Names hold slashes: `Systran/faster-whisper-base` arrives as it is or with %2F.
  routes.get('/models/:id{.+}', async (context) => {
    dialectOf(context.req.raw, dialects).authenticate(context.req.raw);
    const listing = await findModel(context.req.param('id'), models);
    return context.json(merge(dialects, (bodies) => bodies.one(listing)));
  });
  refuseOtherMethods(routes, { '/models': 'GET', '/models/:id{.+}': 'GET' });
  routes.onError((thrown, context) => renderFailure(thrown, context, dialects));
  return routes;
}

/** By its name, by any that stands for it, or by its UUID. */
async function findModel(id: string, models: Transcriber['models']): Promise<ModelListing> {
  const listing =
    (await models.find(id)) ?? (await models.list()).find(({ uuid, installed }) => installed && uuid === id);
  if (listing) return listing;
  throw new GatewayError('model-unknown', `The model \`${id}\` does not exist or you do not have access to it.`, {
    field: 'model',
  });
}

function merge(dialects: Dialects, body: (bodies: ModelBodies) => Record<string, unknown>): Record<string, unknown> {
  return Object.assign({}, ...dialects.map(({ models }) => body(models)));
}

const KEY_HEADER = {
  'x-request-id': { description: 'Names this request in the logs.', schema: { type: 'string' as const } },
};

function describeRoutes(dialects: Dialects) {
  const shape = (of: (bodies: ModelBodies) => z.ZodObject) =>
    z.object(Object.assign({}, ...dialects.map(({ models }) => of(models).shape)));
  const answer = (description: string, schema: z.ZodObject) => ({
    description,
    headers: KEY_HEADER,
    content: { 'application/json': { schema } },
  });
  const refusal = (description: string) => ({ description: `${description} In the words of the vendor.` });
  return [
    createRoute({
      method: 'get',
      path: '/models',
      operationId: 'listModels',
      tags: ['Models'],
      summary: 'Models that can be named',
      description: 'What is installed, and the names that stand for it. One body for the clients of every vendor.',
      responses: {
        200: answer('All of them; there are no pages.', shape((bodies) => bodies.listSchema).openapi('ModelList')),
        401: refusal('No key, or a wrong one.'),
      },
    }),
    createRoute({
      method: 'get',
      path: '/models/{id}',
      operationId: 'retrieveModel',
      tags: ['Models'],
      summary: 'One model, by a name or its UUID',
      request: {
        params: z.object({
          id: z.string().openapi({
            description: 'A slash in it may be sent as it is or as `%2F`.',
            example: 'Systran/faster-whisper-base',
          }),
        }),
      },
      responses: {
        200: answer(
          'The model, also when it is known and not yet on disk.',
          shape((bodies) => bodies.oneSchema).openapi('Model'),
        ),
        401: refusal('No key, or a wrong one.'),
        404: refusal('No model of that name.'),
      },
    }),
  ];
}
