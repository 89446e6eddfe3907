// Transcribes the chunks of one recording: on as many devices as there are, in any order, and tells of them in the order of
// the recording. Owns what is decided for the recording as a whole: its language, which chunk is tried again, what is left out.
import { randomUUID } from 'node:crypto';
import { GatewayError } from '../errors.ts';
import type { Model } from '../models/model.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import type { ChunkFinal, LanguageDetected, Progress, SegmentDraft } from '../transcript/event.ts';
import type { SplitAudio, VoicedChunk } from '../transcript/recording.ts';
import type { DecodingOptions } from '../transcript/request.ts';
import { Stitcher } from '../transcript/stitch.ts';
import type { Diagnostic, Segment } from '../transcript/transcript.ts';
import { judgeChunk, retryOptions, settleRetry } from '../transcript/trust.ts';
import { type Detected, mostSpoken, type Vote, vote } from '../transcript/vote.ts';
import type { KnownChunks } from './known-chunks.ts';
import { runChunk } from './run-chunk.ts';

/** Chunks that wait for a device beyond those that could run now, so that none idles while the next is being asked for. */
const LOOK_AHEAD = 1;

export interface ChunkedResult {
  language: string;
  segments: Segment[];
  diagnostics: Diagnostic[];
}

/** A chunk and what came of it. */
interface Done {
  index: number;
  chunk: VoicedChunk;
  final: ChunkFinal;
  diagnostics: Diagnostic[];
  /** What it was told, or what it heard. */
  language: string;
}

export interface ChunksParts {
  scheduler: Pick<Scheduler, 'lease' | 'slotCount'>;
  model: Model;
  options: DecodingOptions;
  caller: string | undefined;
  /** What an earlier run of the recording has left. */
  known?: KnownChunks | undefined;
}

export async function* transcribeChunks(
  audio: Pick<SplitAudio, 'chunks' | 'durationMs'>,
  parts: ChunksParts,
  signal: AbortSignal,
): AsyncGenerator<Progress | SegmentDraft, ChunkedResult> {
  const recording = new ChunkedRecording(parts, signal);
  const source = audio.chunks[Symbol.asyncIterator]();
  audio.durationMs.then(
    (durationMs) => (recording.durationMs = durationMs),
    () => {}, // the chunks fail with it
  );
  try {
    let next: Promise<Found> | undefined = ask(source);
    while (next || recording.isRunning) {
      const step: Found | Done | undefined = await Promise.race([
        ...(next ? [next] : []),
        ...recording.running,
        recording.detection,
      ]);
      if (step && 'chunk' in step) recording.finish(step);
      else if (step?.value) {
        recording.add(step.value);
        next = ask(source);
      } else if (step) {
        recording.isComplete = true;
        next = undefined;
      }
      for (const { startMs, endMs, text } of recording.release()) {
        yield { type: 'segment-draft', startMs, endMs, text };
      }
      const progress = recording.progress();
      if (progress) yield progress;
    }
    return recording.result();
  } finally {
    recording.abort();
    // Not waited for: it ends when the chunk it is looking for is found, or the decoding is ended, which is up to the caller.
    source.return?.().catch(() => {});
  }
}

type Found = { value: VoicedChunk | undefined };

/** The next chunk, or that there is none. */
function ask(source: AsyncIterator<VoicedChunk, unknown>): Promise<Found> {
  const next = source.next().then((result) => ({ value: result.done ? undefined : result.value }));
  next.catch(() => {}); // whoever reads the events may take a while to ask for the next
  return next;
}

class ChunkedRecording {
  readonly #parts: ChunksParts;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #id = randomUUID();
  readonly #stitcher = new Stitcher();
  readonly #chunks: VoicedChunk[] = [];
  #startedCount = 0;
  readonly #running = new Map<number, Promise<Done>>();
  /** The latest to start, while it is put together from what is known of it. */
  #remembered: number | undefined;
  /** Finished and not stitched: the language is not decided yet. */
  readonly #held = new Map<number, Done>();
  /** Everything that finished before the language was decided, or what is known of it by then, for the vote. */
  readonly #heard = new Map<number, ChunkFinal | Detected>();
  #detected = Promise.withResolvers<undefined>();
  readonly #segments: Segment[] = [];
  readonly #diagnostics: Diagnostic[] = [];
  #language: string | null;
  #isOver = false;
  #told: Progress | undefined;
  /** Undefined until it is decoded. */
  durationMs: number | undefined;
  /** No chunk follows. */
  isComplete = false;

  constructor(parts: ChunksParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#language = parts.options.language;
    this.#signal = AbortSignal.any([signal, this.#abort.signal]);
  }

  /** Resolves when an engine has said which language it is about to write. */
  get detection(): Promise<undefined> {
    return this.#detected.promise;
  }

  get isRunning(): boolean {
    return this.#running.size > 0;
  }

  get running(): Iterable<Promise<Done>> {
    return this.#running.values();
  }

  add(chunk: VoicedChunk): void {
    this.#stitcher.expect(chunk);
    this.#chunks.push(chunk);
  }

  finish(done: Done): void {
    if (this.#remembered === done.index) this.#remembered = undefined;
    this.#running.delete(done.index);
    this.#held.set(done.index, done);
    if (this.#language === null) this.#heard.set(done.index, done.final);
  }

  /** Starts what there is room for. Answers the segments that are settled by now and were not before. */
  release(): Segment[] {
    const settled = this.#settle();
    this.#start();
    if (this.isComplete && !this.isRunning) {
      this.#isOver = true;
      settled.push(...this.#stitcher.end());
    }
    this.#segments.push(...settled);
    return settled;
  }

  /** What is new since it was last asked for. Nothing while nobody knows how much there is. */
  progress(): Progress | undefined {
    const lastMs = endMs(this.#chunks.at(-1));
    if (!this.#isOver && (this.durationMs === undefined || lastMs === 0)) return undefined;
    const chunk = this.#stitcher.releasedChunkCount;
    const count = this.#chunks.length;
    const isEstimated = !this.isComplete && this.durationMs !== undefined;
    const chunksTotal = isEstimated ? Math.max(count, Math.ceil((count * (this.durationMs ?? 0)) / lastMs)) : count;
    const fraction = this.#isOver ? 1 : Math.min(1, endMs(this.#chunks[chunk - 1]) / (this.durationMs ?? 1));
    const { chunk: toldChunk, chunksTotal: toldTotal, fraction: toldFraction } = this.#told ?? {};
    if (chunk === toldChunk && chunksTotal === toldTotal && fraction === toldFraction) return undefined;
    this.#told = { type: 'progress', fraction, chunk, chunksTotal };
    return this.#told;
  }

  result(): ChunkedResult {
    const diagnostics = this.#diagnostics.sort((a, b) => a.startMs - b.startMs);
    const language = this.#isPerChunk ? mostSpoken(this.#segments) : this.#language;
    return { language: language ?? 'en', segments: this.#segments, diagnostics };
  }

  /** What still runs, if anything does. */
  abort(): void {
    if (!this.#isOver) this.#abort.abort();
  }

  get #isPerChunk(): boolean {
    return this.#parts.options.languagePerChunk === true;
  }

  #start(): void {
    const runningMax = this.#parts.scheduler.slotCount + LOOK_AHEAD;
    // Whatever was decided by the time that a chunk was begun before has to be decided again by the time it is begun now.
    while (this.#remembered === undefined && this.#running.size < runningMax) {
      const chunk = this.#chunks[this.#startedCount];
      if (!chunk) return;
      const index = this.#startedCount;
      this.#startedCount += 1;
      const options = this.#knownOptions(chunk);
      if (options) this.#remembered = index;
      this.#run(index, chunk, options);
    }
  }

  #settle(): Segment[] {
    if (!this.#isPerChunk && this.#language === null) {
      this.#language = this.#decideLanguage();
      if (this.#language === null) return [];
      this.#heard.clear();
    }
    const settled: Segment[] = [];
    for (const done of [...this.#held.values()]) {
      this.#held.delete(done.index);
      const { language, segments } = done.final;
      // Whoever took the recording for another language wrote nonsense.
      if (!this.#isPerChunk && done.language !== this.#language && segments.length > 0) {
        this.#run(done.index, done.chunk);
        continue;
      }
      this.#diagnostics.push(...done.diagnostics);
      const final = this.#isPerChunk
        ? { ...done.final, segments: segments.map((segment) => ({ ...segment, language })) }
        : done.final;
      settled.push(...this.#stitcher.add(done.index, final));
    }
    return settled;
  }

  /** As the next chunk is decoded. */
  get #options(): DecodingOptions {
    return { ...this.#parts.options, language: this.#language };
  }

  /** How a chunk was decoded before: the vote may have been decided by what was heard of one that did not end. */
  #knownOptions(chunk: VoicedChunk): DecodingOptions | undefined {
    const options = this.#options;
    const ways = [options, ...(this.#language === null ? [{ ...options, language: this.#vote().language }] : [])];
    return ways.find((way) => this.#parts.known?.recall(chunk, way));
  }

  #run(index: number, chunk: VoicedChunk, options = this.#options): void {
    const run = this.#transcribe(index, chunk, options);
    run.catch(() => {}); // when one fails the others are aborted, and nobody waits for them any more
    this.#running.set(index, run);
  }

  async #transcribe(index: number, chunk: VoicedChunk, options: DecodingOptions): Promise<Done> {
    const first = await this.#decode(index, chunk, options);
    const done = { index, chunk, language: options.language ?? first.language };
    // Without times there is nothing to compare the words with.
    if (!this.#parts.model.timestamps || judgeChunk(first, chunk).verdict === 'keep')
      return { ...done, final: first, diagnostics: [] };
    const second = await this.#decode(index, chunk, retryOptions(options)).catch((error: unknown) => {
      if (this.#signal.aborted || isDiskFull(error)) throw error;
      return first; // what the first try wrote and can be believed is better than nothing
    });
    const settled = settleRetry(first, second, chunk);
    return { ...done, language: options.language ?? settled.final.language, ...settled };
  }

  /** What the engine writes, or wrote before. */
  async #decode(index: number, chunk: VoicedChunk, options: DecodingOptions): Promise<ChunkFinal> {
    const { scheduler, model, caller, known } = this.#parts;
    const before = known?.recall(chunk, options);
    if (before) return before;
    // The first chunk may be the only one; counted as such, it starts the long recordings as promptly as the short.
    const need = { model, options, ...(caller !== undefined && { caller }), ...(index > 0 && { recording: this.#id }) };
    const final = await runChunk(scheduler, chunk, need, this.#signal, (detected) =>
      this.#detect(index, chunk, detected),
    );
    known?.keep(chunk, options, final);
    return final;
  }

  #detect(index: number, { voice }: VoicedChunk, detected: LanguageDetected): void {
    if (this.#language !== null || this.#heard.has(index)) return;
    const voiceMs = voice.reduce((sum, span) => sum + span.endMs - span.startMs, 0);
    this.#heard.set(index, { ...detected, voiceMs });
    this.#detected.resolve(undefined);
    this.#detected = Promise.withResolvers();
  }

  /** Null while more has to be heard. One chunk alone needs no vote. */
  #decideLanguage(): string | null {
    const { language, isDecided } = this.#vote();
    const isLast = this.isComplete && !this.isRunning && this.#startedCount === this.#chunks.length;
    return isDecided || isLast ? (language ?? 'en') : null;
  }

  /** By the chunks from the first without a gap, of which the first at least has been written. */
  #vote(): Vote {
    const first = this.#heard.get(0);
    const prefix: (ChunkFinal | Detected)[] = [];
    for (let next = first; next && first?.type === 'chunk-final'; next = this.#heard.get(prefix.length))
      prefix.push(next);
    return vote(prefix);
  }
}

/** 0 of none. */
function endMs(chunk: VoicedChunk | undefined): number {
  return chunk ? chunk.startMs + chunk.durationMs : 0;
}

/** What was decoded cannot be kept, and neither could what is decoded next. */
function isDiskFull(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'disk-full';
}
