// The shapes on the wire of the jobs API: the fields a job may be asked with (also what is validated) and every body this
// dialect answers with. Rendered into the API's own description.
import { z } from '@hono/zod-openapi';
import { JOB_STATUSES } from '../../jobs/job.ts';
import { RESULT_FORMATS } from '../dialect.ts';

const LIST_MAX = 200;
const LIST_DEFAULT = 50;

const recording = z.file().openapi({
  type: 'string',
  format: 'binary',
  description:
    'The recording, in any format that ffmpeg reads. `file` is understood, too. May come before or after the fields.',
});

/** Without the recording, which streams past. */
export const jobFields = z.object({
  url: z.string().optional().openapi({
    description: 'Instead of a recording: where it is fetched from when the turn of the job comes.',
    example: 'https://example.com/talk.mp3',
  }),
  model: z.string().optional().openapi({
    description: 'A model of this server (`GET /v1/models`); the default model when absent.',
    example: 'base',
  }),
  task: z.enum(['transcribe', 'translate']).default('transcribe').openapi({
    description: '`translate` writes English, whatever is spoken.',
  }),
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
  prompt: z.string().optional().openapi({
    description: 'Text in the language of the audio that guides its spelling and style, or what was said just before.',
    example: 'Kubernetes, Whispergate, PyTorch.',
  }),
  keywords: z
    .array(z.string())
    .optional()
    .openapi({
      description: 'Words likely to be spoken: they guide the spelling, together with `prompt`.',
      example: ['Whispergate'],
    }),
  temperature: z.number().min(0).max(1).default(0).openapi({
    description: 'Randomness of decoding. At 0 the engine raises it by itself where decoding fails.',
  }),
  webhook_url: z.string().optional().openapi({
    description: 'Where the job is sent, as `GET /jobs/{id}` shows it, when it has ended.',
    example: 'https://example.com/hook',
  }),
});
export const jobForm = z.object({ audio: recording.optional(), ...jobFields.shape }).openapi('JobForm');
export const jobJson = jobFields.openapi('JobByUrl');

export const listQuery = z.object({
  status: z.enum(JOB_STATUSES).optional(),
  limit: z.coerce.number().int().min(1).max(LIST_MAX).default(LIST_DEFAULT),
  offset: z.coerce.number().int().min(0).default(0),
});
export const resultQuery = z.object({ format: z.enum(RESULT_FORMATS).default('json') });

const jobId = z.string().openapi({ example: '5fc0e4c2-12ac-4d51-9f30-6c6b3d2d6f0e' });
const status = z.enum(JOB_STATUSES);
const time = z.iso.datetime().openapi({ example: '2026-01-02T03:04:05.678Z' });
const seconds = z.number().openapi({ example: 11 });
const position = z.int().nullable().openapi({ description: 'In the queue: 1 is the next to run. Null unless queued.' });
const wait = seconds.nullable().openapi({
  description: 'Until it starts, by how long jobs took lately. Null unless queued, and while nothing is known.',
});

export const acceptedJob = z
  .object({ job_id: jobId, status, position, estimated_wait_secs: wait })
  .openapi('JobAccepted');

const word = z.object({ text: z.string(), start: seconds, end: seconds, probability: z.number() }).openapi('JobWord');
const segment = z
  .object({ index: z.int(), start: seconds, end: seconds, text: z.string(), words: z.array(word) })
  .openapi('JobSegment');

const listedJobShape = {
  id: jobId,
  status,
  task: z.enum(['transcribe', 'translate']),
  language: z
    .string()
    .nullable()
    .openapi({ description: 'As asked for, and once it is done as heard.', example: 'en' }),
  model: z.string().openapi({ description: 'As asked for, and once it is done the one that ran.', example: 'base' }),
  progress: z.int().min(0).max(100),
  duration_secs: seconds.nullable().openapi({ description: 'Of the recording, once it is done.' }),
  error: z.string().nullable().openapi({ description: 'Of a failed job.' }),
  webhook_url: z.string().nullable(),
  filename: z.string().nullable(),
  created_at: time,
  completed_at: time.nullable().openapi({ description: 'When it ended, however it did.' }),
  position,
  estimated_wait_secs: wait,
};
export const listedJob = z.object(listedJobShape).openapi('ListedJob');
export const jobDocument = z
  .object({
    ...listedJobShape,
    segments: z.array(segment).nullable().openapi({ description: 'Null until the job is done.' }),
    warnings: z.array(z.string()).optional().openapi({
      description: 'Options without effect, and text that was left out because the engine made it up.',
    }),
  })
  .openapi('Job');
export const jobList = z
  .object({ jobs: z.array(listedJob), total: z.int(), limit: z.int(), offset: z.int() })
  .openapi('JobList');

const progressRecord = z
  .object({
    type: z.literal('progress'),
    percent: z.int(),
    chunk: z.int().openapi({ description: 'How many are finished.' }),
    chunks_total: z.int().nullable(),
  })
  .openapi('JobProgressEvent');
const doneRecord = z.object({ type: z.literal('done'), job: jobDocument }).openapi('JobDoneEvent');
const errorRecord = z.object({ type: z.literal('error'), message: z.string() }).openapi('JobErrorEvent');
export const jobRecord = z.union([progressRecord, doneRecord, errorRecord]);

const modelState = z.enum(['unloaded', 'loading', 'waiting_for_gpu', 'ready']);
const megabytes = z.int().optional();
export const modelStatus = z
  .object({
    model: z.string().openapi({ example: 'base' }),
    state: modelState,
    loaded_at: time.optional(),
    vram_used_mb: megabytes,
    vram_total_mb: megabytes,
    vram_needed_mb: megabytes,
    vram_free_mb: megabytes,
    retry_in_secs: z.number().optional().openapi({ description: 'Until the memory is looked at again.' }),
  })
  .openapi('ModelStatus', { description: 'What is unknown is left out.' });
export const modelQuery = z.object({
  model: z.string().optional().openapi({ description: 'Any name of a model; the default model when absent.' }),
});
export const loadAnswer = z.object({ status: z.enum(['load_initiated', 'already_ready']) }).openapi('ModelLoad');
export const unloadAnswer = z.object({ status: z.literal('unload_requested') }).openapi('ModelUnload');
export const modelRecord = z
  .object({
    type: z.enum(['model_loading', 'model_ready', 'model_unloaded', 'model_waiting_for_gpu']),
    model: z.string(),
    at: time,
    loaded_at: time.optional().openapi({ description: 'Of `model_ready`.' }),
  })
  .openapi('ModelEvent');

export const errorBody = z
  .object({ error: z.string().openapi({ example: "missing 'audio' field" }) })
  .openapi('JobsError');
export const notReadyBody = z
  .object({
    error: z.literal('model_not_ready'),
    state: modelState.exclude(['ready']),
    retry_after_secs: z.int(),
  })
  .openapi('ModelNotReady');

export type JobFields = z.infer<typeof jobFields>;
export type AcceptedJob = z.infer<typeof acceptedJob>;
export type ListedJob = z.infer<typeof listedJob>;
export type JobDocument = z.infer<typeof jobDocument>;
export type SegmentObject = z.infer<typeof segment>;
export type JobRecord = z.infer<typeof jobRecord>;
export type ModelStatusObject = z.infer<typeof modelStatus>;
export type ModelRecord = z.infer<typeof modelRecord>;
export type NotReadyBody = z.infer<typeof notReadyBody>;
