// What a transcript read from disk must look like. The compiler keeps it equal to the `Transcript` type.
import { z } from 'zod';
import { DIAGNOSTIC_RULES, type Transcript } from '../transcript/transcript.ts';

const word = z.object({
  text: z.string(),
  startMs: z.number(),
  endMs: z.number(),
  probability: z.number(),
});

const piece = z.object({ text: z.string(), probability: z.number() });

const segment = z.object({
  startMs: z.number(),
  endMs: z.number(),
  text: z.string(),
  tokenIds: z.array(z.number()),
  pieces: z.array(piece),
  words: z.array(word),
  temperature: z.number(),
  avgLogprob: z.number(),
  noSpeechProbability: z.number(),
  language: z.string().exactOptional(),
});

const diagnostic = z.object({
  rule: z.enum(DIAGNOSTIC_RULES),
  action: z.enum(['retried', 'dropped']),
  startMs: z.number(),
  endMs: z.number(),
  text: z.string(),
});

export const transcriptSchema = z.object({
  task: z.enum(['transcribe', 'translate']),
  model: z.string(),
  language: z.string(),
  durationMs: z.number(),
  segments: z.array(segment),
  diagnostics: z.array(diagnostic),
});

// Assignability both ways would miss an optional field that the schema then silently drops; identity does not.
type Identical<Left, Right> = (<T>() => T extends Left ? 1 : 2) extends <T>() => T extends Right ? 1 : 2 ? true : false;
true satisfies Identical<z.infer<typeof transcriptSchema>, Transcript>;
