// The story of one recorded request, top to bottom: model, cache, shared run, decoding, lease, inference, transcript.
// Owns the order of those steps and who releases the recording. Knows no vendor, no wire format and no process.
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Cache } from '../cache/cache.ts';
import type { InFlight } from '../cache/in-flight.ts';
import { cacheKey } from '../cache/key.ts';
import { GatewayError } from '../errors.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { Gate } from '../lib/gate.ts';
import type { ModelListing } from '../models/listing.ts';
import type { Model } from '../models/model.ts';
import type { ModelStore } from '../models/store.ts';
import type { TranscriptEvent } from '../transcript/event.ts';
import type { Recording } from '../transcript/recording.ts';
import type { DecodingOptions, TranscriptionRequest } from '../transcript/request.ts';
import type { Transcript } from '../transcript/transcript.ts';
import type { ChunkMemory } from './chunk-memory.ts';
import { type ChunksParts, transcribeChunks } from './chunks.ts';
import { type KnownChunks, knownChunks } from './known-chunks.ts';

export type { ModelListing };

/** A running (or already answered) transcription. Leaving the iteration early gives up this caller's share of it. */
export interface Run {
  cache: 'hit' | 'miss' | 'shared';
  /** Any number of progress and segment-draft, then one transcript-final. Throws GatewayError. */
  events: AsyncIterable<TranscriptEvent>;
}

/** What dialects may do with audio. */
export interface Transcriber {
  /** Streams an upload to the spool while hashing it. It has no more than `bytesMax` bytes, where anybody knows. */
  receive(upload: Readable, signal: AbortSignal, bytesMax?: number): Promise<Recording>;
  /** The same of what a URL holds. Throws `url-invalid`, `url-forbidden` or `url-unreachable`. */
  fetch(url: string, signal: AbortSignal): Promise<Recording>;
  /**
   * Takes the recording over: it is released whatever happens. With a `memory`, chunks that it knows are not run again and
   * those that finish are kept in it.
   */
  transcribe(
    recording: Recording,
    request: TranscriptionRequest,
    signal: AbortSignal,
    memory?: ChunkMemory,
  ): Promise<Run>;
  /** One run for each channel, cached by itself. Takes the recording over likewise. Whoever leaves one run must abort all. */
  transcribeChannels(
    recording: Recording,
    request: TranscriptionRequest,
    signal: AbortSignal,
    memory?: ChunkMemory,
  ): Promise<Run[]>;
  models: { list(): Promise<ModelListing[]>; find(id: string): Promise<ModelListing | undefined> };
}

export interface TranscriberParts {
  /** Every recording is inside from its last byte until it is released. */
  gate: Gate;
  ingest: Pick<Ingest, 'receive' | 'fetch' | 'split' | 'countChannels'>;
  models: Pick<ModelStore, 'resolve' | 'list' | 'find'>;
  cache: Pick<Cache, 'recall' | 'remember'>;
  inFlight: InFlight<TranscriptEvent>;
  scheduler: ChunksParts['scheduler'];
  /** Which program computes transcripts: another one's are not found in the cache. */
  engine: string;
}

export function createTranscriber(parts: TranscriberParts): Transcriber {
  const transcriber: Transcriber = {
    receive: (upload, signal, bytesMax) => admit(parts.gate, () => parts.ingest.receive(upload, signal, bytesMax)),
    fetch: (url, signal) => admit(parts.gate, () => parts.ingest.fetch(url, signal)),
    models: parts.models,

    async transcribe(recording, request, signal, memory) {
      let handedOver = false;
      try {
        const model = await parts.models.resolve(request.model, request.options.task);
        const options = fitOptions(request.options, model);
        const { engine } = parts;
        const sound = { audioSha256: recording.sha256, selection: request, modelDigest: model.digest, engine };
        const key = cacheKey({ ...sound, options });

        if (request.cache === 'use') {
          const transcript = await parts.cache.recall(key);
          if (transcript) return { cache: 'hit', events: only({ type: 'transcript-final', transcript }) };
        }
        // A caller who asked for a fresh result must not be given a run that began before the question, nor one with a
        // memory another's run, which would leave it empty; others may be given that one's.
        const isOwn = request.cache !== 'use' || memory !== undefined;
        const known = memory && knownChunks(memory, sound, signal);
        const joined = parts.inFlight.join(
          isOwn ? `${key} ${randomUUID()}` : key,
          (runSignal) =>
            transcribeOnce(parts, recording, { model, request: { ...request, options }, key, known }, runSignal),
          signal,
          request.cache === 'use' ? key : undefined,
        );
        // The run outlives its first caller when others wait for it, so from here on the run releases the recording.
        handedOver = !joined.shared;
        return { cache: joined.shared ? 'shared' : 'miss', events: joined.events };
      } finally {
        if (!handedOver) await recording.release();
      }
    },

    async transcribeChannels(recording, request, signal, memory) {
      const count = await parts.ingest.countChannels(recording, request, signal).catch(async (error: unknown) => {
        await recording.release();
        throw error;
      });
      // What has one channel is the same sound mixed down, and shares its transcript.
      if (count === 1) return [await transcriber.transcribe(recording, request, signal, memory)];
      const failure = new AbortController();
      const either = AbortSignal.any([signal, failure.signal]);
      const started = shareRecording(recording, count).map((share, channel) =>
        transcriber.transcribe(share, { ...request, channel }, either, memory),
      );
      return Promise.all(started).catch(async (error: unknown) => {
        failure.abort(error); // nobody will read the runs that did start
        await Promise.allSettled(started);
        throw error;
      });
    },
  };
  return transcriber;
}

/** An upload that has not arrived when the gate closes is not waited for: its sender may take for ever. */
async function admit(gate: Gate, take: () => Promise<Recording>): Promise<Recording> {
  gate.enter()();
  const recording = await take();
  try {
    const leave = gate.enter();
    return { ...recording, release: () => recording.release().finally(leave) };
  } catch (error) {
    await recording.release();
    throw error;
  }
}

/** Several holders of one recording: the last that releases it releases it. */
function shareRecording(recording: Recording, count: number): Recording[] {
  let held = count;
  return Array.from({ length: count }, () => {
    let isHeld = true;
    const release = async () => {
      if (!isHeld) return;
      isHeld = false;
      held -= 1;
      if (held === 0) await recording.release();
    };
    return { ...recording, release };
  });
}

interface Work {
  model: Model;
  request: TranscriptionRequest;
  /** Under which the transcript is kept. */
  key: string;
  known: KnownChunks | undefined;
}

async function* transcribeOnce(
  parts: TranscriberParts,
  recording: Recording,
  { model, request, key, known }: Work,
  signal: AbortSignal,
): AsyncGenerator<TranscriptEvent> {
  try {
    const audio = await parts.ingest.split(recording, request, signal);
    try {
      const { options } = request;
      const result = yield* transcribeChunks(
        audio,
        { scheduler: parts.scheduler, model, options, caller: request.caller, known },
        signal,
      );
      const transcript: Transcript = {
        task: options.task,
        model: model.name,
        durationMs: await audio.durationMs,
        ...result,
      };
      if (request.cache !== 'bypass') await parts.cache.remember(key, transcript);
      yield { type: 'transcript-final', transcript };
    } finally {
      await audio.release();
    }
  } finally {
    await recording.release();
  }
}

/** What this model makes of the options: an English-only model is told so, and another language is refused, not ignored. */
function fitOptions(options: DecodingOptions, model: Model): DecodingOptions {
  if (model.multilingual) return options;
  if (options.language !== null && options.language !== 'en') {
    throw new GatewayError('option-unsupported', `The model '${model.name}' understands English only.`, {
      field: 'language',
    });
  }
  const { languagePerChunk: _, ...rest } = options;
  return { ...rest, language: 'en' };
}

/** For callers who want no drafts: reads the run to its end. */
export async function finalTranscript(run: Run): Promise<Transcript> {
  for await (const event of run.events) if (event.type === 'transcript-final') return event.transcript;
  throw new GatewayError('engine-failed', 'The transcription ended without a result.');
}

async function* only(event: TranscriptEvent): AsyncGenerator<TranscriptEvent> {
  yield event;
}
