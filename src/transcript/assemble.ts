// Events of the chunks of one recording → the canonical transcript.
import type { ChunkFinal } from './event.ts';
import type { Task } from './request.ts';
import type { Transcript } from './transcript.ts';
import { vote } from './vote.ts';

export function assemble(of: { task: Task; model: string; durationMs: number }, chunks: ChunkFinal[]): Transcript {
  return {
    ...of,
    language: vote(chunks).language ?? 'en',
    segments: chunks.flatMap((chunk) => chunk.segments),
    diagnostics: [],
  };
}
