// What the API's own description says of the routes of a whisper-cuda service.
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { jsonAnswer } from '../../http/description.ts';
import { describeKey, keySecurity } from '../../http/presented-key.ts';
import {
  acceptedBody,
  errorBody,
  failedBody,
  healthBody,
  jobBody,
  queueBody,
  statusQuery,
  transcribeForm,
} from './schema.ts';

type Registry = OpenAPIHono['openAPIRegistry'];

const tags = ['whisper-cuda'];

const failure = (description: string, detail: string) => ({
  ...jsonAnswer(description, errorBody),
  content: { 'application/json': { schema: errorBody, example: { detail } } },
});
const keyFailure = failure('No key, or a wrong one. Only where the server was given keys.', 'No API key was given.');

const transcribeRoute = createRoute({
  method: 'post',
  path: '/transcribe',
  operationId: 'whisperCudaTranscribe',
  tags,
  summary: 'Have a recording transcribed, and the result sent',
  description:
    'Silence before the first sound is left out but for half a second; times count from there. The result is sent to `callback_url` and is kept for `GET /status`.',
  security: keySecurity,
  request: { body: { required: true, content: { 'multipart/form-data': { schema: transcribeForm } } } },
  callbacks: {
    result: {
      '{$request.body#/callback_url}': {
        post: {
          requestBody: { content: { 'application/json': { schema: z.union([jobBody, failedBody]) } } },
          responses: { 200: { description: 'Any 2xx; else it is sent again.' } },
        },
      },
    },
  },
  responses: {
    200: jsonAnswer('The job is on disk.', acceptedBody),
    400: failure(
      'The form cannot be used, or the model is not enabled.',
      "The model 'x' is not enabled. Enabled: base.",
    ),
    401: keyFailure,
    408: failure('The upload stood still for too long.', 'The upload sent nothing for 30 seconds.'),
    413: failure('The upload is larger than this server takes.', 'The request body is larger than 2147483648 bytes.'),
    422: failure('A field is missing.', 'Field required: callback_url.'),
    429: failure('Too many jobs are waiting.', 'Too many jobs are waiting.'),
    500: failure('The server failed.', 'The server had an error while processing the request.'),
    503: failure('The database of models cannot be asked, or the server is stopping.', 'The server is shutting down.'),
    507: failure('The disk of the server is full.', 'The disk is full.'),
  },
});

const statusRoute = createRoute({
  method: 'get',
  path: '/status',
  operationId: 'whisperCudaStatus',
  tags,
  summary: 'One job, with its result once it is completed',
  security: keySecurity,
  request: { query: statusQuery },
  responses: {
    200: jsonAnswer('The job.', jobBody),
    401: keyFailure,
    404: failure('No such job, or it has expired.', 'There is no job 5fc0e4c2.'),
    422: failure('`job_id` is missing.', 'Field required: job_id.'),
  },
});

const queueRoute = createRoute({
  method: 'get',
  path: '/queue',
  operationId: 'whisperCudaQueue',
  tags,
  summary: 'What waits and what runs',
  security: keySecurity,
  responses: { 200: jsonAnswer('Jobs of this API.', queueBody), 401: keyFailure },
});

const healthRoute = createRoute({
  method: 'get',
  path: '/health',
  operationId: 'whisperCudaHealth',
  tags,
  summary: 'Can a transcription be served now?',
  responses: { 200: jsonAnswer('Always.', healthBody) },
});

export function describeRoutes(registry: Registry): void {
  describeKey(registry);
  for (const route of [transcribeRoute, statusRoute, queueRoute, healthRoute]) registry.registerPath(route);
}
