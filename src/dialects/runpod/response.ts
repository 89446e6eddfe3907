// A job → its status in RunPod's words, with the output of a whisper worker. Pure but for the device that is asked for.
import type { Job, JobStatus } from '../../jobs/job.ts';
import { omissions } from '../../transcript/diagnostics.ts';
import { USUAL_DECODING } from '../../transcript/request.ts';
import { toSrt, toVtt } from '../../transcript/subtitles.ts';
import { type Transcript, transcriptText } from '../../transcript/transcript.ts';
import type { DialectServices } from '../dialect.ts';
import { jobDetails } from './request.ts';
import type { DebugInfo, Health, JobOutput, JobStatusObject, OutputFormat } from './schema.ts';

type Services = Pick<DialectServices, 'lifecycle'>;

const STATUSES: Record<JobStatus, JobStatusObject['status']> = {
  queued: 'IN_QUEUE',
  running: 'IN_PROGRESS',
  done: 'COMPLETED',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
};

/** Named in an output, which may be long without them. */
const OMISSIONS_SHOWN_MAX = 100;

/** `transcripts`: those of a job that is done. */
export async function writeStatus(
  job: Job,
  transcripts: readonly Transcript[] | undefined,
  services: Services,
): Promise<JobStatusObject> {
  const { createdAtMs, startedAtMs, endedAtMs } = job;
  const beganAtMs = startedAtMs ?? endedAtMs;
  const [transcript] = transcripts ?? [];
  return {
    id: job.id,
    status: STATUSES[job.status],
    ...(beganAtMs !== null && { delayTime: span(createdAtMs, beganAtMs) }),
    ...(beganAtMs !== null && endedAtMs !== null && { executionTime: span(beganAtMs, endedAtMs) }),
    ...(transcript && { output: await writeOutput(job, transcript, services) }),
    ...(job.error && { error: job.error.message }),
  };
}

export function writeHealth(counts: Record<JobStatus, number>, isReady: boolean): Health {
  const isRunning = counts.running > 0;
  return {
    jobs: {
      completed: counts.done,
      failed: counts.failed,
      inProgress: counts.running,
      inQueue: counts.queued,
      retried: 0,
    },
    workers: {
      idle: Number(isReady && !isRunning),
      initializing: Number(!isReady),
      ready: Number(isReady),
      running: Number(isRunning),
      throttled: 0,
    },
  };
}

async function writeOutput(job: Job, transcript: Transcript, services: Services): Promise<JobOutput> {
  const { format, debug, warnings } = jobDetails.parse(job.details);
  const transcription = TEXTS[format](transcript);
  return {
    segments: transcript.segments.map(({ startMs, endMs, text }) => ({
      start: startMs / 1000,
      end: endMs / 1000,
      text: text.trim(),
    })),
    detected_language: transcript.language,
    ...(transcription !== null && { transcription }),
    warnings: [...warnings, ...omissions(transcript).slice(0, OMISSIONS_SHOWN_MAX)],
    logs: writeLogs(job, transcript),
    ...(debug && { debug_info: await writeDebugInfo(job, transcript, format, services) }),
  };
}

const TEXTS: Record<OutputFormat, (transcript: Transcript) => string | null> = {
  json: () => null,
  txt: transcriptText,
  text: transcriptText,
  srt: toSrt,
  vtt: toVtt,
};

function writeLogs({ createdAtMs, startedAtMs, endedAtMs }: Job, { model, durationMs }: Transcript): string {
  const line = (atMs: number | null, text: string) =>
    atMs === null ? [] : [`${new Date(atMs).toISOString()} ${text}`];
  const seconds = (durationMs / 1000).toFixed(1);
  return [
    ...line(createdAtMs, 'accepted'),
    ...line(startedAtMs, 'begun'),
    ...line(endedAtMs, `${seconds} s of audio transcribed by ${model}`),
  ].join('\n');
}

async function writeDebugInfo(
  { transcription }: Job,
  { model }: Transcript,
  format: OutputFormat,
  { lifecycle }: Services,
): Promise<DebugInfo> {
  const { options } = transcription;
  // The file may be gone by now.
  const status = await lifecycle.status(model).catch(() => null);
  return {
    audio: {
      is_compatible: true,
      expected: { sample_rate: 16_000, channels: 1 },
      actual: null,
      used_fallback: null,
      source: 'url',
      reason: 'Whatever ffmpeg reads is converted where need be; what it was before is not kept.',
    },
    runtime: { engine: 'whisper.cpp', gpu: status?.gpu?.name ?? null },
    model: { asked: transcription.model, path: model, compute_type: null },
    decode: {
      language: options.language,
      batch_size: 1,
      beam_size: options.beamSize ?? USUAL_DECODING.beamSize,
      temperature: options.temperature,
      temperature_increment_on_fallback: options.temperatureStep ?? USUAL_DECODING.temperatureStep,
      length_penalty: null,
      no_speech_threshold: options.noSpeechThreshold ?? USUAL_DECODING.noSpeechThreshold,
      log_prob_threshold: options.logprobThreshold ?? USUAL_DECODING.logprobThreshold,
      compression_ratio_threshold: null,
    },
    output: {
      output_format: format,
      align_output: true,
      diarization: false,
      min_speakers: null,
      max_speakers: null,
    },
  };
}

/** Wall times: a clock that was set back makes no time negative. */
function span(fromMs: number, toMs: number): number {
  return Math.max(0, Math.round(toMs - fromMs));
}
