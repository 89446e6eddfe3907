// The API of a WhisperServer: one route, answered with the text alone. Owns what a client of it can see. How audio becomes text
// is the transcriber's.
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { toGatewayError } from '../../errors.ts';
import { refuseOtherMethods } from '../../http/allowed-methods.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { CLIENT_CLOSED_REQUEST, callerOf, hasLeft, incomingBody } from '../../http/incoming.ts';
import { presentedKey } from '../../http/presented-key.ts';
import { finalTranscript } from '../../transcribe/recorded.ts';
import { type Dialect, type DialectServices, NO_MODELS } from '../dialect.ts';
import { describeRoutes } from './description.ts';
import { renderError } from './errors.ts';
import { readRequest } from './request.ts';
import { writeResponse } from './response.ts';

const PATHS = /^\/compat\/whisperserver(?:\/|$)/;

export function createWhisperServerDialect(services: DialectServices): Dialect {
  const routes = new OpenAPIHono<HttpEnvironment>({ strict: false });
  describeRoutes(routes.openAPIRegistry);
  routes.post('/transcribe', (context) => answerUpload(context, services));
  refuseOtherMethods(routes, { '/transcribe': 'POST' });
  routes.onError((thrown, context) => {
    const { status, headers, body } = renderError(toGatewayError(thrown));
    return context.json(body, status as ContentfulStatusCode, headers);
  });
  return {
    name: 'whisperserver',
    routes,
    renderError,
    claims: (request) => PATHS.test(new URL(request.url).pathname),
    authenticate: (request) => authenticate(request, services),
    answerHeaders: () => ({}),
    models: NO_MODELS,
  };
}

async function answerUpload(context: Context<HttpEnvironment>, services: DialectServices): Promise<Response> {
  const { raw } = context.req;
  authenticate(raw, services);
  try {
    const query = [...new URL(raw.url).searchParams];
    const upload = { headers: raw.headers, query, body: incomingBody(context) };
    const { transcription, recording, warnings } = await readRequest(upload, services, raw.signal);
    const run = await services.transcriber.transcribe(
      recording,
      { ...transcription, caller: callerOf(context, services.keys) },
      raw.signal,
    );
    return context.json(writeResponse(await finalTranscript(run)), 200, {
      'x-cache': run.cache,
      ...(warnings.length > 0 && { 'x-warning': warnings.join('; ') }),
    });
  } catch (thrown) {
    if (hasLeft(context, raw.signal)) return context.body(null, CLIENT_CLOSED_REQUEST);
    throw thrown;
  }
}

/** Before the body is read. The service's own clients write `?api_key=KEY`. */
function authenticate({ headers, url }: Request, { keys }: DialectServices): void {
  keys.check(presentedKey(headers) ?? new URL(url).searchParams.get('api_key') ?? undefined);
}
