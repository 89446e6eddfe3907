// Jobs and models → the bodies of the jobs API. Pure.
import type { Job } from '../../jobs/job.ts';
import { omissions } from '../../transcript/diagnostics.ts';
import type { Segment, Transcript } from '../../transcript/transcript.ts';
import type { ModelEvent, ModelStatus } from '../dialect.ts';
import { jobDetails } from './request.ts';
import type { AcceptedJob, JobDocument, ListedJob, ModelRecord, ModelStatusObject, SegmentObject } from './schema.ts';

/** Named in the document of a job, which may be long without them. */
const OMISSIONS_SHOWN_MAX = 100;

export function writeAccepted(job: Job): AcceptedJob {
  return { job_id: job.id, status: job.status, ...writePlace(job) };
}

/** `transcripts`: those of a job that is done. */
export function writeJob(job: Job, transcripts: readonly Transcript[] = []): JobDocument {
  const [transcript] = transcripts;
  const warnings = [
    ...jobDetails.parse(job.details).warnings,
    ...(transcript ? omissions(transcript).slice(0, OMISSIONS_SHOWN_MAX) : []),
  ];
  return {
    ...writeListed(job),
    segments: transcript ? transcript.segments.map(writeSegment) : null,
    ...(warnings.length > 0 && { warnings }),
  };
}

export function writeListed(job: Job): ListedJob {
  const { model, options } = job.transcription;
  return {
    id: job.id,
    status: job.status,
    task: options.task,
    language: job.language ?? options.language,
    model: job.model ?? model,
    progress: job.progress.percent,
    duration_secs: job.durationMs === null ? null : seconds(job.durationMs),
    error: job.error?.message ?? null,
    webhook_url: job.webhook?.url ?? null,
    filename: job.filename,
    created_at: time(job.createdAtMs),
    completed_at: job.endedAtMs === null ? null : time(job.endedAtMs),
    ...writePlace(job),
  };
}

export function writeModelStatus(status: ModelStatus): ModelStatusObject {
  const { model, state, loadedAtMs, neededMb, gpu, retryInSeconds } = status;
  return {
    model,
    state,
    ...(loadedAtMs !== null && { loaded_at: time(loadedAtMs) }),
    ...(gpu && { vram_used_mb: gpu.usedMb, vram_total_mb: gpu.totalMb, vram_free_mb: gpu.freeMb }),
    vram_needed_mb: neededMb,
    ...(retryInSeconds !== null && { retry_in_secs: retryInSeconds }),
  };
}

export function writeModelEvent({ type, model, atMs }: ModelEvent): ModelRecord {
  return { type, model, at: time(atMs), ...(type === 'model_ready' && { loaded_at: time(atMs) }) };
}

function writePlace({ position, estimatedWaitMs }: Job): Pick<ListedJob, 'position' | 'estimated_wait_secs'> {
  return { position, estimated_wait_secs: estimatedWaitMs === null ? null : seconds(estimatedWaitMs) };
}

function writeSegment({ startMs, endMs, text, words }: Segment, index: number): SegmentObject {
  return {
    index,
    start: seconds(startMs),
    end: seconds(endMs),
    text: text.trim(),
    words: words.map((word) => ({
      text: word.text,
      start: seconds(word.startMs),
      end: seconds(word.endMs),
      probability: finite(word.probability),
    })),
  };
}

function time(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function seconds(milliseconds: number): number {
  return Math.round(finite(milliseconds)) / 1000;
}

/** JSON has no NaN: it would arrive as null. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
