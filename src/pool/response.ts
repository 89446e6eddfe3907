// The engine's verbose_json → segments of ours. Pure.
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import type { ChunkFinal } from '../transcript/event.ts';
import { languageCode } from '../transcript/languages.ts';
import type { Chunk } from '../transcript/recording.ts';
import type { DecodingOptions } from '../transcript/request.ts';
import type { Segment } from '../transcript/transcript.ts';
import { monotonic, wordsFromPieces } from '../transcript/words.ts';
import { type Loudness, noSpeechProbability } from './voice.ts';

/** ln(0.00001): where the engine's own mean is not a number (JSON has none, it writes null), no piece counts as less. */
const LOGPROB_MIN = -11.5;

/** Not a number arrives as null; what the engine has nothing to say of, it leaves out. */
const figure = z.number().nullish();

const responseSchema = z.object({
  language: z.string(),
  segments: z.array(
    z.object({
      text: z.string(),
      start: figure,
      end: figure,
      // Absent when a segment has no text token.
      tokens: z.array(z.number().int()).default([]),
      // Tokens, whatever the engine calls them; the text of several when they make up one character.
      words: z.array(z.object({ word: z.string(), start: figure, end: figure, probability: figure })).default([]),
      avg_logprob: figure,
      no_speech_prob: figure,
    }),
  ),
});

export type EngineResponse = z.infer<typeof responseSchema>;
type EngineSegment = EngineResponse['segments'][number];

/** Throws `engine-failed` for anything that is not the engine's verbose_json. */
export function parseResponse(body: string): EngineResponse {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (cause) {
    throw new GatewayError('engine-failed', 'The engine answered with something that is not JSON.', { cause });
  }
  const parsed = responseSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { error: cause } = parsed;
  throw new GatewayError('engine-failed', 'The engine answered in a shape that is not its own.', { cause });
}

/**
 * True of the segments whose no-speech figure the engine measured: it does so only while it detects the language, once, for
 * its first window. Everywhere else the field holds what an earlier step left behind.
 */
export function hasTrueNoSpeech(
  response: EngineResponse,
  segment: EngineSegment,
  isLanguageDetected: boolean,
): boolean {
  return isLanguageDetected && segment.no_speech_prob === response.segments[0]?.no_speech_prob;
}

export function chunkFinalFrom(
  response: EngineResponse,
  of: { chunk: Chunk; options: DecodingOptions; isLanguageDetected: boolean; loudness: Loudness },
): ChunkFinal {
  const { chunk, options } = of;
  const language = languageCode(response.language) ?? options.language ?? 'en';
  const textLanguage = options.task === 'translate' ? 'en' : language;
  const spoken = response.segments.filter((segment) => segment.text.trim() !== '');
  // Padding and the engine's 30-second window both let times run past the end of the audio.
  const timed = monotonic(
    spoken.map((segment) => ({
      segment,
      startMs: within(milliseconds(segment.start, 0), 0, chunk.durationMs),
      endMs: within(milliseconds(segment.end, chunk.durationMs), 0, chunk.durationMs),
    })),
  );
  const segments = timed.map(({ segment, startMs, endMs }): Segment => {
    const pieces = segment.words.map((piece) => ({
      text: piece.word,
      probability: within(piece.probability ?? 0, 0, 1),
      startMs: chunk.startMs + within(milliseconds(piece.start, startMs), startMs, endMs),
      endMs: chunk.startMs + within(milliseconds(piece.end, endMs), startMs, endMs),
    }));
    const isTrue = hasTrueNoSpeech(response, segment, of.isLanguageDetected);
    return {
      startMs: chunk.startMs + startMs,
      endMs: chunk.startMs + endMs,
      text: segment.text,
      tokenIds: segment.tokens,
      pieces: pieces.map(({ text, probability }) => ({ text, probability })),
      words: wordsFromPieces(monotonic(pieces), textLanguage),
      // The engine repeats what it was asked for, as a 32-bit float.
      temperature: options.temperature,
      avgLogprob: segment.avg_logprob ?? meanLogprob(pieces),
      noSpeechProbability: isTrue
        ? within(segment.no_speech_prob ?? 0, 0, 1)
        : noSpeechProbability(of.loudness, startMs, endMs),
    };
  });
  return { type: 'chunk-final', language, segments };
}

function meanLogprob(pieces: { probability: number }[]): number {
  if (pieces.length === 0) return 0;
  const sum = pieces.reduce((total, piece) => total + Math.max(LOGPROB_MIN, Math.log(piece.probability)), 0);
  return sum / pieces.length;
}

function milliseconds(seconds: number | null | undefined, otherwiseMs: number): number {
  return seconds === null || seconds === undefined ? otherwiseMs : Math.round(seconds * 1000);
}

function within(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
