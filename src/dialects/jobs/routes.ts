// The gateway's own API: jobs that are answered later, and the models in memory. Owns what a client of it can see. How a
// job comes to its end is src/jobs' business.
import { randomUUID } from 'node:crypto';
import { OpenAPIHono, type z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { refuseOtherMethods } from '../../http/allowed-methods.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { CLIENT_CLOSED_REQUEST, callerOf, hasLeft, incomingBody } from '../../http/incoming.ts';
import { presentedKey } from '../../http/presented-key.ts';
import { lastEventId } from '../../http/sse.ts';
import type { Job } from '../../jobs/job.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { type Dialect, type DialectServices, NO_MODELS } from '../dialect.ts';
import { describeRoutes } from './description.ts';
import { renderError } from './errors.ts';
import { requireReady } from './model-ready.ts';
import { addModelRoutes } from './model-routes.ts';
import { readRequest } from './request.ts';
import { writeAccepted, writeJob, writeListed } from './response.ts';
import { listQuery, resultQuery } from './schema.ts';
import type { JobsApiSettings } from './settings.ts';
import { END, jobRecords, sequenceOf } from './stream.ts';
import { answerStream } from './stream-answer.ts';

type RequestContext = Context<HttpEnvironment>;

const NAME = 'jobs';
const PATHS = /^\/(?:jobs|model)(?:\/|$)/;
/** For receivers that are only just starting; the outbox's own schedule follows. */
const QUICK_RETRIES_MS = [1000, 2000];
const IDEMPOTENCY_KEY_CHARACTERS_MAX = 255;

export function createJobsDialect(
  services: DialectServices,
  settings: JobsApiSettings,
  clock: Clock = systemClock,
): Dialect {
  const routes = new OpenAPIHono<HttpEnvironment>({ strict: false });
  describeRoutes(routes.openAPIRegistry);
  for (const path of ['/jobs/*', '/model/*']) {
    routes.use(path, async (context, next) => {
      services.keys.check(presentedKey(context.req.raw.headers));
      await next();
    });
  }
  addJobRoutes(routes, services, settings, clock);
  addModelRoutes(routes, services, clock);
  refuseOtherMethods(routes, {
    '/jobs': 'GET, POST',
    '/jobs/:id': 'GET, DELETE',
    '/jobs/:id/stream': 'GET',
    '/jobs/:id/result': 'GET',
    '/model/status': 'GET',
    '/model/load': 'POST',
    '/model/unload': 'POST',
    '/model/events': 'GET',
  });
  routes.onError((thrown, context) => {
    const { status, headers, body } = renderError(toGatewayError(thrown), context.req.raw);
    return context.json(body, status as ContentfulStatusCode, headers);
  });
  services.jobs.serve(NAME, {
    document: (job, transcripts) => JSON.stringify(writeJob(job, transcripts)),
    quickRetriesMs: QUICK_RETRIES_MS,
  });
  return {
    name: NAME,
    routes,
    renderError,
    claims: (request) => PATHS.test(new URL(request.url).pathname) || hasOwnKey(request.headers),
    authenticate: ({ headers }) => services.keys.check(presentedKey(headers)),
    answerHeaders: () => ({}),
    models: NO_MODELS,
  };
}

function addJobRoutes(
  routes: OpenAPIHono<HttpEnvironment>,
  services: DialectServices,
  settings: JobsApiSettings,
  clock: Clock,
): void {
  const { jobs, writers } = services;
  routes.post('/jobs', (context) => answerUpload(context, services, settings));
  routes.get('/jobs', (context) => {
    const { status, limit, offset } = readQuery(context, listQuery);
    const page = jobs.list(NAME, { limit, offset, ...(status && { status }) });
    return context.json({ jobs: page.jobs.map(writeListed), total: page.total, limit, offset });
  });
  routes.get('/jobs/:id', (context) => {
    const job = findJob(context, services);
    return context.json(writeJob(job, jobs.transcripts(NAME, job.id)));
  });
  routes.delete('/jobs/:id', async (context) => {
    const { id } = findJob(context, services);
    try {
      return context.json(writeJob(await jobs.cancel(NAME, id)));
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'job-ended') throw error;
      const { status } = findJob(context, services);
      throw new GatewayError('job-ended', `job ${id} is already in terminal state ${status}`, { cause: error });
    }
  });
  routes.get('/jobs/:id/stream', (context) => {
    const job = findJob(context, services);
    const seen = lastEventId(context.req.raw.headers);
    // Browsers come back until they are told that there is nothing more.
    if (seen === END) return context.body(null, 204);
    return answerStream(context, services, clock, (signal) =>
      jobRecords(jobs.watch(NAME, job.id, { afterSequence: sequenceOf(seen), signal }), ({ id }) =>
        jobs.transcripts(NAME, id),
      ),
    );
  });
  routes.get('/jobs/:id/result', async (context) => {
    const { format } = readQuery(context, resultQuery);
    const job = findJob(context, services);
    const [transcript] = jobs.transcripts(NAME, job.id) ?? [];
    if (!transcript) return context.json({ error: describeLack(job) }, 409);
    const details = { requestId: job.id, sha256: job.source.sha256 ?? '', createdAtMs: job.createdAtMs };
    const { contentType, body } = await writers[format](transcript, details);
    return context.body(body, 200, { 'content-type': contentType });
  });
}

/** No other API without a path of its own knows such a header. */
function hasOwnKey(headers: Headers): boolean {
  return headers.has('x-api-key') && !headers.has('authorization');
}

async function answerUpload(
  context: RequestContext,
  services: DialectServices,
  { STRICT_MODEL_READY }: JobsApiSettings,
): Promise<Response> {
  const { headers, signal } = context.req.raw;
  const idempotencyKey = readIdempotencyKey(headers);
  try {
    const admit = async (model: string | null) => {
      if (STRICT_MODEL_READY) await requireReady(model, services.lifecycle);
    };
    const upload = { headers, body: incomingBody(context), admit };
    const { transcription, ...rest } = await readRequest(upload, services, signal);
    const { job, isRepeat } = await services.jobs.accept({
      ...rest,
      id: randomUUID(),
      dialect: NAME,
      transcription: { ...transcription, caller: callerOf(context, services.keys) },
      eachChannel: false,
      idempotencyKey,
    });
    const { warnings } = rest.details;
    return context.json(writeAccepted(job), 202, {
      location: `/jobs/${job.id}`,
      ...(isRepeat && { 'idempotency-replayed': 'true' }),
      ...(warnings.length > 0 && { 'x-warning': warnings.join('; ') }),
    });
  } catch (thrown) {
    if (hasLeft(context, signal)) return context.body(null, CLIENT_CLOSED_REQUEST);
    throw thrown;
  }
}

/** Callers choose it without knowing of each other: it is looked for among the jobs of one caller. */
function readIdempotencyKey(headers: Headers): string | null {
  const key = headers.get('idempotency-key')?.trim() ?? '';
  if (key.length <= IDEMPOTENCY_KEY_CHARACTERS_MAX) return key || null;
  const message = `The Idempotency-Key is longer than ${IDEMPOTENCY_KEY_CHARACTERS_MAX} characters.`;
  throw new GatewayError('field-invalid', message, { field: 'idempotency-key' });
}

function findJob(context: RequestContext, { jobs }: DialectServices): Job {
  const id = context.req.param('id') ?? '';
  const job = jobs.find(NAME, id);
  if (job) return job;
  throw new GatewayError('job-unknown', `job ${id} not found`);
}

function readQuery<Shape extends z.ZodType>(context: RequestContext, shape: Shape): z.infer<Shape> {
  // A form that was left open writes its fields all the same.
  const given = Object.entries(context.req.query()).filter(([, value]) => value !== '');
  const { data, error } = shape.safeParse(Object.fromEntries(given));
  if (!error) return data;
  const [issue] = error.issues;
  const field = String(issue?.path[0] ?? '');
  const choices = issue?.code === 'invalid_value' ? `must be one of ${issue.values.join(', ')}` : `${issue?.message}`;
  throw new GatewayError('field-invalid', `${field} ${choices}`, { field });
}

function describeLack({ id, status, error }: Job): string {
  if (status === 'failed') return `job ${id} failed: ${error?.message}`;
  if (status === 'cancelled') return `job ${id} was cancelled`;
  return `job ${id} is not done yet: ${status}`;
}
