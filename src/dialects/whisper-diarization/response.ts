// A job → what a whisper-diarization service says of it. Pure.
import type { Job } from '../../jobs/job.ts';
import type { WrittenResult } from '../dialect.ts';
import { jobDetails } from './request.ts';
import type { AcceptedJob, JobResult, JobStatusObject } from './schema.ts';

export function writeAccepted(job: Job): AcceptedJob {
  return { job_id: job.id, status: 'queued', position: placeOf(job), warnings: warningsOf(job) };
}

/**
 * Of the stages that the service goes through, two happen here: words are aligned while they are transcribed, and nothing is
 * separated, diarized or post-processed.
 */
export function writeStatus(job: Job): JobStatusObject {
  const { id: job_id, progress } = job;
  const warnings = warningsOf(job);
  switch (job.status) {
    case 'queued':
      return writeAccepted(job);
    case 'running': {
      const stage = progress.percent < 100 ? 'transcribing' : 'generating_output';
      return { job_id, status: 'processing', progress: stage, percent: progress.percent, warnings };
    }
    case 'done':
      return { job_id, status: 'completed', warnings };
    case 'failed':
    case 'cancelled':
      return { job_id, status: 'failed', error: failureOf(job), warnings };
  }
}

export function failureOf({ error }: Job): string {
  return error?.message ?? 'The job was cancelled.';
}

/** `written`: what Deepgram's dialect makes of the transcript. */
export function writeResult(job: Job, { body }: WrittenResult): JobResult {
  return { ...JSON.parse(body), warnings: warningsOf(job) };
}

/** 0 is the next to run. */
function placeOf({ position }: Job): number {
  return Math.max(0, (position ?? 1) - 1);
}

function warningsOf({ details }: Job): string[] {
  return jobDetails.parse(details).warnings;
}
