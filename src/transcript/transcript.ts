// The canonical result. It is what the cache holds, and every dialect's body is written from it.
import type { Task } from './request.ts';

/** A whole word without surrounding spaces, punctuation attached (`"country,"`). */
export interface Word {
  text: string;
  startMs: number;
  endMs: number;
  /** Mean probability of its pieces, 0–1. */
  probability: number;
}

/** One decoder token (or the several that make up one character), as the engine gave it: its leading space is kept. */
export interface Piece {
  text: string;
  probability: number;
}

export interface Segment {
  startMs: number;
  endMs: number;
  /** As the engine wrote it, leading space kept. The texts of all segments joined are the whole text. */
  text: string;
  tokenIds: number[];
  pieces: Piece[];
  words: Word[];
  temperature: number;
  avgLogprob: number;
  /** Probability that there is no speech here. */
  noSpeechProbability: number;
}

export interface Transcript {
  task: Task;
  /** The model that produced it, by our name. */
  model: string;
  /** Whisper code of the language spoken. */
  language: string;
  durationMs: number;
  segments: Segment[];
}

/** The whole text, trimmed. */
export function transcriptText(transcript: Transcript): string {
  return transcript.segments
    .map((segment) => segment.text)
    .join('')
    .trim();
}
