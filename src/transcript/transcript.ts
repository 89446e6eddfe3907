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
  /** Whisper code of the language spoken in it, where each chunk was allowed its own. */
  language?: string;
}

/** What trust.ts knows of how an engine fails; it says what each one means. */
export const DIAGNOSTIC_RULES = [
  'repetition-loop',
  'text-in-silence',
  'text-too-dense',
  'text-after-end',
  'text-without-duration',
  'subtitle-credit',
  'nothing-heard',
] as const;

/** Text that the engine wrote and that is not in the transcript, or not in these words: nothing is taken out silently. */
export interface Diagnostic {
  rule: (typeof DIAGNOSTIC_RULES)[number];
  /** `retried`: the stretch was decoded once more and the text is the second one's. `dropped`: the text was left out. */
  action: 'retried' | 'dropped';
  startMs: number;
  endMs: number;
  text: string;
}

export interface Transcript {
  task: Task;
  /** The model that produced it, by our name. */
  model: string;
  /** Whisper code of the language spoken. */
  language: string;
  durationMs: number;
  segments: Segment[];
  diagnostics: Diagnostic[];
}

/** The whole text, trimmed. */
export function transcriptText(transcript: Transcript): string {
  return transcript.segments
    .map((segment) => segment.text)
    .join('')
    .trim();
}
