// Deepgram's speech-to-text API for recordings: its routes, and the story of one request from the query to the answer, at
// once or by callback. Owns what a client of that API can see. How audio becomes text is the transcriber's.
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { z } from 'zod';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { refuseOtherMethods } from '../../http/allowed-methods.ts';
import { type BodyOptions, lengthOf, readWithin, takeBody } from '../../http/body.ts';
import { readCachePolicy } from '../../http/cache-control.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { CLIENT_CLOSED_REQUEST, callerOf, hasLeft, incomingBody } from '../../http/incoming.ts';
import { isJson, readJson } from '../../http/json-body.ts';
import type { Job, Source } from '../../jobs/job.ts';
import { finalTranscript, type Run, type Transcriber } from '../../transcribe/recorded.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import type { Dialect, DialectServices } from '../dialect.ts';
import { authenticate, isDeepgramCredential } from './credentials.ts';
import { describeRoutes } from './description.ts';
import { renderError } from './errors.ts';
import { findModel } from './model-names.ts';
import { invalidQuery, readQuery } from './query.ts';
import { type DeepgramRequest, readRequest } from './request.ts';
import { requestUuid } from './request-uuid.ts';
import { type AnswerDetails, modelBodies, writeResponse } from './response.ts';
import { grantBody, listenUrl, type SystemStatus } from './schema.ts';

type RequestContext = Context<HttpEnvironment>;

const NAME = 'deepgram';
/** What is Deepgram's alone, whether we serve it or not. */
const PATHS = /^\/(?:v1\/(?:listen|auth|projects|status|speak|read|agent)|v2\/listen)(?:\/|$)/;

export function createDeepgramDialect(services: DialectServices): Dialect {
  const routes = new OpenAPIHono<HttpEnvironment>({ strict: false });
  describeRoutes(routes.openAPIRegistry);
  for (const path of ['/v1/listen/*', '/v1/auth/*', '/v1/projects/*', '/v1/status/*', '/v2/listen/*'])
    routes.use(path, nameRequest);
  addListenRoutes(routes, services);
  addAccountRoutes(routes, services);
  refuseOtherMethods(routes, {
    '/v1/listen': 'POST',
    '/v1/auth/grant': 'POST',
    '/v1/auth/token': 'GET',
    '/v1/projects/:project/models': 'GET',
    '/v1/status': 'GET',
    '/v1/status/engine': 'GET',
  });
  routes.onError((thrown, context) => {
    const error = toGatewayError(thrown);
    const { status, headers, body } = renderError(error, context.req.raw, context.var.requestId);
    return context.json(body, status as ContentfulStatusCode, headers);
  });
  services.jobs.serve(NAME, {
    document: (job, transcripts) =>
      job.status === 'done' ? writeCallback(job, transcripts, services) : writeFailure(job),
  });
  return {
    name: NAME,
    routes,
    renderError,
    claims: (request) => PATHS.test(new URL(request.url).pathname) || isDeepgramCredential(request.headers),
    authenticate: ({ headers }) => void authenticate(headers, services),
    answerHeaders: (requestId) => ({ 'dg-request-id': requestUuid(requestId) }),
    models: modelBodies,
  };
}

function addListenRoutes(routes: OpenAPIHono<HttpEnvironment>, services: DialectServices): void {
  let activeRequests = 0;
  routes.post('/v1/listen', (context) => {
    activeRequests += 1;
    return answerListen(context, services).finally(() => {
      activeRequests -= 1;
    });
  });
  // A handshake arrives here too. It is refused in HTTP, with everything that a client may look at.
  routes.get('/v1/listen', (context) => {
    authenticate(context.req.raw.headers, services);
    context.header('allow', 'POST');
    throw new GatewayError('method-unsupported', 'Live transcription is not available on this server.');
  });
  routes.all('/v2/listen', () => {
    throw new GatewayError('route-unknown', 'Flux is not available on this server.');
  });
  routes.get('/v1/status', async (context) => {
    const { ready, model } = await services.readiness();
    const status: SystemStatus = {
      system_health: ready ? 'Healthy' : model === null ? 'Critical' : 'Initializing',
      active_batch_requests: activeRequests,
      active_stream_requests: 0,
    };
    return context.json(status);
  });
  routes.get('/v1/status/engine', async (context) => {
    const { ready } = await services.readiness();
    return context.json({ engine_connection_status: ready ? 'Connected' : 'Disconnected' });
  });
}

function addAccountRoutes(routes: OpenAPIHono<HttpEnvironment>, services: DialectServices): void {
  routes.post('/v1/auth/grant', (context) => answerGrant(context, services));
  routes.get('/v1/auth/token', (context) => {
    authenticate(context.req.raw.headers, services);
    return context.json({});
  });
  // There are no projects here: any has all models.
  routes.get('/v1/projects/:project/models', async (context) => {
    authenticate(context.req.raw.headers, services);
    const listings = await services.transcriber.models.list();
    return context.json(modelBodies.list(listings.filter((listing) => listing.installed)));
  });
}

/** A request with a callback is kept as it was asked, and read anew when its answer is written. */
const keptRequest = z.object({ query: z.string(), cacheControl: z.string().nullable() });
type KeptRequest = z.infer<typeof keptRequest>;
const CALLBACK_REQUEST = new Request('http://callback/v1/listen', { method: 'POST' });

async function writeCallback(
  { id, details, source, endedAtMs, createdAtMs }: Job,
  transcripts: readonly Transcript[],
  { transcriber }: DialectServices,
): Promise<string> {
  const { query, cacheControl } = keptRequest.parse(details);
  const cache = readCachePolicy(cacheControl);
  const request = await readRequest(readQuery(new URLSearchParams(query)), cache, transcriber.models);
  const answered = { requestId: id, sha256: source.sha256 ?? '', createdAtMs: endedAtMs ?? createdAtMs };
  return writeAnswer(transcripts, request, answered, transcriber);
}

function writeFailure({ id, error }: Job): string {
  const failure = error ?? new GatewayError('internal', 'The request was given up.');
  return JSON.stringify(renderError(failure, CALLBACK_REQUEST, id).body);
}

const nameRequest = createMiddleware<HttpEnvironment>(async (context, next) => {
  context.header('dg-request-id', requestUuid(context.var.requestId));
  await next();
});

async function answerListen(context: RequestContext, services: DialectServices): Promise<Response> {
  const { headers, signal } = context.req.raw;
  authenticate(headers, services);
  const id = requestUuid(context.var.requestId);
  const query = new URL(context.req.url).searchParams;
  const cacheControl = headers.get('cache-control');
  try {
    const { request, source } = await receive(context, query, services);
    request.transcription.caller = callerOf(context, services.keys);
    if (request.callback) {
      const details: KeptRequest = { query: query.toString(), cacheControl };
      const { callback: webhook, transcription, isMultichannel: eachChannel } = request;
      await services.jobs.accept({
        ...{ id, dialect: NAME, source, filename: null, transcription, eachChannel },
        ...{ webhook, details, idempotencyKey: null },
      });
      return context.json({ request_id: id });
    }
    const { cache, body } = await transcribe(source, request, id, services, signal);
    return context.body(body, 200, { 'content-type': 'application/json', 'x-cache': cache });
  } catch (thrown) {
    if (hasLeft(context, signal)) return context.body(null, CLIENT_CLOSED_REQUEST);
    throw thrown;
  }
}

/** The query is judged before the body is read. */
async function receive(
  context: RequestContext,
  query: URLSearchParams,
  { transcriber, jobs, limits }: DialectServices,
): Promise<{ request: DeepgramRequest; source: Source }> {
  const { headers, signal } = context.req.raw;
  const body = incomingBody(context);
  const options: BodyOptions = { bytesMax: limits.uploadBytesMax, idleMs: limits.uploadIdleMs, signal };
  return readWithin(body, headers, options, async () => {
    const cache = readCachePolicy(headers.get('cache-control'));
    const request = await readRequest(readQuery(query), cache, transcriber.models);
    if (request.callback) checkCallback(request.callback.url, jobs);
    const source = isJson(headers)
      ? { url: judge(await readJson(body, options), listenUrl).url }
      : await takeBody(body, options, (stream) => transcriber.receive(stream, signal, lengthOf(headers)));
    return { request, source };
  });
}

function checkCallback(url: string, jobs: DialectServices['jobs']): void {
  try {
    jobs.checkWebhook(url);
  } catch (error) {
    throw invalidQuery('callback', (error as Error).message);
  }
}

async function transcribe(
  source: Source,
  request: DeepgramRequest,
  requestId: string,
  { transcriber }: DialectServices,
  signal: AbortSignal,
): Promise<{ cache: Run['cache']; body: string }> {
  const recording = 'url' in source ? await transcriber.fetch(source.url, signal) : source;
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const { transcription, isMultichannel } = request;
  try {
    const runs = isMultichannel
      ? await transcriber.transcribeChannels(recording, transcription, either)
      : [await transcriber.transcribe(recording, transcription, either)];
    const transcripts = await Promise.all(runs.map(finalTranscript));
    const answered = { requestId, sha256: recording.sha256, createdAtMs: Date.now() };
    return { cache: cacheOf(runs), body: await writeAnswer(transcripts, request, answered, transcriber) };
  } catch (error) {
    failure.abort(error); // one channel that fails leaves the others to nobody
    throw error;
  }
}

async function writeAnswer(
  transcripts: readonly Transcript[],
  request: DeepgramRequest,
  answered: Omit<AnswerDetails, 'model'>,
  { models }: Pick<Transcriber, 'models'>,
): Promise<string> {
  const asked = request.transcription.model;
  const served = await models.find(transcripts[0]?.model ?? asked);
  // A file may have been renamed since its transcript was kept.
  const model = served ?? (await findModel(asked, models));
  return writeResponse(transcripts, request, { ...answered, model });
}

/** Of several channels, the one that took most. */
function cacheOf(runs: Run[]): Run['cache'] {
  const all = runs.map((run) => run.cache);
  return (['miss', 'shared'] as const).find((cache) => all.includes(cache)) ?? 'hit';
}

async function answerGrant(context: RequestContext, services: DialectServices): Promise<Response> {
  const { headers, signal } = context.req.raw;
  // What lasts for a while must not be made to last by asking again.
  if (authenticate(headers, services)?.kind === 'token') {
    throw new GatewayError('key-insufficient', 'A temporary token cannot make another.');
  }
  const body = incomingBody(context);
  const { uploadBytesMax: bytesMax, uploadIdleMs: idleMs } = services.limits;
  const options: BodyOptions = { bytesMax, idleMs, signal };
  const asked = await readWithin(body, headers, options, () => readJson(body, options));
  const { ttl_seconds } = judge(asked, grantBody);
  return context.json({ access_token: services.tokens.mint(ttl_seconds), expires_in: ttl_seconds });
}

function judge<Shape extends z.ZodType>(content: unknown, shape: Shape): z.infer<Shape> {
  const { data, error } = shape.safeParse(content);
  if (error) throw new GatewayError('body-malformed', 'The JSON body cannot be read.', { cause: error });
  return data;
}
