// One run of one job: from its source to its transcripts. What is fetched and every finished chunk outlive the run, so the
// next one goes on where this one was broken off. Does not know what becomes of the result, nor what follows a failure.
import { GatewayError } from '../errors.ts';
import type { ChunkMemory } from '../transcribe/chunk-memory.ts';
import type { Run, Transcriber } from '../transcribe/recorded.ts';
import type { Progress } from '../transcript/event.ts';
import type { Transcript } from '../transcript/transcript.ts';
import type { JobProgress } from './job.ts';
import type { Recordings } from './recordings.ts';
import type { JobStore, KeptJob } from './store.ts';

export interface RunParts {
  store: JobStore;
  recordings: Recordings;
  transcriber: Pick<Transcriber, 'fetch' | 'transcribe' | 'transcribeChannels'>;
}

export interface RunListener {
  onProgress(progress: JobProgress): void;
  /** It is on disk. */
  onChunk(): void;
}

/** One transcript, or one for each channel. */
export async function runJob(
  { job, sha256: known }: KeptJob,
  parts: RunParts,
  listener: RunListener,
  signal: AbortSignal,
): Promise<Transcript[]> {
  const { store, recordings, transcriber } = parts;
  const sha256 = known ?? (await fetchSource(job, parts, signal));
  let progress = job.progress;
  const memory: ChunkMemory = {
    recall: (key) => store.recallChunk(sha256, key),
    keep(key, final) {
      store.keepChunk(job.id, sha256, key, final, progress);
      listener.onChunk();
    },
  };
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  try {
    signal.throwIfAborted(); // a job that ended while its source was fetched holds no recording any more
    const recording = recordings.open(sha256);
    const { transcription } = job;
    const runs = job.eachChannel
      ? await transcriber.transcribeChannels(recording, transcription, either, memory)
      : [await transcriber.transcribe(recording, transcription, either, memory)];
    const latest: (Progress | undefined)[] = runs.map(() => undefined);
    const onProgress = (channel: number, event: Progress) => {
      latest[channel] = event;
      const next = sumUp(latest, progress);
      const isNews =
        next.percent > progress.percent || next.chunk > progress.chunk || next.chunksTotal !== progress.chunksTotal;
      progress = next;
      if (isNews) listener.onProgress(next);
    };
    return await Promise.all(runs.map((run, channel) => finish(run, (event) => onProgress(channel, event))));
  } catch (error) {
    failure.abort(error); // one channel that fails leaves the others to nobody
    throw error;
  }
}

async function fetchSource(
  { id, source }: KeptJob['job'],
  { store, recordings, transcriber }: RunParts,
  signal: AbortSignal,
): Promise<string> {
  if (!('url' in source)) throw new GatewayError('internal', 'The recording of the job is gone.');
  const fetched = await transcriber.fetch(source.url, signal);
  try {
    await recordings.keep(fetched);
    try {
      // A row that names a recording has it.
      if (store.noteRecording(id, fetched.sha256, fetched.bytes)) return fetched.sha256;
    } catch (error) {
      recordings.drop(fetched.sha256);
      throw error;
    }
    recordings.drop(fetched.sha256);
    throw new GatewayError('job-ended', 'The job ended while its recording was fetched.');
  } finally {
    await fetched.release();
  }
}

async function finish(run: Run, onProgress: (event: Progress) => void): Promise<Transcript> {
  for await (const event of run.events) {
    if (event.type === 'progress') onProgress(event);
    if (event.type === 'transcript-final') return event.transcript;
  }
  throw new GatewayError('engine-failed', 'The transcription ended without a result.');
}

/** Of all channels. Never less than what was said before: a run that goes on passes through what is known already. */
function sumUp(latest: readonly (Progress | undefined)[], before: JobProgress): JobProgress {
  const sum = (of: (event: Progress) => number) => latest.reduce((total, event) => total + (event ? of(event) : 0), 0);
  const percent = Math.floor((100 * sum(({ fraction }) => fraction)) / latest.length);
  const total = latest.includes(undefined) ? null : sum(({ chunksTotal }) => chunksTotal);
  const chunk = Math.max(
    before.chunk,
    sum((event) => event.chunk),
  );
  return {
    percent: Math.max(before.percent, Math.min(100, percent)),
    chunk,
    chunksTotal: total === null ? before.chunksTotal : Math.max(total, chunk),
  };
}
