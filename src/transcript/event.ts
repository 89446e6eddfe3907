// What a running transcription reports, in order: any number of progress and segment-draft, then exactly one final.
import type { Segment, Transcript } from './transcript.ts';

/** Share of the audio decoded so far, 0–1. */
export interface Progress {
  type: 'progress';
  fraction: number;
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
export type ChunkEvent = Progress | SegmentDraft | ChunkFinal;

/** From `transcribe`, about one recording. */
export type TranscriptEvent = Progress | SegmentDraft | TranscriptFinal;
