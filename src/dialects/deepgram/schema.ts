// The shapes on Deepgram's wire: the options of a query (also what is validated) and every body this dialect answers with.
// Rendered into the API's own description.
import { z } from '@hono/zod-openapi';
import type { RawJson } from './numbers.ts';

/** Deepgram's own limits. */
const TAG_CHARACTERS_MAX = 128;
const EXTRA_CHARACTERS_MAX = 2048;
/** Ours: a token is for a while. */
const TOKEN_SECONDS_MAX = 3600;

const flag = (description: string) => z.boolean().default(false).openapi({ description });
const text = (description: string, example: string) => z.string().optional().openapi({ description, example });
const phrases = (description: string, example: string) =>
  z
    .array(z.string())
    .default([])
    .openapi({ description, example: [example] });
const unable = (description: string) => flag(`${description} Accepted, has no effect, and is named in the warnings.`);

/** Without the options of the live API, which many clients send here too: they are ignored, as all unknown ones are. */
export const listenQuery = z.object({
  model: text(
    "Any of Deepgram's models stands for this server's default model; `whisper-SIZE` for the nearest that is installed. Also the name or UUID of a model of this server.",
    'nova-3',
  ),
  language: text('BCP 47 tag of the language spoken, `en` when absent; `multi` to have it detected.', 'en-US'),
  detect_language: z
    .array(z.union([z.literal(true), z.string()]))
    .default([])
    .openapi({ description: '`true`, or the languages to expect. Takes the place of `language`.', example: [true] }),
  punctuate: flag('Capitals and punctuation.'),
  smart_format: flag('Punctuation, paragraphs, and dates, times, money, phone numbers as they are written. English.'),
  paragraphs: flag('Paragraphs and sentences. Implies `punctuate`.'),
  utterances: flag('The text in stretches between pauses.'),
  utt_split: z.number().min(0).default(0.8).openapi({ description: 'The pause between utterances, in seconds.' }),
  multichannel: flag('Each channel transcribed by itself; at most 20.'),
  numerals: flag('Numbers in digits. English.'),
  measurements: flag('Units abbreviated. English.'),
  dictation: flag('Spoken punctuation as punctuation. Needs `punctuate`.'),
  filler_words: flag('Keeps what was said of `uh` and `um`.'),
  profanity_filter: flag('Asterisks in the place of profanity.'),
  redact: phrases(
    '`numbers`, `aggressive_numbers`, `pci`, `ssn`, by pattern. Others are named in the warnings.',
    'pci',
  ),
  replace: phrases('`find:new`; with nothing after the colon the phrase is left out.', 'ACME:Acme'),
  search: phrases(
    'Phrases to find: letters are compared, so that what was heard a little differently is found with less confidence.',
    'country',
  ),
  keywords: phrases(
    '`word:boost`: words to expect. The boost ranks them where there is no room for all.',
    'Whispergate:2',
  ),
  keyterm: phrases('Phrases to expect, 500 words in all.', 'Whispergate'),
  callback: text('Where the answer is sent; the caller hears only its id.', 'https://example.com/transcripts'),
  callback_method: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['post', 'put']))
    .default('post')
    .openapi({ type: 'string', enum: ['post', 'put'], description: 'How it is sent.' }),
  extra: z
    .array(z.string().max(EXTRA_CHARACTERS_MAX))
    .default([])
    .openapi({ description: '`key:value`, sent back in the metadata.', example: ['order:17'] }),
  tag: z
    .array(z.string().max(TAG_CHARACTERS_MAX))
    .default([])
    .openapi({ description: 'Sent back in the metadata.', example: ['nightly'] }),
  mip_opt_out: flag('No audio leaves this server in any case.'),
  diarize: unable('Speakers.'),
  diarize_model: text('Speakers. Accepted, has no effect, and is named in the warnings.', 'latest'),
  diarize_version: text('As `diarize_model`.', 'latest'),
  detect_entities: unable('Entities; the list is always empty. Implies `punctuate`.'),
  sentiment: unable('Sentiment.'),
  topics: unable('Topics.'),
  intents: unable('Intents.'),
  summarize: z
    .union([z.boolean(), z.enum(['v1', 'v2'])])
    .default(false)
    .openapi({ description: 'A summary. Accepted, has no effect, and is named in the warnings.' }),
  custom_topic: phrases('As `topics`.', 'weather'),
  custom_topic_mode: text('As `topics`.', 'extended'),
  custom_intent: phrases('As `intents`.', 'order a taxi'),
  custom_intent_mode: text('As `intents`.', 'extended'),
  alternatives: z.int().positive().optional().openapi({ description: 'There is always one.', example: 1 }),
  version: text('Accepted; only the latest is served.', 'latest'),
  tier: text('Accepted, has no effect.', 'nova'),
  encoding: text('Of audio without a header. A header that is there is believed more.', 'linear16'),
  sample_rate: z.int().positive().optional().openapi({ description: 'With `encoding`.', example: 16_000 }),
  channels: z.int().positive().optional().openapi({ description: 'With `encoding`.', example: 1 }),
});

export const listenUrl = z
  .object({ url: z.string() })
  .openapi('DeepgramListenUrl', { example: { url: 'https://dpgr.am/spacewalk.wav' } });

const float = (description = '') =>
  z.custom<RawJson>().openapi({ type: 'number', format: 'float', example: 0.99, ...(description && { description }) });
const uuid = z.string().openapi({ format: 'uuid', example: '5fc0e4c2-12ac-4d51-9f30-6c6b3d2d6f0e' });

const word = z
  .object({
    word: z.string(),
    start: float(),
    end: float(),
    confidence: float(),
    punctuated_word: z.string().optional(),
    language: z.string().optional(),
  })
  .openapi('DeepgramWord');
const sentence = z.object({ text: z.string(), start: float(), end: float() });
const paragraph = z.object({ sentences: z.array(sentence), num_words: z.int(), start: float(), end: float() });
const alternative = z
  .object({
    transcript: z.string().openapi({ example: 'and so my fellow americans' }),
    confidence: float('The upper median of the words.'),
    words: z.array(word),
    paragraphs: z.object({ transcript: z.string(), paragraphs: z.array(paragraph) }).optional(),
    entities: z.array(z.object({})).optional(),
    languages: z.array(z.string()).optional(),
  })
  .openapi('DeepgramAlternative');
const hit = z.object({ confidence: float(), start: float(), end: float(), snippet: z.string() });
const channel = z
  .object({
    search: z.array(z.object({ query: z.string(), hits: z.array(hit) })).optional(),
    alternatives: z.array(alternative),
    detected_language: z.string().optional(),
  })
  .openapi('DeepgramChannel');
const utterance = z
  .object({
    start: float(),
    end: float(),
    confidence: float(),
    channel: z.int(),
    transcript: z.string(),
    words: z.array(word),
    id: uuid,
  })
  .openapi('DeepgramUtterance');
const warning = z
  .object({ parameter: z.string(), type: z.string(), message: z.string() })
  .openapi('DeepgramWarning', { description: 'An option that could not be honoured as asked.' });
const modelInfo = z.object({
  name: z.string().openapi({ example: 'base-whisper' }),
  version: z.string(),
  arch: z.string().openapi({ example: 'whisper' }),
});

export const listenAnswer = z
  .object({
    metadata: z.object({
      transaction_key: z.literal('deprecated'),
      request_id: uuid,
      sha256: z.string().openapi({ description: 'Of the recording as it was sent.' }),
      created: z.string(),
      duration: float(),
      channels: z.int(),
      models: z.array(uuid),
      model_info: z.record(z.string(), modelInfo),
      warnings: z.array(warning).optional(),
      tags: z.array(z.string()).optional(),
      extra: z.record(z.string(), z.string()).optional(),
    }),
    results: z.object({ channels: z.array(channel), utterances: z.array(utterance).optional() }),
  })
  .openapi('DeepgramListenAnswer');

export const callbackAnswer = z.object({ request_id: uuid }).openapi('DeepgramCallbackAnswer');

export const errorEnvelope = z
  .object({ err_code: z.string(), err_msg: z.string(), request_id: uuid })
  .openapi('DeepgramError');

export const modelEntrySchema = z
  .object({
    name: z.string().openapi({ example: 'base-whisper' }),
    canonical_name: z.string().openapi({ example: 'base' }),
    architecture: z.string().openapi({ example: 'whisper' }),
    languages: z.array(z.string()),
    version: z.string(),
    uuid,
    batch: z.boolean(),
    streaming: z.boolean(),
    formatted_output: z.boolean(),
  })
  .openapi('DeepgramModel');
export const modelList = z
  .object({ stt: z.array(modelEntrySchema), tts: z.array(z.object({})) })
  .openapi('DeepgramModelList');

export const grantBody = z
  .object({
    ttl_seconds: z
      .number()
      .positive()
      .default(30)
      .transform((seconds) => Math.min(seconds, TOKEN_SECONDS_MAX))
      .openapi({ description: `At most ${TOKEN_SECONDS_MAX}; \`expires_in\` says what it became.` }),
  })
  .openapi('DeepgramGrant', { example: { ttl_seconds: 60 } });
export const grantAnswer = z
  .object({ access_token: z.string(), expires_in: z.number().openapi({ example: 30 }) })
  .openapi('DeepgramGrantAnswer');
export const systemStatus = z
  .object({
    system_health: z.enum(['Initializing', 'Ready', 'Healthy', 'Degraded', 'Critical']),
    active_batch_requests: z.int(),
    active_stream_requests: z.int(),
  })
  .openapi('DeepgramStatus');
export const engineStatus = z
  .object({ engine_connection_status: z.enum(['Connected', 'Disconnected']) })
  .openapi('DeepgramEngineStatus');

export type ListenAnswer = z.infer<typeof listenAnswer>;
export type ListenWord = z.infer<typeof word>;
export type ListenChannel = z.infer<typeof channel>;
export type ListenAlternative = z.infer<typeof alternative>;
export type ListenUtterance = z.infer<typeof utterance>;
export type Warning = z.infer<typeof warning>;
export type ModelEntry = z.infer<typeof modelEntrySchema>;
export type SystemStatus = z.infer<typeof systemStatus>;
