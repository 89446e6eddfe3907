// A job, and its transcript where it is done → the bodies of a whisper-cuda service. Pure.
import type { Delivery, Job, JobStatus } from '../../jobs/job.ts';
import { type Transcript, transcriptText } from '../../transcript/transcript.ts';
import { jobDetails } from './request.ts';
import { type FailedBody, gpuBody, type JobBody, type ResultBody } from './schema.ts';

/** This API has no way to cancel a job; whoever did ended it. */
const STATUSES: Record<JobStatus, JobBody['status']> = {
  queued: 'queued',
  running: 'running',
  done: 'completed',
  failed: 'failed',
  cancelled: 'failed',
};

export function writeJob(job: Job, transcripts: readonly Transcript[] | undefined): JobBody {
  const [transcript] = transcripts ?? [];
  return {
    job_id: job.id,
    status: STATUSES[job.status],
    model: job.transcription.model,
    language: jobDetails.parse(job.details).language,
    ...times(job),
    result: job.status === 'done' && transcript ? writeResult(job, transcript) : null,
    error: STATUSES[job.status] === 'failed' ? describeFailure(job) : null,
    callback: writeCallback(job.delivery),
  };
}

/** What is sent when a job has ended. It says of its own delivery what is known before: nothing. */
export function writeCallbackBody(job: Job, transcripts: readonly Transcript[]): JobBody | FailedBody {
  if (job.status !== 'done') {
    return { job_id: job.id, status: 'failed', result: null, error: describeFailure(job) };
  }
  return writeJob({ ...job, delivery: { state: 'pending', atMs: null, error: null } }, transcripts);
}

function writeResult(job: Job, transcript: Transcript): ResultBody {
  return {
    text: transcriptText(transcript),
    segments: transcript.segments.map(({ startMs, endMs, text }) => ({
      start: startMs / 1000,
      end: endMs / 1000,
      text: text.trim(),
    })),
    ...times(job),
    gpu: gpuBody.nullable().catch(null).parse(job.measurements),
    token_count: transcript.segments.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0),
  };
}

/** Null of what has not come to its end. */
function times({ createdAtMs, startedAtMs, endedAtMs }: Job): Pick<JobBody, 'queue_time_s' | 'processing_time_s'> {
  return {
    queue_time_s: startedAtMs === null ? null : (startedAtMs - createdAtMs) / 1000,
    processing_time_s: startedAtMs === null || endedAtMs === null ? null : (endedAtMs - startedAtMs) / 1000,
  };
}

function describeFailure({ error }: Job): string {
  return error?.message ?? 'The job was cancelled.';
}

function writeCallback({ state, atMs, error }: Delivery): JobBody['callback'] {
  const delivered = state === 'delivered';
  return { delivered, delivered_at_ms: delivered ? atMs : null, error: delivered ? null : error };
}
