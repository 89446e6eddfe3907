// Judges what an engine wrote for one chunk by what whisper is known to get wrong, and says what is left after a second try.
// It never judges by the words alone: it compares them with the sound they are said to be in. Pure; the chunk is run again by
// whoever calls it.
import { isSubtitleCredit } from './credits.ts';
import type { ChunkFinal } from './event.ts';
import { distancesByStart } from './formatting/edit-distance.ts';
import { lettersOf, loopsIn } from './loop.ts';
import type { DecodingOptions } from './request.ts';
import type { Diagnostic, Segment } from './transcript.ts';

interface Span {
  startMs: number;
  endMs: number;
}

/** The chunk's extent in the recording and where the voice activity model heard somebody in it, in the recording's time. */
export interface ChunkSound {
  startMs: number;
  durationMs: number;
  voice: Span[];
}

export interface Judgement {
  verdict: 'keep' | 'retry';
  /** What was found, as it is to be recorded when the chunk is run again. */
  findings: Diagnostic[];
}

/** Words are stamped this much beside their sound, and a voice begins and ends more softly than a detector hears. */
const BESIDE_MS = 300;
/** Less than this is a click, not a voice. */
const VOICE_MS_MIN = 100;
/** openai-whisper's `no_speech_threshold` and `logprob_threshold`: both together mean silence. */
const NO_SPEECH_MAX = 0.6;
const AVG_LOGPROB_MIN = -1;
/**
 * Letters in a second that nobody exceeds: about twice fast speech, which is 7 syllables a second in every language
 * (Pellegrino et al. 2011). Measured with espeak-ng at 320 words a minute: 26 Latin letters.
 */
const LETTERS_PER_SECOND_MAX: [script: RegExp, count: number][] = [
  [/\p{sc=Han}/u, 12],
  [/\p{sc=Hang}/u, 14],
  [/[\p{sc=Hira}\p{sc=Kana}]/u, 16],
  // Each is a word of its own, but in amounts and years.
  [/\p{N}/u, 6],
];
const LETTERS_PER_SECOND_MAX_ELSEWHERE = 40;
/** Short texts are stamped too short more often than they are made up. */
const DENSITY_TOLERANCE_MS = 500;
/**
 * The slowest speaker takes this many times as long as the limits above: 8 Latin letters a second of voice. Of 500 right segments of three
 * languages three in a hundred had fewer, and none left more than 2.8 s of voice over; one that had swallowed two sentences left 4.
 */
const SLOWEST_OVER_FASTEST = 5;
/** One step of the engine's clock. */
const DURATION_MS_MIN = 20;
/** So many words, stamped one upon the other where the sound ends, were written after it: measured up to 191 in loops, up to 4 in speech. */
const WORDS_AFTER_END_MIN = 5;
/** Who says one of the well-known phrases is heard for longer than this, or for more of the time it is stamped with. */
const CREDIT_VOICE_MS_MAX = 500;
const CREDIT_VOICE_SHARE_MAX = 0.1;
/** So much voice, and not a word written anywhere in the chunk. */
const UNHEARD_MS_MAX = 1_000;
/** In one piece, in a chunk where other words were written: engines stamp words loosely, so it must be more. */
const SKIPPED_MS_MAX = 3_000;
/** Two tries that wrote so much the same heard the same: a chant is a loop in the speaker's mouth. */
const AGREEMENT_MIN = 0.8;
/** Measured with model tiny: this step cured four failures of eight; two and three times it cured three. */
const RETRY_TEMPERATURE_STEP = 0.2;

/** No prompt, which is known to feed loops and to cut answers short; a little chance, for that is what leaves a loop. */
export function retryOptions(options: DecodingOptions): DecodingOptions {
  return { ...options, prompt: null, temperature: Math.min(1, options.temperature + RETRY_TEMPERATURE_STEP) };
}

export function judgeChunk(final: ChunkFinal, sound: ChunkSound): Judgement {
  const suspected = suspicions(final.segments, sound);
  const findings = [
    ...suspected.map((suspicion) => record(suspicion, 'retried')),
    ...skipped(final.segments, sound),
    ...thinned(
      final.segments.filter((segment) => !suspected.some((suspicion) => suspicion.segment === segment)),
      sound,
    ),
  ];
  return { verdict: findings.length > 0 ? 'retry' : 'keep', findings };
}

/**
 * What is left of a chunk after its second try: of the two results the one with more words that can be believed, without the
 * segments that cannot. What was written after the sound's end counts for nothing: a sentence cut off in a pause is one that engines
 * like to finish. The first try wins a draw, because it was decoded with more care.
 */
export function settleRetry(
  first: ChunkFinal,
  second: ChunkFinal,
  sound: ChunkSound,
): { final: ChunkFinal; diagnostics: Diagnostic[] } {
  const isAgreed = isMuchTheSame(first.segments, second.segments);
  const [one, other] = [first, second].map((final) => believe(final, sound, isAgreed)) as [Believed, Believed];
  const better = wordCount(other.final) > wordCount(one.final) ? other : one;
  return { final: better.final, diagnostics: [...judgeChunk(first, sound).findings, ...better.dropped] };
}

interface Believed {
  final: ChunkFinal;
  dropped: Diagnostic[];
}

interface Suspicion {
  rule: Diagnostic['rule'];
  segment: Segment;
}

function believe(final: ChunkFinal, sound: ChunkSound, isAgreed: boolean): Believed {
  const failed = suspicions(final.segments, sound).filter(({ rule, segment }) => {
    // Both tries wrote it, somebody speaks, and it is not too much for the time (else another rule has it).
    if (rule === 'repetition-loop') return !isAgreed || goesPastEnd(segment);
    // A word at the very end may be stamped with no time at all; it is made up only if nobody is heard there.
    if (rule === 'text-after-end' || rule === 'text-without-duration')
      return voiceMs(sound, [beside(segment)]) < VOICE_MS_MIN;
    return true;
  });
  const bySegment = new Map(failed.map((suspicion) => [suspicion.segment, suspicion]));
  return {
    final: { ...final, segments: final.segments.filter((segment) => !bySegment.has(segment)) },
    dropped: [...bySegment.values()].map((suspicion) => record(suspicion, 'dropped')),
  };
}

/** What is wrong with each segment, the first rule that says so. */
function suspicions(segments: Segment[], sound: ChunkSound): Suspicion[] {
  const loops = loopsIn(segments.map((segment) => segment.text));
  return segments.flatMap((segment, index) => {
    if (segment.text.trim() === '') return [];
    const rule = ruleAgainst(segment, { isLoop: loops[index] === true, segments, sound });
    return rule ? [{ rule, segment }] : [];
  });
}

function ruleAgainst(
  segment: Segment,
  of: { isLoop: boolean; segments: Segment[]; sound: ChunkSound },
): Diagnostic['rule'] | null {
  const { segments, sound } = of;
  const nearMs = voiceMs(sound, [beside(segment)]);
  // Engines may stamp a text far from its voice: the voice that no other text claims may be this one's.
  const others = segments.filter((other) => other !== segment);
  const unclaimedMs = nearMs + voiceMs(sound, without([extentOf(sound)], [...others, segment].map(beside)));
  if (unclaimedMs < VOICE_MS_MIN) return 'text-in-silence';
  if (segment.noSpeechProbability > NO_SPEECH_MAX && segment.avgLogprob < AVG_LOGPROB_MIN) return 'text-in-silence';
  if (isSubtitleCredit(segment.text) && isNearlyVoiceless(segment, sound)) return 'subtitle-credit';
  if (speechMsMin(segment.text) > unclaimedMs + DENSITY_TOLERANCE_MS) return 'text-too-dense';
  if (of.isLoop) return 'repetition-loop';
  const endMs = sound.startMs + sound.durationMs;
  if (segment.startMs >= endMs - DURATION_MS_MIN || goesPastEnd(segment)) return 'text-after-end';
  if (segment.endMs - segment.startMs < DURATION_MS_MIN) return 'text-without-duration';
  return null;
}

/** The engine's clock stops where the sound does; the words it goes on writing have no duration any more. */
export function goesPastEnd(segment: Segment): boolean {
  const tail = segment.words.slice(-WORDS_AFTER_END_MIN);
  const lastMs = tail.at(-1)?.endMs;
  return tail.length === WORDS_AFTER_END_MIN && tail.every((word) => word.startMs === lastMs);
}

/** The stretches of voice for which nothing was written. */
function skipped(segments: Segment[], sound: ChunkSound): Diagnostic[] {
  const written = segments.filter((segment) => segment.text.trim() !== '');
  const silent = without(sound.voice, written.map(beside));
  const stretches =
    written.length > 0
      ? silent.filter((span) => durationMs(span) >= SKIPPED_MS_MAX)
      : totalMs(silent) >= UNHEARD_MS_MAX
        ? [extentOf(sound)]
        : [];
  return stretches.map((span) => ({ rule: 'nothing-heard', action: 'retried', ...span, text: '' }));
}

/** The segments that are stamped with more voice than anybody needs for their words: some of it says something else. */
function thinned(segments: Segment[], sound: ChunkSound): Diagnostic[] {
  return segments
    .filter(({ words }) => words.length > 0)
    .filter((segment) => {
      const slowestMs = SLOWEST_OVER_FASTEST * speechMsMin(segment.words.map((word) => word.text).join(''));
      return voiceMs(sound, [segment]) - slowestMs >= SKIPPED_MS_MAX;
    })
    .map((segment) => record({ rule: 'nothing-heard', segment }, 'retried'));
}

function isNearlyVoiceless(segment: Segment, sound: ChunkSound): boolean {
  const voicedMs = voiceMs(sound, [segment]);
  return voicedMs < CREDIT_VOICE_MS_MAX && voicedMs < CREDIT_VOICE_SHARE_MAX * durationMs(segment);
}

/** How long the fastest speaker takes to say it. */
function speechMsMin(text: string): number {
  return [...lettersOf(text)].reduce((sum, letter) => {
    const limit =
      LETTERS_PER_SECOND_MAX.find(([script]) => script.test(letter))?.[1] ?? LETTERS_PER_SECOND_MAX_ELSEWHERE;
    return sum + 1_000 / limit;
  }, 0);
}

function isMuchTheSame(one: Segment[], other: Segment[]): boolean {
  const [left, right] = [one, other].map((segments) => lettersOf(segments.map((segment) => segment.text).join('')));
  if (!left || !right) return false;
  const longer = Math.max(left.length, right.length);
  // What differs so much in length need not be compared letter by letter.
  if (Math.min(left.length, right.length) < longer * AGREEMENT_MIN) return false;
  return (distancesByStart(left, right)[right.length] ?? longer) <= longer * (1 - AGREEMENT_MIN);
}

function record({ rule, segment: { startMs, endMs, text } }: Suspicion, action: Diagnostic['action']): Diagnostic {
  return { rule, action, startMs, endMs, text };
}

function wordCount(final: ChunkFinal): number {
  return final.segments.reduce((sum, segment) => sum + timedWordCount(segment), 0);
}

function timedWordCount(segment: Segment): number {
  if (!goesPastEnd(segment)) return segment.words.length;
  const lastMs = segment.words.at(-1)?.endMs;
  return segment.words.filter((word) => word.startMs !== lastMs).length;
}

function extentOf(sound: ChunkSound): Span {
  return { startMs: sound.startMs, endMs: sound.startMs + sound.durationMs };
}

function beside({ startMs, endMs }: Span): Span {
  return { startMs: startMs - BESIDE_MS, endMs: endMs + BESIDE_MS };
}

/** How much voice there is within the spans, which do not overlap. */
function voiceMs(sound: ChunkSound, spans: Span[]): number {
  return totalMs(sound.voice) - totalMs(without(sound.voice, spans));
}

function without(spans: Span[], taken: Span[]): Span[] {
  return taken.reduce(
    (left, { startMs, endMs }) =>
      left
        .flatMap((span) => [
          { startMs: span.startMs, endMs: Math.min(span.endMs, startMs) },
          { startMs: Math.max(span.startMs, endMs), endMs: span.endMs },
        ])
        .filter((span) => span.endMs > span.startMs),
    spans,
  );
}

function totalMs(spans: Span[]): number {
  return spans.reduce((sum, span) => sum + durationMs(span), 0);
}

function durationMs(span: Span): number {
  return span.endMs - span.startMs;
}
