// The story of one recorded request, top to bottom.
import type { Readable } from 'node:stream';
import type { TranscriptEvent } from '../transcript/event.ts';
import type { Recording } from '../transcript/recording.ts';
import type { TranscriptionRequest } from '../transcript/request.ts';

/** One model a caller may name. */
export interface ModelListing {
  id: string;
  /** False for a known model whose weights are not on disk. */
  installed: boolean;
  createdAtMs: number;
  /** The installed model an alias stands for; the id itself otherwise. */
  servedBy: string;
}

/** A running (or already answered) transcription. Leaving the iteration early releases this caller's share of it. */
export interface Run {
  cache: 'hit' | 'miss' | 'shared';
  /** Any number of progress and segment-draft, then one transcript-final. Throws GatewayError. */
  events: AsyncIterable<TranscriptEvent>;
}

/** What dialects may do with audio. */
export interface Transcriber {
  /** Streams an upload to the spool while hashing it. */
  receive(upload: Readable, signal: AbortSignal): Promise<Recording>;
  /** Takes the recording over: it is released whatever happens. Throws GatewayError before any work starts when it can. */
  transcribe(recording: Recording, request: TranscriptionRequest, signal: AbortSignal): Promise<Run>;
  /** Throws `model-unknown`, `model-not-ready` or `option-unsupported` for a name that cannot serve now; cheap, so dialects call it before they read an upload's last byte. */
  models: { list(): ModelListing[]; find(id: string): ModelListing | undefined };
}
