// Transcribes the chunks of one recording: on as many devices as there are, in any order, and tells of them in the order of
// the recording. Owns what is decided for the recording as a whole: its language, which chunk is tried again, what is left out.
import { randomUUID } from 'node:crypto';
import { GatewayError } from '../errors.ts';
import type { Model } from '../models/model.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import type { ChunkFinal, Progress, SegmentDraft } from '../transcript/event.ts';
import type { SplitAudio, VoicedChunk } from '../transcript/recording.ts';
import type { DecodingOptions } from '../transcript/request.ts';
import { Stitcher } from '../transcript/stitch.ts';
import type { Diagnostic, Segment } from '../transcript/transcript.ts';
import { judgeChunk, retryOptions, settleRetry } from '../transcript/trust.ts';
import { vote } from '../transcript/vote.ts';
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
  /** It was told the recording's language, so it is not run again for having heard another. */
  isPinned: boolean;
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
  let durationMs: number | undefined;
  audio.durationMs.then(
    (known) => (durationMs = known),
    () => {}, // the chunks fail with it
  );
  try {
    let next: Promise<IteratorResult<VoicedChunk, unknown>> | undefined = ask(source);
    while (next || recording.isRunning) {
      const mayStart = recording.runningCount < parts.scheduler.slotCount + LOOK_AHEAD;
      // Whatever was decided by the time that a chunk was begun before has to be decided again by the time it is begun now.
      const step = await (recording.remembered ??
        Promise.race([...(next && mayStart ? [next.then((result) => ({ result }))] : []), ...recording.running]));
      if ('result' in step) {
        if (step.result.done) next = undefined;
        else {
          recording.start(step.result.value);
          next = ask(source);
        }
      } else {
        recording.finish(step);
        if (durationMs)
          yield {
            type: 'progress',
            fraction: Math.min(1, recording.finishedMs / durationMs),
            chunk: 0,
            chunksTotal: 0,
          };
      }
      for (const { startMs, endMs, text } of recording.release(next === undefined)) {
        yield { type: 'segment-draft', startMs, endMs, text };
      }
    }
    return recording.result();
  } finally {
    recording.abort();
    // Not waited for: it ends when the chunk it is looking for is found, or the decoding is ended, which is up to the caller.
    source.return?.().catch(() => {});
  }
}

/** The next chunk. While every place is taken nobody waits for it, nor for its failure. */
function ask(source: AsyncIterator<VoicedChunk, unknown>): Promise<IteratorResult<VoicedChunk, unknown>> {
  const next = source.next();
  next.catch(() => {});
  return next;
}

class ChunkedRecording {
  readonly #parts: ChunksParts;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #id = randomUUID();
  readonly #stitcher = new Stitcher();
  readonly #running = new Map<number, Promise<Done>>();
  /** Finished and not stitched: the language is not decided yet. */
  readonly #held = new Map<number, Done>();
  /** Everything that finished, for the vote; nobody votes once the language is known. */
  readonly #finals = new Map<number, ChunkFinal>();
  readonly #segments: Segment[] = [];
  readonly #diagnostics: Diagnostic[] = [];
  #language: string | null;
  #count = 0;
  #isEnded = false;
  /** The latest chunk, while it is being put together from what is known of it. */
  remembered: Promise<Done> | undefined;
  finishedMs = 0;

  constructor(parts: ChunksParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#language = parts.options.language;
    this.#signal = AbortSignal.any([signal, this.#abort.signal]);
  }

  get isRunning(): boolean {
    return this.#running.size > 0;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  get running(): Iterable<Promise<Done>> {
    return this.#running.values();
  }

  start(chunk: VoicedChunk): void {
    this.#count += 1;
    const isKnown = this.#parts.known?.recall(chunk, this.#options) !== undefined;
    const run = this.#run(this.#stitcher.expect(chunk), chunk);
    if (isKnown) this.remembered = run;
  }

  finish(done: Done): void {
    this.remembered = undefined;
    this.#running.delete(done.index);
    this.#held.set(done.index, done);
    this.#finals.set(done.index, done.final);
    this.finishedMs = Math.max(this.finishedMs, done.chunk.startMs + done.chunk.durationMs);
  }

  /** The segments that are settled by now and were not before. */
  release(noneFollows: boolean): Segment[] {
    const isOver = noneFollows && !this.isRunning;
    this.#language ??= this.#decideLanguage(isOver);
    if (this.#language === null) return [];
    const settled: Segment[] = [];
    for (const done of [...this.#held.values()]) {
      this.#held.delete(done.index);
      // Whoever took the recording for another language wrote nonsense.
      if (!done.isPinned && done.final.language !== this.#language && done.final.segments.length > 0) {
        this.#run(done.index, done.chunk);
        continue;
      }
      this.#diagnostics.push(...done.diagnostics);
      settled.push(...this.#stitcher.add(done.index, done.final));
    }
    if (noneFollows && !this.isRunning && !this.#isEnded) {
      this.#isEnded = true;
      settled.push(...this.#stitcher.end());
    }
    this.#segments.push(...settled);
    return settled;
  }

  result(): ChunkedResult {
    const diagnostics = this.#diagnostics.sort((a, b) => a.startMs - b.startMs);
    return { language: this.#language ?? 'en', segments: this.#segments, diagnostics };
  }

  abort(): void {
    this.#abort.abort();
  }

  /** As the next chunk is decoded. */
  get #options(): DecodingOptions {
    return { ...this.#parts.options, language: this.#language };
  }

  #run(index: number, chunk: VoicedChunk): Promise<Done> {
    const run = this.#transcribe(index, chunk);
    run.catch(() => {}); // when one fails the others are aborted, and nobody waits for them any more
    this.#running.set(index, run);
    return run;
  }

  async #transcribe(index: number, chunk: VoicedChunk): Promise<Done> {
    const options = this.#options;
    const first = await this.#decode(index, chunk, options);
    const done = { index, chunk, isPinned: options.language !== null };
    // Without times there is nothing to compare the words with.
    if (!this.#parts.model.timestamps || judgeChunk(first, chunk).verdict === 'keep')
      return { ...done, final: first, diagnostics: [] };
    const second = await this.#decode(index, chunk, retryOptions(options)).catch((error: unknown) => {
      if (this.#signal.aborted || isDiskFull(error)) throw error;
      return first; // what the first try wrote and can be believed is better than nothing
    });
    return { ...done, ...settleRetry(first, second, chunk) };
  }

  /** What the engine writes, or wrote before. */
  async #decode(index: number, chunk: VoicedChunk, options: DecodingOptions): Promise<ChunkFinal> {
    const { scheduler, model, caller, known } = this.#parts;
    const before = known?.recall(chunk, options);
    if (before) return before;
    // The first chunk may be the only one; counted as such, it starts the long ones as promptly as the short.
    const need = { model, ...(caller !== undefined && { caller }), ...(index > 0 && { recording: this.#id }) };
    const final = await runChunk(scheduler, chunk, { ...need, options }, this.#signal);
    known?.keep(chunk, options, final);
    return final;
  }

  /** Null while more has to be heard. One chunk alone needs no vote. */
  #decideLanguage(isOver: boolean): string | null {
    const prefix: ChunkFinal[] = [];
    for (let index = 0; index < this.#count; index += 1) {
      const final = this.#finals.get(index);
      if (!final) break;
      prefix.push(final);
    }
    const { language, isDecided } = vote(prefix);
    return isDecided || isOver ? (language ?? 'en') : null;
  }
}

/** What was decoded cannot be kept, and neither could what is decoded next. */
function isDiskFull(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'disk-full';
}
