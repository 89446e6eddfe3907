// The shapes on RunPod's wire: what a whisper worker is asked with (also what is validated) and every body this dialect
// answers with. Rendered into the API's own description.
import { z } from '@hono/zod-openapi';

const COMPUTE_TYPES = [
  ...(['default', 'auto', 'float16', 'float32', 'bfloat16', 'int16', 'int8'] as const),
  ...(['int8_float16', 'int8_float32', 'int8_bfloat16'] as const),
];
export const OUTPUT_FORMATS = ['json', 'txt', 'text', 'srt', 'vtt'] as const;

const SPEAKERS_MAX = 100;
const BATCH_MAX = 1024;
const BEAMS_ASKED_MAX = 100;
const VAD_SECONDS_MAX = 60;
/** Under what any decoding scores. */
const LOG_PROBABILITY_MIN = -100;
const RATIO_MAX = 100;
const PENALTY_MAX = 10;
const TOKEN_CHARACTERS_MAX = 1000;

const share = z.number().min(0).max(1);
const vadSeconds = z.number().min(0).max(VAD_SECONDS_MAX);
const speakers = z.int().min(1).max(SPEAKERS_MAX);
const unable = (description: string) => ({
  description: `${description} Accepted, has no effect, and is named in \`warnings\`.`,
});

/** Everything but where the audio is. In the environment they go by the same names in capitals. */
export const inputOptions = z.object({
  model: z.string().openapi({
    description: 'A model of this server (`GET /v1/models`); the default model when absent.',
    example: 'large-v3-turbo',
  }),
  language: z.string().openapi({ description: '`en`, `english`; detected when absent or null.', example: 'en' }),
  beam_size: z.int().min(1).max(BEAMS_ASKED_MAX).openapi({ description: 'More than 5 are 5.', example: 5 }),
  temperature: share.openapi({ description: 'Randomness of decoding.', example: 0 }),
  temperature_increment_on_fallback: share.openapi({
    description: 'Added to the temperature each time a decoding fails its thresholds; 0 tries once.',
    example: 0.2,
  }),
  no_speech_threshold: share.openapi({
    description: 'Above it, and below `log_prob_threshold`, nothing was said.',
    example: 0.6,
  }),
  log_prob_threshold: z.number().min(LOG_PROBABILITY_MIN).max(0).openapi({
    description: 'Below it a decoding failed.',
    example: -1,
  }),
  compression_ratio_threshold: z.number().min(0).max(RATIO_MAX).openapi(unable('Other than 2.4:')),
  output_format: z.enum(OUTPUT_FORMATS).openapi({
    description:
      'Besides the segments, `transcription` holds the text in this format; with `json` there are only they.',
  }),
  debug: z.boolean().openapi({ description: 'Adds `debug_info` to the output.' }),
  compute_type: z.enum(COMPUTE_TYPES).openapi(unable('How the weights are computed with.')),
  batch_size: z.int().min(1).max(BATCH_MAX).openapi(unable('Chunks at a time.')),
  length_penalty: z.number().min(-PENALTY_MAX).max(PENALTY_MAX).openapi(unable('Of beams.')),
  vad_onset: share.openapi(unable('Where voice begins.')),
  vad_offset: share.openapi(unable('Where voice ends.')),
  min_duration_on: vadSeconds.openapi(unable('Shortest voice.')),
  min_duration_off: vadSeconds.openapi(unable('Shortest pause.')),
  pad_onset: vadSeconds.openapi(unable('Padding before voice.')),
  pad_offset: vadSeconds.openapi(unable('Padding after voice.')),
  align_output: z.boolean().openapi(unable('`false`: words are always aligned.')),
  diarization: z.boolean().openapi(unable('Speakers.')),
  diarize: z.boolean().openapi({ description: 'As `diarization`.' }),
  min_speakers: speakers.openapi(unable('Speakers.')),
  max_speakers: speakers.openapi(unable('Speakers.')),
  huggingface_access_token: z.string().max(TOKEN_CHARACTERS_MAX).openapi(unable('For models of speakers.')),
});
export type InputOptions = Partial<z.infer<typeof inputOptions>>;
export type OptionName = keyof InputOptions;

/** Clients write null for what they leave open. */
const leftOpen = z.object(
  Object.fromEntries(
    Object.entries(inputOptions.shape).map(([name, option]) => [name, option.nullish()]),
  ) as unknown as { [Name in OptionName]: z.ZodOptional<z.ZodNullable<(typeof inputOptions.shape)[Name]>> },
);
export const runBody = z
  .object({
    input: z.object({
      audio_file: z.string().openapi({
        description: 'Where the recording is fetched from when the turn of the job comes.',
        example: 'https://github.com/runpod-workers/sample-inputs/raw/main/audio/gettysburg.wav',
      }),
      ...leftOpen.shape,
    }),
    webhook: z.string().nullish().openapi({
      description: 'Where the job is sent, as `/status` shows it, when it has ended.',
      example: 'https://example.com/hook',
    }),
    policy: z.object({}).loose().nullish().openapi(unable('Time limits and priority.')),
    s3Config: z.object({}).loose().nullish().openapi(unable('Where to put the output.')),
  })
  .openapi('RunpodRequest');

export const waitQuery = z.object({
  wait: z.coerce.number().min(0).optional().openapi({
    description: 'How long to wait for the end of the job, in milliseconds: 90000 when absent, at most 300000.',
    example: 90_000,
  }),
});

const seconds = z.number().openapi({ example: 10.5 });
const segment = z.object({ start: seconds, end: seconds, text: z.string() }).openapi('RunpodSegment');
const debugInfo = z
  .object({
    audio: z.object({
      is_compatible: z.boolean().openapi({ description: 'It could be read.' }),
      expected: z.object({ sample_rate: z.int(), channels: z.int() }),
      actual: z.null(),
      used_fallback: z.null(),
      source: z.string(),
      reason: z.string(),
    }),
    runtime: z.object({ engine: z.string(), gpu: z.string().nullable() }),
    model: z.object({ asked: z.string(), path: z.string(), compute_type: z.string().nullable() }),
    decode: z.object({
      language: z.string().nullable(),
      batch_size: z.int(),
      beam_size: z.int(),
      temperature: z.number(),
      temperature_increment_on_fallback: z.number(),
      length_penalty: z.null(),
      no_speech_threshold: z.number(),
      log_prob_threshold: z.number(),
      compression_ratio_threshold: z.null(),
    }),
    output: z.object({
      output_format: z.enum(OUTPUT_FORMATS),
      align_output: z.boolean(),
      diarization: z.boolean(),
      min_speakers: z.int().nullable(),
      max_speakers: z.int().nullable(),
    }),
  })
  .openapi('RunpodDebugInfo', { description: 'What was done, which may be less than was asked for.' });

export const jobOutput = z
  .object({
    segments: z.array(segment),
    detected_language: z.string().openapi({ example: 'en' }),
    transcription: z.string().optional(),
    warnings: z.array(z.string()),
    logs: z.string(),
    debug_info: debugInfo.optional(),
  })
  .openapi('RunpodOutput');

const milliseconds = z.int().optional();
const status = z.enum(['IN_QUEUE', 'IN_PROGRESS', 'COMPLETED', 'FAILED', 'CANCELLED']);
export const jobStatus = z
  .object({
    id: z.string().openapi({ example: 'sync-5fc0e4c2-12ac-4d51-9f30-6c6b3d2d6f0e-u1' }),
    status,
    delayTime: milliseconds.openapi({ description: 'Milliseconds in the queue, once it is over.' }),
    executionTime: milliseconds.openapi({ description: 'Milliseconds from its beginning to its end.' }),
    output: jobOutput.optional(),
    error: z.string().optional().openapi({ description: 'Of a failed job.' }),
  })
  .openapi('RunpodJob');
export const jobStream = z.object({ status, stream: z.array(z.object({ output: jobOutput })) }).openapi('RunpodStream');

export const health = z
  .object({
    jobs: z.object({
      completed: z.int(),
      failed: z.int(),
      inProgress: z.int(),
      inQueue: z.int(),
      retried: z.int(),
    }),
    workers: z.object({
      idle: z.int(),
      initializing: z.int(),
      ready: z.int(),
      running: z.int(),
      throttled: z.int(),
    }),
  })
  .openapi('RunpodHealth', { description: 'The server counts as one worker. Cancelled jobs are not counted.' });
export const purged = z.object({ removed: z.int(), status: z.literal('completed') }).openapi('RunpodPurged');
export const errorBody = z.object({ error: z.string().openapi({ example: 'job not found' }) }).openapi('RunpodError');

export type RunBody = z.infer<typeof runBody>;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];
export type JobOutput = z.infer<typeof jobOutput>;
export type JobStatusObject = z.infer<typeof jobStatus>;
export type DebugInfo = z.infer<typeof debugInfo>;
export type Health = z.infer<typeof health>;
