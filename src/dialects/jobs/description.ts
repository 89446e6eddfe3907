// What the API's own description says of the routes of jobs and models.
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { jsonAnswer, requestIdHeader, retryAfterHeader } from '../../http/description.ts';
import { describeKey, keySecurity } from '../../http/presented-key.ts';
import {
  acceptedJob,
  errorBody,
  jobDocument,
  jobForm,
  jobJson,
  jobList,
  jobRecord,
  listQuery,
  loadAnswer,
  modelQuery,
  modelRecord,
  modelStatus,
  notReadyBody,
  resultQuery,
  unloadAnswer,
} from './schema.ts';

type Registry = OpenAPIHono['openAPIRegistry'];

function failure(description: string, messages: string[], headers: object = {}) {
  const examples = Object.fromEntries(messages.map((error, index) => [`example_${index + 1}`, { value: { error } }]));
  return {
    description,
    headers: { 'x-request-id': requestIdHeader, ...headers },
    content: { 'application/json': { schema: errorBody, examples } },
  };
}

function stream(description: string, schema: z.ZodType, example: string) {
  return { description, content: { 'text/event-stream': { schema, example } } };
}

const jobParams = z.object({ id: z.string() });
const keyFailure = failure('No key, or a wrong one. Only where the server was given keys.', [
  'No API key was given.',
  'The API key is not valid.',
]);
const unknownJob = failure('No such job, or it has expired.', ['job 5fc0e4c2 not found']);
const unknownModel = failure('No model of that name.', ["The model 'x' is unknown."]);

const submitRoute = createRoute({
  method: 'post',
  path: '/jobs',
  operationId: 'submitJob',
  tags: ['Jobs'],
  summary: 'Have a recording transcribed, and hear of it later',
  description:
    'The job, its recording included, is on disk before the answer: it comes to its end whatever happens to the server. Unknown fields are ignored.',
  security: keySecurity,
  request: {
    headers: z.object({
      'idempotency-key': z.string().optional().openapi({
        description: 'A request that is repeated with the same key is answered with the same job.',
        example: 'upload-17',
      }),
    }),
    body: {
      required: true,
      content: { 'multipart/form-data': { schema: jobForm }, 'application/json': { schema: jobJson } },
    },
  },
  responses: {
    202: jsonAnswer('Accepted.', acceptedJob, {
      location: { description: 'Where the job is.', schema: { type: 'string' as const } },
      'idempotency-replayed': {
        description: '`true`: the job is that of an earlier request.',
        schema: { type: 'string' as const },
      },
    }),
    400: failure('The request cannot be used.', [
      "missing 'audio' field",
      'audio field is empty',
      "task must be 'transcribe' or 'translate'",
      'multipart error: The multipart body is broken or incomplete.',
    ]),
    401: keyFailure,
    404: unknownModel,
    408: failure('The upload stood still for too long.', ['The upload sent nothing for 30 seconds.']),
    413: failure('The upload is larger than this server takes.', ['The request body is larger than 2147483648 bytes.']),
    422: failure('The Idempotency-Key was used for another request.', ['The key was used for another request.']),
    429: failure('Too many jobs are waiting.', ['Too many jobs are waiting.'], { 'retry-after': retryAfterHeader }),
    503: jsonAnswer('With `STRICT_MODEL_READY`: the model is not in memory, and is being loaded.', notReadyBody, {
      'retry-after': retryAfterHeader,
    }),
    507: failure('The disk of the server is full.', ['The disk is full.']),
  },
});

const listRoute = createRoute({
  method: 'get',
  path: '/jobs',
  operationId: 'listJobs',
  tags: ['Jobs'],
  summary: 'All jobs, the latest first',
  security: keySecurity,
  request: { query: listQuery },
  responses: {
    200: jsonAnswer('A page of them, without their segments.', jobList),
    400: failure('The query cannot be used.', ['status must be one of queued, running, done, failed, cancelled']),
    401: keyFailure,
  },
});

const findRoute = createRoute({
  method: 'get',
  path: '/jobs/{id}',
  operationId: 'findJob',
  tags: ['Jobs'],
  summary: 'One job',
  description: 'Also the body of the webhook.',
  security: keySecurity,
  request: { params: jobParams },
  responses: { 200: jsonAnswer('The job.', jobDocument), 401: keyFailure, 404: unknownJob },
});

const cancelRoute = createRoute({
  method: 'delete',
  path: '/jobs/{id}',
  operationId: 'cancelJob',
  tags: ['Jobs'],
  summary: 'Cancel a job',
  security: keySecurity,
  request: { params: jobParams },
  responses: {
    200: jsonAnswer('The job, cancelled.', jobDocument),
    401: keyFailure,
    404: unknownJob,
    409: failure('It has ended.', ['job 5fc0e4c2 is already in terminal state done']),
  },
});

const streamRoute = createRoute({
  method: 'get',
  path: '/jobs/{id}/stream',
  operationId: 'watchJob',
  tags: ['Jobs'],
  summary: 'How a job goes on, as it happens',
  description:
    'Records without an event name: the type is inside. The last is `done` or `error`. A client that comes back with `Last-Event-ID` hears what it missed, and with the id of the last record 204, at which browsers stop coming back. Lines that begin with a colon are pings.',
  security: keySecurity,
  request: { params: jobParams },
  responses: {
    200: stream(
      'The state now, then every change.',
      jobRecord,
      'id: 3\ndata: {"type":"progress","percent":40,"chunk":2,"chunks_total":5}\n\n',
    ),
    204: { description: 'The client has seen the last record.' },
    401: keyFailure,
    404: unknownJob,
  },
});

const resultRoute = createRoute({
  method: 'get',
  path: '/jobs/{id}/result',
  operationId: 'jobResult',
  tags: ['Jobs'],
  summary: 'The transcript of a job that is done',
  security: keySecurity,
  request: { params: jobParams, query: resultQuery },
  responses: {
    200: {
      description:
        '`json`, `text`, `srt`, `vtt` and `verbose_json` as OpenAI writes them, `deepgram` as Deepgram does.',
      content: {
        'application/json': { schema: z.object({}).loose() },
        'text/plain': { schema: z.string() },
      },
    },
    400: failure('No such format.', ['format must be one of json, text, srt, vtt, verbose_json, deepgram']),
    401: keyFailure,
    404: unknownJob,
    409: failure('There is no transcript.', ['job 5fc0e4c2 is not done yet: running']),
  },
});

const statusRoute = createRoute({
  method: 'get',
  path: '/model/status',
  operationId: 'modelStatus',
  tags: ['Jobs'],
  summary: 'Whether a model is in memory',
  security: keySecurity,
  request: { query: modelQuery },
  responses: { 200: jsonAnswer('How it is.', modelStatus), 401: keyFailure, 404: unknownModel },
});

const command = {
  query: modelQuery,
  body: { required: false, content: { 'application/json': { schema: modelQuery } } },
};

const loadRoute = createRoute({
  method: 'post',
  path: '/model/load',
  operationId: 'loadModel',
  tags: ['Jobs'],
  summary: 'Load a model',
  security: keySecurity,
  request: command,
  responses: {
    200: jsonAnswer('It is in memory.', loadAnswer),
    202: jsonAnswer('It is being loaded.', loadAnswer),
    401: keyFailure,
    404: unknownModel,
    503: failure('It is not on disk yet, and is being downloaded.', ['The model is being downloaded.'], {
      'retry-after': retryAfterHeader,
    }),
  },
});

const unloadRoute = createRoute({
  method: 'post',
  path: '/model/unload',
  operationId: 'unloadModel',
  tags: ['Jobs'],
  summary: 'Give the memory of a model back',
  description: 'What runs on it comes to its end first. The next request for the model loads it again.',
  security: keySecurity,
  request: command,
  responses: { 200: jsonAnswer('It will go.', unloadAnswer), 401: keyFailure, 404: unknownModel },
});

const eventsRoute = createRoute({
  method: 'get',
  path: '/model/events',
  operationId: 'watchModels',
  tags: ['Jobs'],
  summary: 'What happens to models, as it happens',
  security: keySecurity,
  responses: {
    200: stream(
      'From now on.',
      modelRecord,
      'data: {"type":"model_ready","model":"base","at":"2026-01-02T03:04:05.678Z","loaded_at":"2026-01-02T03:04:05.678Z"}\n\n',
    ),
    401: keyFailure,
  },
});

export function describeRoutes(registry: Registry): void {
  describeKey(registry);
  for (const route of [submitRoute, listRoute, findRoute, cancelRoute, streamRoute, resultRoute]) {
    registry.registerPath(route);
  }
  for (const route of [statusRoute, loadRoute, unloadRoute, eventsRoute]) registry.registerPath(route);
}
