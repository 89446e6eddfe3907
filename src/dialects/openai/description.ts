// What the API's own description says of OpenAI's routes. The routes themselves are plain handlers: a validator in front
// of them would read the whole upload into memory first.
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { requestIdHeader, retryAfterHeader } from '../../http/description.ts';
import {
  errorEnvelope,
  streamRecord,
  transcriptionForm,
  transcriptionJson,
  transcriptionVerboseJson,
  translationForm,
} from './schema.ts';

type Registry = OpenAPIHono['openAPIRegistry'];

const KEY_SCHEME = 'OpenAIKey';
const security = [{ [KEY_SCHEME]: [] }];

const answerHeaders = {
  'x-request-id': requestIdHeader,
  'x-cache': {
    description: '`hit`: answered from the cache; `miss`: transcribed; `shared`: waited for an identical request.',
    schema: { type: 'string' as const, enum: ['hit', 'miss', 'shared'] },
  },
  'x-warning': {
    description: 'Options that were understood and have no effect on this server.',
    schema: { type: 'string' as const },
  },
  'openai-processing-ms': {
    description: 'Milliseconds from the request to this answer.',
    schema: { type: 'integer' as const },
  },
  'openai-version': { description: 'Always `2020-10-01`.', schema: { type: 'string' as const } },
};

const invalid = (message: string, param: string | null = null, code: string | null = null) => ({
  error: { message, type: 'invalid_request_error', param, code },
});
const failed = (message: string) => ({ error: { message, type: 'server_error', param: null, code: null } });

function failure(description: string, examples: Record<string, unknown>, headers: object = {}) {
  return {
    description,
    headers: { 'x-request-id': requestIdHeader, ...headers },
    content: {
      'application/json': {
        schema: errorEnvelope,
        examples: Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }])),
      },
    },
  };
}

const keyFailure = failure('No key, or a wrong one. Only where the server was given keys.', {
  wrong: invalid('Incorrect API key provided.', null, 'invalid_api_key'),
  missing: invalid("You didn't provide an API key."),
});
const modelFailure = failure('No model of that name.', {
  unknown: invalid('The model `x` does not exist or you do not have access to it.', null, 'model_not_found'),
});

const uploadFailures = {
  400: failure('The form or its recording cannot be used.', {
    missing: invalid("[{'type': 'missing', 'loc': ('body', 'file'), 'msg': 'Field required', 'input': None}]"),
    invalid: invalid(
      "Invalid value for 'temperature': Too big: expected number to be <=1.",
      'temperature',
      'invalid_value',
    ),
    unsupported: invalid(
      "response_format 'diarized_json' is not compatible with model 'whisper-1'. Use 'json' or 'text' instead.",
      'response_format',
      'unsupported_value',
    ),
    unrecognised: invalid(
      "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']",
    ),
    undecodable: invalid('Audio file might be corrupted or unsupported.', 'file', 'invalid_value'),
    too_short: invalid('Audio file is too short. Minimum audio length is 0.1 seconds.', 'file', 'audio_too_short'),
    too_long: invalid('Audio file is too long.', null, 'invalid_value'),
  }),
  401: keyFailure,
  404: modelFailure,
  408: failure('The upload stood still for too long.', { stalled: invalid('The upload stalled.') }),
  413: failure('The upload is larger than this server takes.', {
    too_large: failed('Maximum content size limit (26214400) exceeded.'),
  }),
  429: failure(
    'Too many requests are waiting.',
    {
      full: {
        error: { message: 'The queue is full.', type: 'requests', param: null, code: 'rate_limit_exceeded' },
      },
    },
    { 'retry-after': retryAfterHeader },
  ),
  500: failure('The engine or the server failed.', { failed: failed('The engine stopped while transcribing.') }),
  503: failure(
    'The model is being downloaded or loaded, its memory is taken by another program, or the server is stopping.',
    { not_ready: failed('The model is being downloaded.') },
    { 'retry-after': retryAfterHeader },
  ),
  504: failure('The engine took far longer than the recording warrants.', {
    timeout: failed('The engine took too long.'),
  }),
  507: failure('The disk of the server is full.', { full: failed('The disk is full.') }),
};

const SUBTITLES =
  '1\n00:00:00,000 --> 00:00:10,500\nAnd so, my fellow Americans, ask not what your country can do for you\n\n\n';

function uploadAnswers(jsonDescription: string) {
  return {
    200: {
      description: `${jsonDescription} Silence is an empty text, not an error.`,
      headers: answerHeaders,
      content: {
        'application/json': { schema: z.union([transcriptionJson, transcriptionVerboseJson]) },
        'text/plain': {
          schema: z.string().openapi({ description: '`text`, `srt` or `vtt`.' }),
          example: SUBTITLES,
        },
        'text/event-stream': {
          schema: streamRecord.openapi({
            description:
              'With `stream`: one record per `data:` line, then `data: [DONE]`. The deltas join to exactly the final text. Lines that begin with a colon are pings. A failure after the first record arrives as a record of the error shape, and ends the stream.',
          }),
          example:
            'data: {"type":"transcript.text.delta","delta":"And so, my"}\n\ndata: {"type":"transcript.text.done","text":"And so, my"}\n\ndata: [DONE]\n\n',
        },
      },
    },
    ...uploadFailures,
  };
}

const cacheHeaders = z.object({
  'cache-control': z.string().optional().openapi({
    description: '`no-cache` transcribes anew and keeps the result; `no-store` neither reads nor keeps one.',
    example: 'no-cache',
  }),
});

const transcriptionsRoute = createRoute({
  method: 'post',
  path: '/audio/transcriptions',
  operationId: 'createTranscription',
  tags: ['OpenAI'],
  summary: 'Transcribe a recording',
  description:
    "OpenAI's `audio.transcriptions.create`. Lists are sent as repeated `name[]` parts; bare repeated names and JSON strings are understood too. Unknown fields are ignored.",
  security,
  request: {
    headers: cacheHeaders,
    body: { required: true, content: { 'multipart/form-data': { schema: transcriptionForm } } },
  },
  responses: uploadAnswers('The transcript, in the form that `response_format` names.'),
});

const translationsRoute = createRoute({
  method: 'post',
  path: '/audio/translations',
  operationId: 'createTranslation',
  tags: ['OpenAI'],
  summary: 'Translate a recording into English',
  description: "OpenAI's `audio.translations.create`. English-only and turbo models cannot translate.",
  security,
  request: {
    headers: cacheHeaders,
    body: { required: true, content: { 'multipart/form-data': { schema: translationForm } } },
  },
  responses: uploadAnswers('The English text, in the form that `response_format` names.'),
});

export function describeRoutes(registry: Registry): void {
  registry.registerComponent('securitySchemes', KEY_SCHEME, {
    type: 'http',
    scheme: 'bearer',
    description: 'One of the keys in `API_KEYS`. Not needed where the server has none.',
  });
  for (const route of [transcriptionsRoute, translationsRoute]) registry.registerPath(route);
}
