// What the API's own description says of RunPod's routes. The routes themselves are plain handlers, which judge the environment
// together with the request.
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { jsonAnswer, requestIdHeader, retryAfterHeader } from '../../http/description.ts';
import { describeKey, keySecurity } from '../../http/presented-key.ts';
import { errorBody, health, jobStatus, jobStream, purged, runBody, waitQuery } from './schema.ts';

type Registry = OpenAPIHono['openAPIRegistry'];

const tags = ['RunPod'];

function failure(description: string, errors: string[], headers: object = {}) {
  const examples = Object.fromEntries(errors.map((error, index) => [`${index + 1}`, { value: { error } }]));
  return {
    description,
    headers: { 'x-request-id': requestIdHeader, ...headers },
    content: { 'application/json': { schema: errorBody, examples } },
  };
}

const keyFailure = failure('No key, or a wrong one. Only where the server was given keys.', [
  'The API key is not valid.',
]);
const unknownFailure = failure('No such job, or no longer.', ['job not found']);
const runFailures = {
  400: failure('The input cannot be used. What is wrong with the audio shows later, as the failure of the job.', [
    'audio_file is required.',
    'beam_size: Too small: expected number to be >=1.',
    "The model 'x' is unknown.",
    'webhook: The URL must lead to a publicly routable address.',
  ]),
  401: keyFailure,
  429: failure('Too many jobs are waiting.', ['The queue is full.'], { 'retry-after': retryAfterHeader }),
  503: failure('The server is stopping.', ['The server is shutting down.'], { 'retry-after': retryAfterHeader }),
  507: failure('The disk of the server is full.', ['The disk is full.']),
};

const endpoint = z.string().openapi({ description: 'Any name: all are the same queue.', example: 'whisper' });
const atEndpoint = z.object({ endpoint });
const ofJob = z.object({
  endpoint,
  id: z.string().openapi({ example: '5fc0e4c2-12ac-4d51-9f30-6c6b3d2d6f0e-u1' }),
});
const body = { required: true, content: { 'application/json': { schema: runBody } } };

const routes = [
  createRoute({
    method: 'post',
    path: '/{endpoint}/run',
    operationId: 'runpodRun',
    tags,
    summary: 'Accept a job',
    description:
      'Answers at once. What the request leaves open is taken from the environment of the server (`BEAM_SIZE` and so on), then from the defaults.',
    security: keySecurity,
    request: { params: atEndpoint, body },
    responses: { 200: jsonAnswer('Its id.', jobStatus), ...runFailures },
  }),
  createRoute({
    method: 'post',
    path: '/{endpoint}/runsync',
    operationId: 'runpodRunSync',
    tags,
    summary: 'Accept a job and wait for its end',
    security: keySecurity,
    request: { params: atEndpoint, query: waitQuery, body },
    responses: {
      200: jsonAnswer('The job at its end, or as it is when the time is up; it goes on then.', jobStatus),
      ...runFailures,
    },
  }),
  createRoute({
    method: 'get',
    path: '/{endpoint}/status/{id}',
    operationId: 'runpodStatus',
    tags,
    summary: 'A job',
    description: 'POST does the same.',
    security: keySecurity,
    request: { params: ofJob },
    responses: { 200: jsonAnswer('As it is now.', jobStatus), 401: keyFailure, 404: unknownFailure },
  }),
  createRoute({
    method: 'get',
    path: '/{endpoint}/status-sync/{id}',
    operationId: 'runpodStatusSync',
    tags,
    summary: 'A job, at its end',
    description: 'POST does the same.',
    security: keySecurity,
    request: { params: ofJob, query: waitQuery },
    responses: {
      200: jsonAnswer('At its end, or as it is when the time is up.', jobStatus),
      401: keyFailure,
      404: unknownFailure,
    },
  }),
  createRoute({
    method: 'get',
    path: '/{endpoint}/stream/{id}',
    operationId: 'runpodStream',
    tags,
    summary: 'The outputs of a job',
    description: 'There is one, at the end: it is waited for, ten seconds at most. POST does the same.',
    security: keySecurity,
    request: { params: ofJob },
    responses: { 200: jsonAnswer('None yet, or the one.', jobStream), 401: keyFailure, 404: unknownFailure },
  }),
  createRoute({
    method: 'post',
    path: '/{endpoint}/cancel/{id}',
    operationId: 'runpodCancel',
    tags,
    summary: 'Cancel a job',
    security: keySecurity,
    request: { params: ofJob },
    responses: {
      200: jsonAnswer('Cancelled; one that had ended is left as it was.', jobStatus),
      401: keyFailure,
      404: unknownFailure,
    },
  }),
  createRoute({
    method: 'post',
    path: '/{endpoint}/purge-queue',
    operationId: 'runpodPurgeQueue',
    tags,
    summary: 'Cancel every job that has not begun',
    security: keySecurity,
    request: { params: atEndpoint },
    responses: { 200: jsonAnswer('How many.', purged), 401: keyFailure },
  }),
  createRoute({
    method: 'get',
    path: '/{endpoint}/health',
    operationId: 'runpodHealth',
    tags,
    summary: 'How many jobs there are, and whether they can be served',
    security: keySecurity,
    request: { params: atEndpoint },
    responses: { 200: jsonAnswer('Of all endpoints.', health), 401: keyFailure },
  }),
];

export function describeRoutes(registry: Registry): void {
  describeKey(registry);
  for (const route of routes) registry.registerPath(route);
}
