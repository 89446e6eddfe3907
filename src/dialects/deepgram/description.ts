// What the API's own description says of Deepgram's routes. The routes themselves are plain handlers: a validator in front
// of them would read the whole recording into memory first, and refuse what Deepgram takes.
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import {
  callbackAnswer,
  engineStatus,
  errorEnvelope,
  grantAnswer,
  grantBody,
  listenAnswer,
  listenQuery,
  listenUrl,
  modelList,
  systemStatus,
} from './schema.ts';

type Registry = OpenAPIHono['openAPIRegistry'];
type DescribedHeaders = Record<
  string,
  { description: string; schema: { type: 'string' | 'integer'; enum?: string[] } }
>;

const KEY_SCHEME = 'DeepgramKey';
const TOKEN_SCHEME = 'DeepgramToken';
const security = [{ [KEY_SCHEME]: [] }, { [TOKEN_SCHEME]: [] }];

const text = { type: 'string' as const };
const requestIdHeaders = {
  'dg-request-id': {
    description: 'Names this request; `metadata.request_id` too.',
    schema: { ...text, format: 'uuid' },
  },
  'x-request-id': { description: 'The same id as the logs have it.', schema: text },
};
const errorHeaders = {
  ...requestIdHeaders,
  'dg-error': { description: 'The same as `err_msg`.', schema: text },
};
const retryHeaders = {
  ...errorHeaders,
  'retry-after': {
    description: 'Seconds after which to try again, at least 1.',
    schema: { type: 'integer' as const, minimum: 1 },
  },
};

function answer(description: string, schema: z.ZodType, headers: DescribedHeaders = requestIdHeaders) {
  return { description, headers, content: { 'application/json': { schema } } };
}

function failure(
  description: string,
  examples: [code: string, message: string][],
  headers: DescribedHeaders = errorHeaders,
) {
  const bodies = examples.map(([err_code, err_msg], index) => [
    `${index + 1}`,
    { value: { err_code, err_msg, request_id: '5fc0e4c2-12ac-4d51-9f30-6c6b3d2d6f0e' } },
  ]);
  return {
    description,
    headers,
    content: { 'application/json': { schema: errorEnvelope, examples: Object.fromEntries(bodies) } },
  };
}

const keyFailure = failure('No key, or a wrong one. Only where the server was given keys.', [
  ['INVALID_AUTH', 'Invalid credentials.'],
]);

const listenRoute = createRoute({
  method: 'post',
  path: '/v1/listen',
  operationId: 'deepgramListen',
  tags: ['Deepgram'],
  summary: 'Transcribe a recording, or what a URL holds',
  description:
    "Deepgram's API for recordings. Unknown parameters are ignored, and so are those whose value is empty, `undefined` or `null`. What has no effect here is named in `metadata.warnings`.",
  security,
  request: {
    query: listenQuery,
    body: {
      required: true,
      description: 'With a JSON content type a URL; with any other, or none, the recording itself.',
      content: {
        'application/json': { schema: listenUrl },
        'application/octet-stream': { schema: z.string().openapi({ format: 'binary' }) },
      },
    },
  },
  responses: {
    200: answer(
      'The transcript; with `callback` only the id. Silence is an empty transcript.',
      z.union([listenAnswer, callbackAnswer]),
      {
        ...requestIdHeaders,
        'x-cache': {
          description:
            '`hit`: answered from the cache; `miss`: transcribed; `shared`: waited for an identical request.',
          schema: { ...text, enum: ['hit', 'miss', 'shared'] },
        },
      },
    ),
    400: failure('The query, the recording or the URL cannot be used.', [
      ['Bad Request', 'Invalid query string.'],
      ['Bad Request', 'Bad Request: No such model/language/tier combination found.'],
      ['Bad Request', 'Bad Request: failed to process audio: corrupt or unsupported data'],
      ['Bad Request', 'Content-type was application/json, but we could not process the JSON payload.'],
      ['REMOTE_CONTENT_ERROR', 'URL for media download must be publicly routable.'],
      ['REMOTE_CONTENT_ERROR', 'The remote server hosting the media returned a client error: 404 Not Found.'],
    ]),
    401: keyFailure,
    403: failure('No such model.', [
      ['INSUFFICIENT_PERMISSIONS', 'Project does not have access to the requested model.'],
    ]),
    408: failure('The upload stood still for too long.', [
      ['Request Timeout', 'The upload sent nothing for 30 seconds.'],
    ]),
    413: failure('The recording is larger than this server takes.', [
      ['PAYLOAD_TOO_LARGE', 'The request body is larger than 2147483648 bytes.'],
    ]),
    429: failure(
      'Too many requests are waiting.',
      [['TOO_MANY_REQUESTS', 'Too many requests. Please try again later']],
      retryHeaders,
    ),
    500: failure('The engine or the server failed.', [
      ['Internal Server Error', 'The server had an error while processing the request.'],
    ]),
    503: failure(
      'The model is being downloaded or loaded, its memory is taken by another program, or the server is stopping.',
      [['Service Unavailable', 'Please try again later.']],
      retryHeaders,
    ),
    504: failure('The engine took far longer than the recording warrants.', [
      ['Gateway Timeout', 'The engine took too long.'],
    ]),
    507: failure('The disk of the server is full.', [['Insufficient Storage', 'The disk is full.']]),
  },
});

const grantRoute = createRoute({
  method: 'post',
  path: '/v1/auth/grant',
  operationId: 'deepgramGrant',
  tags: ['Deepgram'],
  summary: 'A token for a while, to hand to a browser',
  security: [{ [KEY_SCHEME]: [] }],
  request: { body: { required: false, content: { 'application/json': { schema: grantBody } } } },
  responses: {
    200: answer('A JSON Web Token, valid as `Bearer`.', grantAnswer),
    400: failure('The body cannot be read.', [
      ['Bad Request', 'Content-type was application/json, but we could not process the JSON payload.'],
    ]),
    401: keyFailure,
    403: failure('A token cannot make another.', [['FORBIDDEN', 'Insufficient permissions.']]),
  },
});

const keyRoute = createRoute({
  method: 'get',
  path: '/v1/auth/token',
  operationId: 'deepgramProbeKey',
  tags: ['Deepgram'],
  summary: 'Whether a key is valid',
  security,
  responses: { 200: answer('It is.', z.object({})), 401: keyFailure },
});

const projectModelsRoute = createRoute({
  method: 'get',
  path: '/v1/projects/{project}/models',
  operationId: 'deepgramProjectModels',
  tags: ['Deepgram'],
  summary: 'Models of a project',
  description: 'There are no projects here: any has all models.',
  security,
  request: { params: z.object({ project: z.string() }) },
  responses: { 200: answer('All models.', modelList), 401: keyFailure },
});

const statusRoute = createRoute({
  method: 'get',
  path: '/v1/status',
  operationId: 'deepgramStatus',
  tags: ['Deepgram'],
  summary: 'How the server is',
  responses: { 200: answer('Its health and load.', systemStatus) },
});

const engineStatusRoute = createRoute({
  method: 'get',
  path: '/v1/status/engine',
  operationId: 'deepgramEngineStatus',
  tags: ['Deepgram'],
  summary: 'Whether an engine can serve',
  responses: { 200: answer('Whether it can.', engineStatus) },
});

export function describeRoutes(registry: Registry): void {
  registry.registerComponent('securitySchemes', KEY_SCHEME, {
    type: 'apiKey',
    in: 'header',
    name: 'Authorization',
    description: '`Token` and one of the keys in `API_KEYS`. Not needed where the server has none.',
  });
  registry.registerComponent('securitySchemes', TOKEN_SCHEME, {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A token of `POST /v1/auth/grant`.',
  });
  for (const route of [listenRoute, grantRoute, keyRoute, projectModelsRoute, statusRoute, engineStatusRoute]) {
    registry.registerPath(route);
  }
}
