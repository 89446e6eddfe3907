// The shapes on OpenAI's wire: the fields a form may carry (also what is validated) and every body this dialect answers
// with. Rendered into the API's own description.
import { z } from '@hono/zod-openapi';

const recording = z.file().openapi({
  type: 'string',
  format: 'binary',
  description:
    'The audio: flac, m4a, mp3, mp4, mpeg, mpga, oga, ogg, wav or webm. Recognised by its content, whatever its name and type say. May be the first or the last part of the form.',
});

const model = z.string().openapi({
  description:
    "A model of this server (`GET /v1/models`), or a name of OpenAI's that stands for one: `whisper-1`, `gpt-4o-transcribe`, `gpt-4o-mini-transcribe`, `gpt-transcribe`.",
  example: 'whisper-1',
});

const prompt = z.string().optional().openapi({
  description: 'Text in the language of the audio that guides its spelling and style, or what was said just before.',
  example: 'Kubernetes, Whispergate, PyTorch.',
});

const temperature = z.number().min(0).max(1).default(0).openapi({
  description: 'Randomness of decoding. At 0 the engine raises it by itself where decoding fails.',
  example: 0,
});

const FORMATS = ['json', 'text', 'srt', 'verbose_json', 'vtt'] as const;
export type ResponseFormat = (typeof FORMATS)[number];

const chunkingStrategy = z.union([
  z.literal('auto'),
  z.object({
    type: z.literal('server_vad'),
    prefix_padding_ms: z.number().optional(),
    silence_duration_ms: z.number().optional(),
    threshold: z.number().optional(),
  }),
]);

const keyword = z.string().regex(/^[^<>\r\n]*$/, 'must not contain <, >, or line breaks');

/** Without its recording, which streams past. A missing model is reported together with a missing file. */
export const transcriptionFields = z.object({
  model: model.optional(),
  language: z.string().optional().openapi({
    description: 'Language of the audio (`en`, `en-US`, `english`); detected when absent, empty or `auto`.',
    example: 'en',
  }),
  languages: z
    .array(z.string())
    .optional()
    .openapi({
      description: 'Languages to expect. One pins it; among several it is detected. Never together with `language`.',
      example: ['en'],
    }),
  keywords: z
    .array(keyword)
    .optional()
    .openapi({
      description: 'Words likely to be spoken: they guide the spelling, together with `prompt`.',
      example: ['Whispergate'],
    }),
  prompt,
  response_format: z
    .enum([...FORMATS, 'diarized_json'])
    .default('json')
    .openapi({
      description:
        'Form of the answer, for any model. `diarized_json` is refused: this server does not tell speakers apart.',
    }),
  temperature,
  timestamp_granularities: z
    .array(z.enum(['word', 'segment']))
    .default(['segment'])
    .openapi({
      description: 'For `verbose_json`: times of segments, words or both. Repeat the part for both.',
      example: ['word', 'segment'],
    }),
  include: z
    .array(z.enum(['logprobs']))
    .default([])
    .openapi({
      description: 'For `json` and streams: `logprobs` adds the log probability of every token.',
    }),
  stream: z.boolean().default(false).openapi({
    description: 'Answer with server-sent events while decoding, whatever the model.',
  }),
  chunking_strategy: chunkingStrategy.optional().openapi({
    description: 'Accepted and without effect: the engine cuts long recordings itself.',
    example: 'auto',
  }),
  known_speaker_names: z.array(z.string()).optional().openapi({
    description: 'Refused: this server does not tell speakers apart.',
  }),
  known_speaker_references: z.array(z.string()).optional().openapi({
    description: 'Refused: this server does not tell speakers apart.',
  }),
});

export const translationFields = z.object({
  model: model.optional(),
  prompt: prompt.openapi({ description: 'Text in English that guides the style of the translation.' }),
  response_format: z.enum(FORMATS).default('json').openapi({ description: 'Form of the answer.' }),
  temperature,
  stream: transcriptionFields.shape.stream,
});

export const transcriptionForm = z
  .object({ file: recording, ...transcriptionFields.shape, model })
  .openapi('OpenAITranscriptionForm');
export const translationForm = z
  .object({ file: recording, ...translationFields.shape, model })
  .openapi('OpenAITranslationForm');

const tokenUsage = z
  .object({
    type: z.literal('tokens'),
    input_tokens: z.int(),
    input_token_details: z.object({ text_tokens: z.int(), audio_tokens: z.int() }),
    output_tokens: z.int(),
    total_tokens: z.int(),
  })
  .openapi('OpenAITokenUsage');
const durationUsage = z
  .object({ type: z.literal('duration'), seconds: z.int().openapi({ example: 11 }) })
  .openapi('OpenAIDurationUsage');

const logprob = z
  .object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) })
  .openapi('OpenAILogprob', { example: { token: ' country', logprob: -0.012, bytes: [32, 99, 111] } });
const spokenLanguage = z.object({ code: z.string().openapi({ example: 'en' }) });

const text = z.string().openapi({
  example:
    'And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.',
});

export const transcriptionJson = z
  .object({
    text,
    logprobs: z.array(logprob).optional(),
    languages: z.array(spokenLanguage).optional().openapi({ description: 'Only for `gpt-transcribe`.' }),
    usage: z.union([durationUsage, tokenUsage]).optional(),
  })
  .openapi('OpenAITranscription');

const segment = z
  .object({
    id: z.int(),
    seek: z.int().openapi({ description: 'Where the decoder’s window began, in hundredths of a second.' }),
    start: z.number(),
    end: z.number(),
    text: z.string(),
    tokens: z.array(z.int()),
    temperature: z.number(),
    avg_logprob: z.number(),
    compression_ratio: z.number(),
    no_speech_prob: z.number(),
  })
  .openapi('OpenAISegment');
const word = z
  .object({ word: z.string().openapi({ example: 'country' }), start: z.number(), end: z.number() })
  .openapi('OpenAIWord');

export const transcriptionVerboseJson = z
  .object({
    task: z.enum(['transcribe', 'translate']),
    language: z.string().openapi({ example: 'english', description: 'English name, in lower case.' }),
    duration: z.number().openapi({ example: 11 }),
    text,
    segments: z.array(segment).optional(),
    words: z.array(word).optional(),
    usage: durationUsage.optional(),
  })
  .openapi('OpenAIVerboseTranscription');

const deltaRecord = z
  .object({ type: z.literal('transcript.text.delta'), delta: z.string().openapi({ example: 'And so, my' }) })
  .openapi('OpenAITranscriptTextDelta');
const doneRecord = z
  .object({
    type: z.literal('transcript.text.done'),
    text,
    logprobs: z.array(logprob).optional(),
    languages: z.array(spokenLanguage).optional(),
    usage: tokenUsage.optional(),
  })
  .openapi('OpenAITranscriptTextDone');
export const streamRecord = z.union([deltaRecord, doneRecord]);

export const modelObject = z
  .object({
    id: z.string().openapi({ example: 'whisper-1' }),
    object: z.literal('model'),
    created: z.int().openapi({ description: 'Unix time in seconds.', example: 1700000000 }),
    owned_by: z.string().openapi({ example: 'whispergate' }),
  })
  .openapi('OpenAIModel');
export const modelList = z.object({ object: z.literal('list'), data: z.array(modelObject) }).openapi('OpenAIModelList');

export const errorEnvelope = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string().nullable(),
    }),
  })
  .openapi('OpenAIError');

export type TokenUsage = z.infer<typeof tokenUsage>;
export type DurationUsage = z.infer<typeof durationUsage>;
export type Logprob = z.infer<typeof logprob>;
export type SegmentObject = z.infer<typeof segment>;
export type WordObject = z.infer<typeof word>;
export type TranscriptionJson = z.infer<typeof transcriptionJson>;
export type TranscriptionVerboseJson = z.infer<typeof transcriptionVerboseJson>;
export type StreamRecord = z.infer<typeof streamRecord>;
export type ModelObject = z.infer<typeof modelObject>;
