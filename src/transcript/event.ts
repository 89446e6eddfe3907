// What a running transcription reports, in order: any number of progress and segment-draft, then exactly one final.
import type { Segment, Transcript } from './transcript.ts';

/** Share of a chunk decoded so far, 0–1. */
export interface ChunkProgress {
  type: 'progress';
  fraction: number;
}

/** What the engine takes a chunk for, told before it writes any of it. */
export interface LanguageDetected {
  type: 'language-detected';
  /** Whisper code. */
  language: string;
  probability: number;
}

/** How far a recording has come. Never ahead of the text: the drafts of what it counts as finished come before it. */
export interface Progress {
  type: 'progress';
  /** Of the recording's length, 0–1. */
  fraction: number;
  /** Chunks finished, from the first without a gap. */
  chunk: number;
  /** An estimate until the last chunk has been cut; never less than `chunk`. */
  chunksTotal: number;
}

/** A segment's text the moment the engine has decoded it; words and probabilities follow with the final. */
export interface SegmentDraft {
  type: 'segment-draft';
  startMs: number;
  endMs: number;
  text: string;
}

/** The end of one chunk: its segments, timed from the chunk's own beginning plus `startMs`. */
export interface ChunkFinal {
  type: 'chunk-final';
  language: string;
  segments: Segment[];
}

/** The end of a recording. */
export interface TranscriptFinal {
  type: 'transcript-final';
  transcript: Transcript;
}

/** From one backend, about one chunk. */
export type ChunkEvent = ChunkProgress | LanguageDetected | SegmentDraft | ChunkFinal;

/** From `transcribe`, about one recording. */
export type TranscriptEvent = Progress | SegmentDraft | TranscriptFinal;
