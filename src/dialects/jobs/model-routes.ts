// The routes of models in memory: what is loaded, loading and unloading, and whatever happens to them.
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { GatewayError } from '../../errors.ts';
import { readWithin } from '../../http/body.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { incomingBody } from '../../http/incoming.ts';
import { isJson, readJson, withoutBlanks } from '../../http/json-body.ts';
import type { Clock } from '../../lib/clock.ts';
import type { DialectServices } from '../dialect.ts';
import { writeModelStatus } from './response.ts';
import { modelQuery } from './schema.ts';
import { modelRecords } from './stream.ts';
import { answerStream } from './stream-answer.ts';

export function addModelRoutes(
  routes: OpenAPIHono<HttpEnvironment>,
  services: Pick<DialectServices, 'lifecycle' | 'limits' | 'log'>,
  clock: Clock,
): void {
  const { lifecycle } = services;
  routes.get('/model/status', async (context) =>
    context.json(writeModelStatus(await lifecycle.status(askedModel(context)))),
  );
  routes.post('/model/load', async (context) =>
    (await lifecycle.load(await commandedModel(context, services))) === 'ready'
      ? context.json({ status: 'already_ready' }, 200)
      : context.json({ status: 'load_initiated' }, 202),
  );
  routes.post('/model/unload', async (context) => {
    await lifecycle.unload(await commandedModel(context, services));
    return context.json({ status: 'unload_requested' });
  });
  routes.get('/model/events', (context) =>
    answerStream(context, services, clock, (signal) => modelRecords(lifecycle.events(signal))),
  );
}

function askedModel(context: Context<HttpEnvironment>): string | null {
  return context.req.query('model')?.trim() || null;
}

/** In the URL, or in a JSON body: it must not be the default model that goes because nobody looked into another body. */
async function commandedModel(
  context: Context<HttpEnvironment>,
  { limits }: Pick<DialectServices, 'limits'>,
): Promise<string | null> {
  const { headers, signal } = context.req.raw;
  const body = incomingBody(context);
  const options = { bytesMax: limits.uploadBytesMax, idleMs: limits.uploadIdleMs, signal };
  return readWithin(body, headers, options, async () => {
    if (!isJson(headers)) {
      if (!announcesBody(headers)) return askedModel(context);
      throw new GatewayError('field-invalid', 'model goes into the URL or into a JSON body', { field: 'model' });
    }
    const { data, error } = modelQuery.safeParse(withoutBlanks(await readJson(body, options)));
    if (error) throw new GatewayError('field-invalid', 'model must be a string', { field: 'model' });
    return data.model?.trim() || askedModel(context);
  });
}

function announcesBody(headers: Headers): boolean {
  return headers.has('transfer-encoding') || Number(headers.get('content-length') ?? 0) > 0;
}
