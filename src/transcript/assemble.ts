// Events of the chunks of one recording → the canonical transcript.
import type { ChunkFinal } from './event.ts';
import type { Task } from './request.ts';
import type { Transcript } from './transcript.ts';

export function assemble(of: { task: Task; model: string; durationMs: number }, chunks: ChunkFinal[]): Transcript {
  return {
    ...of,
    // The first chunk that heard something decides; silence is reported in the language that was asked for or guessed.
    language: (chunks.find((chunk) => chunk.segments.length > 0) ?? chunks[0])?.language ?? 'en',
    segments: chunks.flatMap((chunk) => chunk.segments),
    diagnostics: [],
  };
}
