// The shapes on the wire of the whisper-cuda service: the form and every body that it answers or sends. Rendered into the
// API's own description.
import { z } from '@hono/zod-openapi';

export const DEFAULT_LANGUAGE = 'Russian';

/** Without its recording, which streams past. Which of them must be there is judged together with it. */
export const transcribeFields = z.object({
  model: z.string().optional().openapi({ description: 'One of the enabled models.', example: 'base' }),
  callback_url: z.string().optional().openapi({
    description: 'Where the result is sent, by `POST`.',
    example: 'https://example.com/done',
  }),
  language: z.string().default(DEFAULT_LANGUAGE).openapi({
    description: 'By name or code: `Russian`, `russian`, `ru`; `auto` to have it detected.',
    example: DEFAULT_LANGUAGE,
  }),
});

export const transcribeForm = z
  .object({
    file: z.file().openapi({ type: 'string', format: 'binary', description: 'Audio, or video with sound.' }),
    ...transcribeFields.required({ model: true, callback_url: true }).shape,
  })
  .openapi('WhisperCudaForm');

export const statusQuery = z.object({ job_id: z.string().optional().openapi({ description: 'Required.' }) });

export const acceptedBody = z.object({ job_id: z.string() }).openapi('WhisperCudaAccepted');

export const healthBody = z.object({ status: z.enum(['starting', 'ready', 'error']) }).openapi('WhisperCudaHealth');

export const queueBody = z
  .object({
    status: z.enum(['idle', 'busy']),
    queued: z.array(z.string()).openapi({ description: 'Ids of jobs, the next to run first.' }),
    running: z.array(z.string()),
  })
  .openapi('WhisperCudaQueue');

const seconds = z.number().nullable();

export const gpuBody = z
  .object({
    index: z.int(),
    util_avg_percent: z.number(),
    util_max_percent: z.number(),
    vram_total_mb: z.number(),
    vram_used_avg_mb: z.number(),
    vram_used_max_mb: z.number(),
    vram_used_percent: z.number(),
    vram_used_percent_max: z.number(),
  })
  .openapi('WhisperCudaGpu');

export const resultBody = z
  .object({
    text: z.string(),
    segments: z.array(z.object({ start: z.number(), end: z.number(), text: z.string() })),
    queue_time_s: seconds,
    processing_time_s: seconds,
    gpu: gpuBody.nullable().openapi({ description: 'Null where no GPU did the work, or none needed to.' }),
    token_count: z.int(),
  })
  .openapi('WhisperCudaResult');

const callbackState = z
  .object({
    delivered: z.boolean(),
    delivered_at_ms: z.number().nullable(),
    error: z
      .string()
      .nullable()
      .openapi({ description: 'Why the last attempt failed. Unless it was given up, others follow.' }),
  })
  .openapi('WhisperCudaCallbackState');

export const jobBody = z
  .object({
    job_id: z.string(),
    status: z.enum(['queued', 'running', 'completed', 'failed']),
    model: z.string(),
    language: z.string(),
    queue_time_s: seconds,
    processing_time_s: seconds,
    result: resultBody.nullable(),
    error: z.string().nullable(),
    callback: callbackState,
  })
  .openapi('WhisperCudaJob');

/** The callback of a job that failed. */
export const failedBody = z
  .object({ job_id: z.string(), status: z.literal('failed'), result: z.null(), error: z.string() })
  .openapi('WhisperCudaFailed');

export const errorBody = z.object({ detail: z.string() }).openapi('WhisperCudaError');

export type TranscribeFields = z.infer<typeof transcribeFields>;
export type GpuBody = z.infer<typeof gpuBody>;
export type ResultBody = z.infer<typeof resultBody>;
export type JobBody = z.infer<typeof jobBody>;
export type FailedBody = z.infer<typeof failedBody>;
export type QueueBody = z.infer<typeof queueBody>;
