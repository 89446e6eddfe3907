// The shapes on the wire of a whisper-diarization service: the fields of its form (also what is validated) and every body this
// dialect answers with. Rendered into the API's own description.
import { z } from '@hono/zod-openapi';

const BATCH_MAX = 1024;
const FLAGS: Record<string, boolean> = {
  ...{ true: true, '1': true, yes: true, on: true, t: true, y: true },
  ...{ false: false, '0': false, no: false, off: false, f: false, n: false },
};

const flag = (fallback: boolean, description: string) =>
  z
    .preprocess(
      (value) => (typeof value === 'string' ? (FLAGS[value.trim().toLowerCase()] ?? value) : value),
      z.boolean(),
    )
    .default(fallback)
    .openapi({ type: 'boolean', default: fallback, description });

/** Without the recording, which streams past. */
export const jobFields = z.object({
  whisper_model: z.string().optional().openapi({
    description:
      'A model of this server (`GET /v1/models`). When absent `medium.en`, or where that is not installed the default model.',
    example: 'medium.en',
  }),
  language: z.string().optional().openapi({ description: '`en`, `english`; detected when absent.', example: 'en' }),
  stemming: flag(true, 'Vocals apart from music. Accepted, has no effect; unless `false` it is named in `warnings`.'),
  suppress_numerals: flag(false, 'Numbers in words. Accepted, has no effect, and is named in `warnings`.'),
  batch_size: z.int().min(1).max(BATCH_MAX).optional().openapi({
    description: 'Chunks at a time. Accepted, has no effect, and is named in `warnings`.',
    example: 8,
  }),
});
const recording = z.file().openapi({
  type: 'string',
  format: 'binary',
  description: 'The recording, in any format that ffmpeg reads. May come before or after the fields.',
});
export const jobForm = z.object({ file: recording, ...jobFields.shape }).openapi('DiarizationForm');

const jobId = z.string().openapi({ format: 'uuid', example: '5fc0e4c2-12ac-4d51-9f30-6c6b3d2d6f0e' });
const position = z.int().openapi({ description: 'In the queue: 0 is the next to run.', example: 0 });
const warnings = z.array(z.string()).openapi({ description: 'Options without effect.' });

export const acceptedJob = z
  .object({ job_id: jobId, status: z.literal('queued'), position, warnings })
  .openapi('DiarizationAccepted');
export const jobStatus = z
  .union([
    acceptedJob,
    z.object({
      job_id: jobId,
      status: z.literal('processing'),
      progress: z.enum(['transcribing', 'generating_output']),
      percent: z.int().min(0).max(100),
      warnings,
    }),
    z.object({ job_id: jobId, status: z.literal('completed'), warnings }),
    z.object({ job_id: jobId, status: z.literal('failed'), error: z.string(), warnings }),
  ])
  .openapi('DiarizationJob');
export const jobResult = z
  .object({ metadata: z.object({}).loose(), results: z.object({}).loose(), warnings })
  .openapi('DiarizationResult', { description: "Deepgram's answer (`DeepgramListenAnswer`) and `warnings`." });
export const deletedJob = z.object({ message: z.literal('Job deleted') }).openapi('DiarizationDeleted');
export const health = z
  .object({ status: z.literal('healthy'), queued_jobs: z.int(), processing_jobs: z.int() })
  .openapi('DiarizationHealth');

export const sentence = z
  .object({ detail: z.string().openapi({ example: 'Job not found' }) })
  .openapi('DiarizationError');
export const invalidFields = z
  .object({
    detail: z.array(z.object({ type: z.string(), loc: z.array(z.string()), msg: z.string(), input: z.null() })),
  })
  .openapi('DiarizationInvalid', {
    example: { detail: [{ type: 'missing', loc: ['body', 'file'], msg: 'Field required', input: null }] },
  });

export type JobFields = z.infer<typeof jobFields>;
export type AcceptedJob = z.infer<typeof acceptedJob>;
export type JobStatusObject = z.infer<typeof jobStatus>;
export type JobResult = z.infer<typeof jobResult>;
export type Sentence = z.infer<typeof sentence>;
export type InvalidFields = z.infer<typeof invalidFields>;
