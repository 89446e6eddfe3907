// The API of a whisper-diarization service: its routes, and the story of one request from the form to the result. Owns what a
// client of that API can see. How a job comes to its end is src/jobs' business.
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
import { type Dialect, type DialectServices, NO_MODELS } from '../dialect.ts';
import { describeRoutes } from './description.ts';
import { renderError } from './errors.ts';
import { readRequest } from './request.ts';
import { failureOf, writeAccepted, writeResult, writeStatus } from './response.ts';

type RequestContext = Context<HttpEnvironment>;

const NAME = 'whisper-diarization';
const PATHS = /^\/compat\/whisper-diarization(?:\/|$)/;

export function createWhisperDiarizationDialect(services: DialectServices): Dialect {
  const { jobs } = services;
  const routes = new OpenAPIHono<HttpEnvironment>({ strict: false });
  describeRoutes(routes.openAPIRegistry);
  routes.use('/jobs/*', async (context, next) => {
    services.keys.check(presentedKey(context.req.raw.headers));
    await next();
  });
  addRoutes(routes, services);
  refuseOtherMethods(routes, {
    '/jobs': 'POST',
    '/jobs/:id': 'GET, DELETE',
    '/jobs/:id/result': 'GET',
    '/health': 'GET',
  });
  routes.onError((thrown, context) => {
    const { status, headers, body } = renderError(toGatewayError(thrown));
    return context.json(body, status as ContentfulStatusCode, headers);
  });
  // The service calls nobody back; its jobs never have a webhook.
  jobs.serve(NAME, { document: (job) => JSON.stringify(writeStatus(job)) });
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

function addRoutes(routes: OpenAPIHono<HttpEnvironment>, services: DialectServices): void {
  const { jobs, writers } = services;
  routes.post('/jobs', (context) => answerUpload(context, services));
  routes.get('/jobs/:id', (context) => context.json(writeStatus(findJob(context, services))));
  routes.get('/jobs/:id/result', async (context) => {
    const job = findJob(context, services);
    const { status } = writeStatus(job);
    if (status === 'queued' || status === 'processing') return context.json({ detail: `Job is still ${status}` }, 202);
    if (status === 'failed') return context.json({ detail: `Job failed: ${failureOf(job)}` }, 500);
    const [transcript] = jobs.transcripts(NAME, job.id) ?? [];
    if (!transcript) throw unknownJob(job.id);
    const sha256 = 'sha256' in job.source ? job.source.sha256 : '';
    const details = { requestId: job.id, sha256, createdAtMs: job.createdAtMs };
    return context.json(writeResult(job, await writers.deepgram(transcript, details)));
  });
  routes.delete('/jobs/:id', async (context) => {
    await jobs.remove(NAME, findJob(context, services).id);
    return context.json({ message: 'Job deleted' });
  });
  routes.get('/health', (context) => {
    const { queued, running } = jobs.counts(NAME);
    return context.json({ status: 'healthy', queued_jobs: queued, processing_jobs: running });
  });
}

async function answerUpload(context: RequestContext, services: DialectServices): Promise<Response> {
  const { headers, signal } = context.req.raw;
  try {
    const { transcription, ...rest } = await readRequest({ headers, body: incomingBody(context) }, services, signal);
    const { job } = await services.jobs.accept({
      ...rest,
      id: randomUUID(),
      dialect: NAME,
      filename: null,
      transcription: { ...transcription, caller: callerOf(context, services.keys) },
      eachChannel: false,
      webhook: null,
      idempotencyKey: null,
    });
    return context.json(writeAccepted(job), 201);
  } catch (thrown) {
    if (hasLeft(context, signal)) return context.body(null, CLIENT_CLOSED_REQUEST);
    throw thrown;
  }
}

function findJob(context: RequestContext, { jobs }: DialectServices): Job {
  const id = context.req.param('id') ?? '';
  const job = jobs.find(NAME, id);
  if (job) return job;
  throw unknownJob(id);
}

function unknownJob(id: string): GatewayError {
  return new GatewayError('job-unknown', `There is no job ${id}.`);
}
