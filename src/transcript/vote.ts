// The language of a whole recording: by a vote of its first confident chunks, or, where each has its own, by what is spoken
// most. Pure.
import type { ChunkFinal, LanguageDetected } from './event.ts';
import type { Segment } from './transcript.ts';

/** openai-whisper's own bounds for a decoding to be believed. */
const AVG_LOGPROB_MIN = -1;
const NO_SPEECH_MAX = 0.6;
/** Fewer letters than in a short sentence are guesswork: "OK" is a word of every language. */
const LETTERS_MIN = 12;
/** A word lasts no longer; what does is stamped across a silence. */
const WORD_MS_MAX = 1_000;
/** However sure a chunk is, it has no more say than this: one song or one quotation is not the recording. */
const CHUNK_WEIGHT_MAX = 15_000;
/** What the engine is less sure of has to be read before it counts: of noise and music it is rarely this sure. */
const DETECTED_PROBABILITY_MIN = 0.8;
/** Decided when the leader has heard this much speech, weighted, and this many times more than the next. */
const DECIDED_WEIGHT_MIN = 25_000;
const DECIDED_LEAD_MIN = 2.5;
/** After so many confident chunks the leader is right, or the recording is in two languages and any choice is as good. */
const VOTERS_MAX = 8;

export interface Vote {
  /** The leader so far; of nothing at all, what the first chunk was taken for; null without any chunk. */
  language: string | null;
  isDecided: boolean;
}

/** A chunk of which nothing is written yet, and how much voice there is in it. */
export type Detected = LanguageDetected & { voiceMs: number };

/**
 * Of the same chunks, in the same order, and more of them: once decided, it stays decided. Give it what trust.ts has left, or
 * what the engine says of a chunk beforehand.
 */
export function vote(heard: (ChunkFinal | Detected)[]): Vote {
  const weights = new Map<string, number>();
  let voters = 0;
  for (const chunk of heard) {
    const weight = chunk.type === 'chunk-final' ? weightOf(chunk) : weightOfDetected(chunk);
    if (weight === 0) continue;
    voters += 1;
    weights.set(chunk.language, (weights.get(chunk.language) ?? 0) + weight);
    const [leader, next] = ranking(weights);
    const isClear = leader.weight >= DECIDED_WEIGHT_MIN && leader.weight >= DECIDED_LEAD_MIN * next.weight;
    if (isClear || voters === VOTERS_MAX) return { language: leader.language, isDecided: true };
  }
  const [leader] = ranking(weights);
  const unsure = heard.find((chunk) => chunk.type !== 'chunk-final' || chunk.segments.length > 0) ?? heard[0];
  return { language: leader.language ?? unsure?.language ?? null, isDecided: false };
}

/** What most of the speech is in; null where there is none. */
export function mostSpoken(segments: Segment[]): string | null {
  const weights = new Map<string, number>();
  for (const segment of segments) {
    if (segment.language !== undefined)
      weights.set(segment.language, (weights.get(segment.language) ?? 0) + spokenMs(segment));
  }
  return ranking(weights)[0].language;
}

/** Milliseconds of speech, each counted as far as its segment is believed. */
function weightOf(final: ChunkFinal): number {
  const believed = final.segments.filter(
    (segment) => segment.avgLogprob >= AVG_LOGPROB_MIN && segment.noSpeechProbability <= NO_SPEECH_MAX,
  );
  const letters = believed.reduce((sum, segment) => sum + (segment.text.match(/\p{L}/gu)?.length ?? 0), 0);
  if (letters < LETTERS_MIN) return 0;
  return Math.min(
    CHUNK_WEIGHT_MAX,
    believed.reduce((sum, segment) => sum + spokenMs(segment) * confidence(segment), 0),
  );
}

function weightOfDetected({ probability, voiceMs }: Detected): number {
  return probability < DETECTED_PROBABILITY_MIN ? 0 : Math.min(CHUNK_WEIGHT_MAX, voiceMs * probability);
}

/** The mean probability of its tokens. */
function confidence(segment: Segment): number {
  return Math.min(1, Math.exp(segment.avgLogprob));
}

function spokenMs(segment: Segment): number {
  return segment.words.reduce((sum, word) => sum + Math.min(WORD_MS_MAX, word.endMs - word.startMs), 0);
}

interface Share {
  language: string | null;
  weight: number;
}

/** The two with the most weight; of equals the one that was heard first. */
function ranking(weights: Map<string, number>): [leader: Share, next: Share] {
  const ranked = [...weights].map(([language, weight]) => ({ language, weight })).sort((a, b) => b.weight - a.weight);
  const nobody = { language: null, weight: 0 };
  return [ranked[0] ?? nobody, ranked[1] ?? nobody];
}
