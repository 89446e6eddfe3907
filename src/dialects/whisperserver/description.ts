// What the API's own description says of the route of a WhisperServer.
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { describeKey, keySecurity } from '../../http/presented-key.ts';
import { errorBody, textBody, transcribeForm, transcribeQuery } from './schema.ts';

const KEY_IN_QUERY = 'WhisperServerKey';

const text = (description: string) => ({ description, schema: { type: 'string' as const } });
const requestId = { 'x-request-id': text('Names this request in the logs.') };
const failure = (description: string, error: string) => ({
  description,
  headers: requestId,
  content: { 'application/json': { schema: errorBody, example: { error } } },
});

const transcribeRoute = createRoute({
  method: 'post',
  path: '/transcribe',
  operationId: 'whisperServerTranscribe',
  tags: ['WhisperServer'],
  summary: 'Transcribe a recording',
  security: [...keySecurity, { [KEY_IN_QUERY]: [] }],
  request: {
    query: transcribeQuery,
    body: { required: true, content: { 'multipart/form-data': { schema: transcribeForm } } },
  },
  responses: {
    200: {
      description: 'The text. Silence is an empty text, not an error.',
      headers: {
        ...requestId,
        'x-cache': text(
          '`hit`: answered from the cache; `miss`: transcribed; `shared`: waited for an identical request.',
        ),
        'x-warning': text('Options that were understood and have no effect on this server.'),
      },
      content: { 'application/json': { schema: textBody } },
    },
    400: failure('The form or its recording cannot be used.', 'Unsupported model: x.'),
    401: failure('No key, or a wrong one. Only where the server was given keys.', 'No API key was given.'),
    408: failure('The upload stood still for too long.', 'The upload sent nothing for 30 seconds.'),
    413: failure('The upload is larger than this server takes.', 'The request body is larger than 2147483648 bytes.'),
    422: failure('The file is missing.', 'Field required: file.'),
    429: failure('Too many requests are waiting.', 'The queue is full.'),
    500: failure('The engine or the server failed.', 'The engine stopped while transcribing.'),
    503: failure('The model is not ready, or the server is stopping.', 'The model is being downloaded.'),
    504: failure('The engine took far longer than the recording warrants.', 'The engine took too long.'),
    507: failure('The disk of the server is full.', 'The disk is full.'),
  },
});

export function describeRoutes(registry: OpenAPIHono['openAPIRegistry']): void {
  describeKey(registry);
  registry.registerComponent('securitySchemes', KEY_IN_QUERY, { type: 'apiKey', in: 'query', name: 'api_key' });
  registry.registerPath(transcribeRoute);
}
