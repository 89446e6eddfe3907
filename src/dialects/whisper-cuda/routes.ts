// The API of a whisper-cuda service: its routes, and what is sent when a job has ended. Owns what a client of that service can
// see. How a job comes to its end is src/jobs' business.
import { randomUUID } from 'node:crypto';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { refuseOtherMethods } from '../../http/allowed-methods.ts';
import type { HttpEnvironment } from '../../http/environment.ts';
import { CLIENT_CLOSED_REQUEST, callerOf, hasLeft, incomingBody } from '../../http/incoming.ts';
import { presentedKey } from '../../http/presented-key.ts';
import type { JobStatus } from '../../jobs/job.ts';
import { type Dialect, type DialectServices, NO_MODELS } from '../dialect.ts';
import { describeRoutes } from './description.ts';
import { renderError } from './errors.ts';
import { readRequest } from './request.ts';
import { writeCallbackBody, writeJob } from './response.ts';
import type { QueueBody } from './schema.ts';

type RequestContext = Context<HttpEnvironment>;

const NAME = 'whisper-cuda';
const PATHS = /^\/compat\/whisper-cuda(?:\/|$)/;
const QUEUE_SHOWN_MAX = 1000;

export function createWhisperCudaDialect(services: DialectServices): Dialect {
  const routes = new OpenAPIHono<HttpEnvironment>({ strict: false });
  describeRoutes(routes.openAPIRegistry);
  for (const path of ['/transcribe', '/status', '/queue']) {
    routes.use(path, async (context, next) => {
      services.keys.check(presentedKey(context.req.raw.headers));
      await next();
    });
  }
  routes.post('/transcribe', (context) => answerUpload(context, services));
  routes.get('/status', (context) => answerStatus(context, services));
  routes.get('/queue', (context) => context.json(describeQueue(services)));
  routes.get('/health', async (context) => context.json({ status: (await services.readiness()).state }));
  refuseOtherMethods(routes, { '/transcribe': 'POST', '/status': 'GET', '/queue': 'GET', '/health': 'GET' });
  routes.onError((thrown, context) => {
    const { status, headers, body } = renderError(toGatewayError(thrown));
    return context.json(body, status as ContentfulStatusCode, headers);
  });
  services.jobs.serve(NAME, {
    document: (job, transcripts) => JSON.stringify(writeCallbackBody(job, transcripts)),
    measure: () => services.measureGpu(),
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

async function answerUpload(context: RequestContext, services: DialectServices): Promise<Response> {
  const { headers, signal } = context.req.raw;
  try {
    const request = await readRequest({ headers, body: incomingBody(context) }, services, signal);
    const { job } = await services.jobs.accept({
      ...request,
      id: randomUUID(),
      dialect: NAME,
      transcription: { ...request.transcription, caller: callerOf(context, services.keys) },
      eachChannel: false,
      idempotencyKey: null,
    });
    return context.json({ job_id: job.id });
  } catch (thrown) {
    if (hasLeft(context, signal)) return context.body(null, CLIENT_CLOSED_REQUEST);
    throw thrown;
  }
}

function answerStatus(context: RequestContext, { jobs }: DialectServices): Response {
  const id = context.req.query('job_id');
  if (!id) throw new GatewayError('field-missing', 'Field required: job_id.');
  const job = jobs.find(NAME, id);
  if (!job) throw new GatewayError('job-unknown', `There is no job ${id}.`);
  return context.json(writeJob(job, jobs.transcripts(NAME, id)));
}

function describeQueue({ jobs }: DialectServices): QueueBody {
  const counts = jobs.counts(NAME);
  const idsOf = (status: JobStatus) =>
    jobs
      .list(NAME, { status, limit: QUEUE_SHOWN_MAX, offset: Math.max(0, counts[status] - QUEUE_SHOWN_MAX) })
      .jobs.reverse()
      .sort((one, other) => (one.position ?? 0) - (other.position ?? 0))
      .map(({ id }) => id);
  const [queued, running] = [idsOf('queued'), idsOf('running')];
  return { status: queued.length + running.length > 0 ? 'busy' : 'idle', queued, running };
}
