// A house for jobs without engines and without a network, which tests move by hand: a transcriber of chunks, an outbox that
// keeps what it was given, a clock that stands still.
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';
import { FakeClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { inFile } from '../lib/stored.ts';
import type { ChunkMemory } from '../transcribe/chunk-memory.ts';
import type { Run } from '../transcribe/recorded.ts';
import type { ChunkFinal, Progress, TranscriptEvent } from '../transcript/event.ts';
import type { Recording } from '../transcript/recording.ts';
import type { TranscriptionRequest } from '../transcript/request.ts';
import type { Transcript } from '../transcript/transcript.ts';
import type { KeptMessage } from '../webhooks/message-table.ts';
import type { Enqueued, Outbox, Outcome } from '../webhooks/outbox.ts';
import type { Job, JobRenderer, NewJob } from './job.ts';
import { createJobs, type DurableJobs, type JobsParts } from './jobs.ts';
import { jobsSettings } from './settings.ts';

export const START_MS = Date.parse('2026-01-02T03:04:05.678Z');
export const DIALECT = 'vendor';

export const sha256Of = (audio: string) => createHash('sha256').update(audio).digest('hex');

export function transcriptOf(text: string, durationMs = 1000): Transcript {
  const segment = {
    ...{ startMs: 0, endMs: durationMs, text: ` ${text}`, tokenIds: [], pieces: [], words: [] },
    ...{ temperature: 0, avgLogprob: 0, noSpeechProbability: 0 },
  };
  return { task: 'transcribe', model: 'tiny', language: 'en', durationMs, segments: [segment], diagnostics: [] };
}

/** What a test makes of one run. `chunk` asks the memory first, as the real one does, and counts what is run. */
export interface FakeRun {
  audio: string;
  request: TranscriptionRequest;
  signal: AbortSignal;
  chunk(key: string): boolean;
  progress(fraction: number, chunk: number, chunksTotal: number): void;
}

/** Runs `story` for each run; its answer is the transcript's text. */
export class FakeTranscriber {
  readonly runs: FakeRun[] = [];
  /** The keys of those that were not known. */
  readonly chunksRun: string[] = [];
  readonly fetched: string[] = [];
  recordingsHeld = 0;
  channels = 2;
  fetch: (url: string, signal: AbortSignal) => Promise<Recording> = () => Promise.reject(new Error('no URL expected'));
  story: (run: FakeRun) => Promise<string> = async ({ audio }) => audio;

  async transcribe(
    recording: Recording,
    request: TranscriptionRequest,
    signal: AbortSignal,
    memory?: ChunkMemory,
  ): Promise<Run> {
    this.recordingsHeld += 1;
    const events = this.#run(recording, request, signal, memory);
    return { cache: 'miss', events };
  }

  async transcribeChannels(
    recording: Recording,
    request: TranscriptionRequest,
    signal: AbortSignal,
    memory?: ChunkMemory,
  ): Promise<Run[]> {
    let held = this.channels;
    const release = async () => {
      held -= 1;
      if (held === 0) await recording.release();
    };
    const channels = Array.from({ length: this.channels }, (_, channel) => channel);
    return Promise.all(
      channels.map((channel) => this.transcribe({ ...recording, release }, { ...request, channel }, signal, memory)),
    );
  }

  async *#run(
    recording: Recording,
    request: TranscriptionRequest,
    signal: AbortSignal,
    memory: ChunkMemory | undefined,
  ): AsyncGenerator<TranscriptEvent> {
    try {
      signal.throwIfAborted();
      const audio = readFileSync(await recording.stored.path(), 'utf8');
      const chunk = (key: string) => {
        if (memory?.recall(key)) return false;
        this.chunksRun.push(key);
        const final: ChunkFinal = { type: 'chunk-final', language: 'en', segments: [] };
        memory?.keep(key, final);
        return true;
      };
      const pending: Progress[] = [];
      let changed = Promise.withResolvers<void>();
      const progress = (fraction: number, chunk: number, chunksTotal: number) => {
        pending.push({ type: 'progress', fraction, chunk, chunksTotal });
        changed.resolve();
      };
      const run: FakeRun = { audio, request, signal, chunk, progress };
      this.runs.push(run);
      let text: string | undefined;
      const story = this.story(run).then((ended) => (text = ended));
      while (text === undefined || pending.length > 0) {
        const event = pending.shift();
        if (event) yield event;
        else await Promise.race([story, changed.promise]);
        changed = Promise.withResolvers();
      }
      yield { type: 'transcript-final', transcript: transcriptOf(text) };
    } finally {
      this.recordingsHeld -= 1;
      await recording.release();
    }
  }
}

/** Until its run is given up. */
export const hang = ({ signal }: Pick<FakeRun, 'signal'>): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });

export class FakeOutbox implements Pick<Outbox, 'check' | 'enqueue' | 'find' | 'observe'> {
  readonly sent: { id: string; url: string; method: string; body: string; quickRetriesMs: readonly number[] }[] = [];
  readonly kept = new Map<string, KeptMessage>();
  failure: (body: string) => Error | undefined = () => undefined;
  tell: (outcome: Outcome) => void = () => {};

  check(url: string): void {
    if (url.includes('10.0.0.1')) throw new GatewayError('url-forbidden', 'No.');
  }

  enqueue({ id, url, method, body, quickRetriesMs = [] }: Enqueued): void {
    const text = Buffer.from(body).toString();
    const failure = this.failure(text);
    if (failure) throw failure;
    if (this.kept.has(id)) return;
    this.kept.set(id, { failedAtMs: null, lastError: null });
    this.sent.push({ id, url, method, body: text, quickRetriesMs });
  }

  find(id: string) {
    return this.kept.get(id);
  }

  observe(observer: (outcome: Outcome) => void): void {
    this.tell = observer;
  }
}

/** Says whose job it was and what came of it. */
export const RENDERER: JobRenderer = {
  document: ({ id, status, error }, transcripts) =>
    JSON.stringify({
      ...{ id, status, error: error?.code ?? null },
      texts: transcripts.map(({ segments }) => segments.map(({ text }) => text.trim()).join(' ')),
    }),
  quickRetriesMs: [1000, 2000],
};

export class JobsHouse {
  readonly directory = mkdtempSync(join(tmpdir(), 'jobs-test-'));
  /** What the jobs keep. */
  readonly jobsDirectory: string;
  readonly clock = new FakeClock();
  transcriber = new FakeTranscriber();
  outbox = new FakeOutbox();
  renderer: JobRenderer = RENDERER;
  ranks: Record<string, number> = { tiny: 0, large: 4 };
  released = 0;
  #uploads = 0;
  #offsetMs = 0;
  readonly #open: DurableJobs[] = [];

  constructor(jobsDirectory?: string) {
    this.jobsDirectory = jobsDirectory ?? join(this.directory, 'jobs');
  }

  /** As an app does at its start. */
  open(settings: Record<string, string> = {}, parts: Partial<JobsParts> = {}): DurableJobs {
    const jobs = this.openIdle(settings, parts);
    jobs.resume();
    jobs.start();
    return jobs;
  }

  openIdle(settings: Record<string, string> = {}, parts: Partial<JobsParts> = {}): DurableJobs {
    const jobs = createJobs({
      ...{ settings: jobsSettings.parse(settings), directory: this.jobsDirectory },
      ...{ transcriber: this.transcriber, outbox: this.outbox, log: silentLog, clock: this.clock },
      ...{ agingMs: 30_000, rankOf: async (model: string) => this.ranks[model] ?? 0 },
      epochMs: () => START_MS + this.#offsetMs + this.clock.nowMs(),
      ...parts,
    });
    jobs.serve(DIALECT, this.renderer);
    this.#open.push(jobs);
    return jobs;
  }

  /** In one turn, so that wall time goes on while nothing runs. */
  passWhileDown(ms: number): void {
    this.#offsetMs += ms;
  }

  recording(audio: string): Recording {
    const path = join(this.directory, `upload-${this.#uploads++}`);
    writeFileSync(path, audio);
    const release = async () => {
      this.released += 1;
      rmSync(path, { force: true });
    };
    return { stored: inFile(path), sha256: sha256Of(audio), bytes: audio.length, release };
  }

  job(
    id: string,
    change: Partial<Omit<NewJob, 'source'>> & { audio?: string; url?: string; model?: string } = {},
  ): NewJob {
    const { audio = `sound of ${id}`, url, model = 'tiny', ...rest } = change;
    return {
      id,
      dialect: DIALECT,
      source: url === undefined ? this.recording(audio) : { url },
      filename: 'a.wav',
      transcription: {
        ...{ model, cache: 'use', channel: null, raw: null },
        options: { task: 'transcribe', language: null, prompt: null, temperature: 0 },
      },
      eachChannel: false,
      webhook: { url: 'http://me:secret@receiver/hook?key=k', method: 'POST' },
      details: { answer: 42 },
      idempotencyKey: null,
      ...rest,
    };
  }

  /** Names of the files of kept recordings. */
  audio(): string[] {
    return readdirSync(join(this.jobsDirectory, 'audio'));
  }

  async close(): Promise<void> {
    for (const jobs of this.#open) {
      await jobs.stop();
      jobs.close();
    }
    rmSync(this.directory, { recursive: true });
  }
}

export const statusOf = (jobs: DurableJobs, id: string): Job['status'] | undefined => jobs.find(DIALECT, id)?.status;
