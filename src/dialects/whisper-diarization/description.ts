// What the API's own description says of these routes. The routes themselves are plain handlers: a validator in front of them
// would read the whole upload into memory first.
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { jsonAnswer, retryAfterHeader } from '../../http/description.ts';
import { describeKey, keySecurity } from '../../http/presented-key.ts';
import { acceptedJob, deletedJob, health, invalidFields, jobForm, jobResult, jobStatus, sentence } from './schema.ts';

type Registry = OpenAPIHono['openAPIRegistry'];

const tags = ['whisper-diarization'];

const keyFailure = jsonAnswer('No key, or a wrong one. Only where the server was given keys.', sentence);
const unknownFailure = jsonAnswer('No such job, or no longer.', sentence);
const later = { 'retry-after': retryAfterHeader };
const ofJob = z.object({ id: z.string().openapi({ example: '5fc0e4c2-12ac-4d51-9f30-6c6b3d2d6f0e' }) });

const routes = [
  createRoute({
    method: 'post',
    path: '/jobs',
    operationId: 'diarizationSubmit',
    tags,
    summary: 'Accept a recording',
    description: 'Speakers are not told apart yet. Unknown fields are ignored.',
    security: keySecurity,
    request: { body: { required: true, content: { 'multipart/form-data': { schema: jobForm } } } },
    responses: {
      201: jsonAnswer('Its id and place.', acceptedJob),
      400: jsonAnswer('The form cannot be read, or there is no such model.', sentence),
      401: keyFailure,
      408: jsonAnswer('The upload stood still for too long.', sentence),
      413: jsonAnswer('The upload is larger than this server takes.', sentence),
      422: jsonAnswer('A field is missing, or cannot be used.', invalidFields),
      429: jsonAnswer('Too many jobs are waiting.', sentence, later),
      503: jsonAnswer('The server is stopping.', sentence, later),
      507: jsonAnswer('The disk of the server is full.', sentence),
    },
  }),
  createRoute({
    method: 'get',
    path: '/jobs/{id}',
    operationId: 'diarizationStatus',
    tags,
    summary: 'A job',
    security: keySecurity,
    request: { params: ofJob },
    responses: { 200: jsonAnswer('As it is now.', jobStatus), 401: keyFailure, 404: unknownFailure },
  }),
  createRoute({
    method: 'get',
    path: '/jobs/{id}/result',
    operationId: 'diarizationResult',
    tags,
    summary: 'What was said',
    security: keySecurity,
    request: { params: ofJob },
    responses: {
      200: jsonAnswer('The transcript, with utterances.', jobResult),
      202: jsonAnswer('The job has not ended.', sentence),
      401: keyFailure,
      404: unknownFailure,
      500: jsonAnswer('The job failed.', sentence),
    },
  }),
  createRoute({
    method: 'delete',
    path: '/jobs/{id}',
    operationId: 'diarizationDelete',
    tags,
    summary: 'Forget a job',
    description: 'One that has not ended is cancelled first.',
    security: keySecurity,
    request: { params: ofJob },
    responses: { 200: jsonAnswer('It is gone.', deletedJob), 401: keyFailure, 404: unknownFailure },
  }),
  createRoute({
    method: 'get',
    path: '/health',
    operationId: 'diarizationHealth',
    tags,
    summary: 'How many jobs there are',
    responses: { 200: jsonAnswer('Of this API.', health) },
  }),
];

export function describeRoutes(registry: Registry): void {
  describeKey(registry);
  for (const route of routes) registry.registerPath(route);
}
