// RunPod's serverless API, as a worker for whisper is asked through it: its routes, and the story of one request. Owns what a
// client of that API can see. Any endpoint's name will do, and all are the same queue. How a job comes to its end is src/jobs'
// business.
import { randomUUID } from 'node:crypto';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { refuseOtherMethods } from '../../http/allowed-methods.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { CLIENT_CLOSED_REQUEST, callerOf, hasLeft, incomingBody } from '../../http/incoming.ts';
import { presentedKey } from '../../http/presented-key.ts';
import type { Job } from '../../jobs/job.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { type Dialect, type DialectServices, NO_MODELS } from '../dialect.ts';
import { describeRoutes } from './description.ts';
import { renderError } from './errors.ts';
import { readRequest } from './request.ts';
import { writeHealth, writeStatus } from './response.ts';
import { type InputOptions, type JobStatusObject, waitQuery } from './schema.ts';
import { environmentOptions, type RunpodSettings } from './settings.ts';

type RequestContext = Context<HttpEnvironment>;

interface Parts {
  services: DialectServices;
  environment: InputOptions;
  clock: Clock;
}

const NAME = 'runpod';
/** Deepgram has one address below `/v2`. */
const PATHS = /^\/v2\/(?!listen(?:\/|$))/;
/** RunPod's own. */
const WAIT_MS = 90_000;
const WAIT_MS_MAX = 300_000;
const WEBHOOK_RETRIES_MS = [10_000, 10_000];
/** The SDK asks for more of a stream as soon as it was answered. */
const STREAM_WAIT_MS = 10_000;
const PURGED_MAX = 10_000;

export function createRunpodDialect(
  services: DialectServices,
  settings: RunpodSettings,
  clock: Clock = systemClock,
): Dialect {
  const { jobs } = services;
  const routes = new OpenAPIHono<HttpEnvironment>({ strict: false });
  describeRoutes(routes.openAPIRegistry);
  routes.use('/:endpoint/*', async (context, next) => {
    services.keys.check(presentedKey(context.req.raw.headers));
    await next();
  });
  addRoutes(routes, { services, environment: environmentOptions(settings), clock });
  routes.onError((thrown, context) => {
    const { status, headers, body } = renderError(toGatewayError(thrown));
    return context.json(body, status as ContentfulStatusCode, headers);
  });
  jobs.serve(NAME, {
    document: async (job, transcripts) => JSON.stringify(await writeStatus(job, transcripts, services)),
    quickRetriesMs: WEBHOOK_RETRIES_MS,
  });
  return {
    name: NAME,
    routes,
    renderError,
    claims: (request) => PATHS.test(new URL(request.url).pathname),
    authenticate: ({ headers }) => services.keys.check(presentedKey(headers)),
    answerHeaders: () => ({}),
    models: NO_MODELS,
  };
}

function addRoutes(routes: OpenAPIHono<HttpEnvironment>, parts: Parts): void {
  const { services } = parts;
  const { jobs } = services;
  routes.post('/:endpoint/run', (context) =>
    whileThere(context, async () => {
      const { id, status } = await write(await accept(context, `${randomUUID()}-u1`, parts), services);
      return context.json({ id, status });
    }),
  );
  routes.post('/:endpoint/runsync', (context) =>
    whileThere(context, async () => {
      const waitMs = readWait(context);
      const job = await accept(context, `sync-${randomUUID()}-u1`, parts);
      return context.json(await write(await ended(context, job, waitMs, parts), services));
    }),
  );
  routes.on(['GET', 'POST'], '/:endpoint/status/:id', async (context) =>
    context.json(await write(findJob(context, services), services)),
  );
  routes.on(['GET', 'POST'], '/:endpoint/status-sync/:id', (context) =>
    whileThere(context, async () => {
      const job = await ended(context, findJob(context, services), readWait(context), parts);
      return context.json(await write(job, services));
    }),
  );
  routes.on(['GET', 'POST'], '/:endpoint/stream/:id', (context) =>
    whileThere(context, async () => {
      const job = await ended(context, findJob(context, services), STREAM_WAIT_MS, parts);
      const { status, output } = await write(job, services);
      return context.json({ status, stream: output ? [{ output }] : [] });
    }),
  );
  routes.post('/:endpoint/cancel/:id', async (context) => {
    const job = findJob(context, services);
    return context.json(await write((await cancel(job, services)) ?? findJob(context, services), services));
  });
  routes.post('/:endpoint/purge-queue', async (context) => {
    let removed = 0;
    for (const { id } of jobs.list(NAME, { status: 'queued', limit: PURGED_MAX, offset: 0 }).jobs) {
      const job = jobs.find(NAME, id);
      // Those that began meanwhile are left alone.
      if (job?.status === 'queued' && (await cancel(job, services))) removed += 1;
    }
    return context.json({ removed, status: 'completed' });
  });
  routes.get('/:endpoint/health', async (context) => {
    const { ready } = await services.readiness();
    return context.json(writeHealth(jobs.counts(NAME), ready));
  });
  refuseOtherMethods(routes, {
    '/:endpoint/run': 'POST',
    '/:endpoint/runsync': 'POST',
    '/:endpoint/status/:id': 'GET, POST',
    '/:endpoint/status-sync/:id': 'GET, POST',
    '/:endpoint/stream/:id': 'GET, POST',
    '/:endpoint/cancel/:id': 'POST',
    '/:endpoint/purge-queue': 'POST',
    '/:endpoint/health': 'GET',
  });
}

/** A caller that leaves is no failure, and its job goes on. */
async function whileThere(context: RequestContext, answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (thrown) {
    if (hasLeft(context, context.req.raw.signal)) return context.body(null, CLIENT_CLOSED_REQUEST);
    throw thrown;
  }
}

async function accept(context: RequestContext, id: string, { services, environment }: Parts): Promise<Job> {
  const { headers, signal } = context.req.raw;
  const upload = { headers, body: incomingBody(context) };
  const { transcription, ...rest } = await readRequest(upload, environment, services, signal);
  const { job } = await services.jobs.accept({
    ...rest,
    id,
    dialect: NAME,
    filename: null,
    transcription: { ...transcription, caller: callerOf(context, services.keys) },
    eachChannel: false,
    idempotencyKey: null,
  });
  return job;
}

/** The job at its end, or as it is when the time is up or the server stops. */
async function ended(context: RequestContext, { id }: Job, waitMs: number, parts: Parts): Promise<Job> {
  const { services, clock } = parts;
  const patience = new AbortController();
  const cancelTimer = clock.after(waitMs, () => patience.abort());
  const signal = AbortSignal.any([context.req.raw.signal, patience.signal]);
  try {
    for await (const event of services.jobs.watch(NAME, id, { signal })) if (event.type === 'ended') return event.job;
  } finally {
    cancelTimer();
  }
  context.req.raw.signal.throwIfAborted();
  return knownJob(id, services);
}

/** Undefined where it has ended already, or is forgotten. */
async function cancel({ id }: Job, { jobs }: DialectServices): Promise<Job | undefined> {
  try {
    return await jobs.cancel(NAME, id);
  } catch (error) {
    if (error instanceof GatewayError && ['job-ended', 'job-unknown'].includes(error.code)) return undefined;
    throw error;
  }
}

function findJob(context: RequestContext, services: DialectServices): Job {
  return knownJob(context.req.param('id') ?? '', services);
}

function knownJob(id: string, { jobs }: DialectServices): Job {
  const job = jobs.find(NAME, id);
  if (job) return job;
  throw new GatewayError('job-unknown', `There is no job ${id}.`);
}

function write(job: Job, services: DialectServices): Promise<JobStatusObject> {
  return writeStatus(job, services.jobs.transcripts(NAME, job.id), services);
}

function readWait(context: RequestContext): number {
  const { data, error } = waitQuery.safeParse(context.req.query());
  if (error) throw new GatewayError('field-invalid', `wait: ${error.issues[0]?.message}.`, { field: 'wait' });
  return Math.min(data.wait ?? WAIT_MS, WAIT_MS_MAX);
}
