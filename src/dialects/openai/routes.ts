// OpenAI's speech-to-text API: its routes, and the story of one request from the form to the answer. Owns what a client
// of that API can see. How audio becomes text is the transcriber's.
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { toGatewayError } from '../../errors.ts';
import { refuseOtherMethods } from '../../http/allowed-methods.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { CLIENT_CLOSED_REQUEST, callerOf, hasLeft, incomingBody } from '../../http/incoming.ts';
import { EVENT_STREAM_HEADERS, openEventStream } from '../../http/sse.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { finalTranscript, type Run } from '../../transcribe/recorded.ts';
import { omissions } from '../../transcript/diagnostics.ts';
import type { Task } from '../../transcript/request.ts';
import type { Dialect, DialectServices } from '../dialect.ts';
import { describeRoutes } from './description.ts';
import { renderError, writeErrorBody } from './errors.ts';
import { type OpenAIRequest, readRequest } from './request.ts';
import { modelEntry, writeResponse } from './response.ts';
import { modelList, modelObject } from './schema.ts';
import { streamRecords } from './stream.ts';

type RequestContext = Context<HttpEnvironment>;

/** They travel in a header. */
const OMISSIONS_SHOWN_MAX = 20;

/** The version that OpenAI's own answers name. */
const OPENAI_VERSION = '2020-10-01';

export function createOpenAIDialect(services: DialectServices, clock: Clock = systemClock): Dialect {
  const routes = new OpenAPIHono<HttpEnvironment>({ strict: false });
  describeRoutes(routes.openAPIRegistry);

  routes.post('/audio/transcriptions', (context) => answerUpload(context, 'transcribe', services, clock));
  routes.post('/audio/translations', (context) => answerUpload(context, 'translate', services, clock));
  refuseOtherMethods(routes, { '/audio/transcriptions': 'POST', '/audio/translations': 'POST' });
  routes.onError((thrown, context) => {
    const { status, headers, body } = renderError(toGatewayError(thrown), context.req.raw);
    return context.json(body, status as ContentfulStatusCode, headers);
  });
  return {
    name: 'openai',
    routes,
    renderError,
    claims: () => false,
    authenticate: ({ headers }) => authenticate(headers, services),
    answerHeaders: () => ({}),
    models: {
      list: (installed) => ({ object: 'list', data: installed.map(modelEntry) }),
      one: modelEntry,
      listSchema: modelList,
      oneSchema: modelObject,
    },
  };
}

async function answerUpload(
  context: RequestContext,
  task: Task,
  services: DialectServices,
  clock: Clock,
): Promise<Response> {
  authenticate(context.req.raw.headers, services);
  const departure = new AbortController();
  const signal = AbortSignal.any([context.req.raw.signal, departure.signal]);
  try {
    const upload = { headers: context.req.raw.headers, body: incomingBody(context), task };
    const { request, recording } = await readRequest(upload, services, signal);
    const run = await services.transcriber.transcribe(
      recording,
      { ...request.transcription, caller: callerOf(context, services.keys) },
      signal,
    );
    if (request.stream) return await answerStream(context, run, request, { services, clock, departure, signal });

    const transcript = await finalTranscript(run);
    request.warnings.push(...omissions(transcript).slice(0, OMISSIONS_SHOWN_MAX));
    const { contentType, body } = writeResponse(transcript, request);
    return context.body(body, 200, { ...answerHeaders(context, run, request), 'content-type': contentType });
  } catch (thrown) {
    if (hasLeft(context, signal)) return context.body(null, CLIENT_CLOSED_REQUEST);
    throw thrown;
  }
}

async function answerStream(
  context: RequestContext,
  run: Run,
  request: OpenAIRequest,
  of: { services: DialectServices; clock: Clock; departure: AbortController; signal: AbortSignal },
): Promise<Response> {
  const stream = await openEventStream(streamRecords(run.events, request), {
    clock: of.clock,
    onCancel: () => of.departure.abort(),
    renderFailure(thrown) {
      const error = toGatewayError(thrown);
      // The status line said 200 long ago, so this failure shows in no access log. That somebody left is no failure.
      if (!hasLeft(context, of.signal))
        of.services.log.error({ err: thrown, requestId: context.var.requestId }, 'failed while streaming');
      return JSON.stringify(writeErrorBody(error));
    },
  });
  return context.body(stream, 200, { ...answerHeaders(context, run, request), ...EVENT_STREAM_HEADERS });
}

/** Before the body is read: a stranger's upload is not taken in. */
function authenticate(headers: Headers, { keys }: DialectServices): void {
  keys.check(/^bearer\s+(\S+)\s*$/i.exec(headers.get('authorization') ?? '')?.[1]);
}

function answerHeaders(context: RequestContext, run: Run, request: OpenAIRequest): Record<string, string> {
  return {
    'openai-version': OPENAI_VERSION,
    'openai-processing-ms': String(Math.round(performance.now() - context.var.receivedAtMs)),
    'x-cache': run.cache,
    ...(request.warnings.length > 0 && { 'x-warning': request.warnings.join('; ') }),
  };
}
