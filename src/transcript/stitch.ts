// Joins what the chunks of one recording came out as: words in order, each once, at times that never run back. It owns the
// order, the seams and the spaces between chunks; what is believed at all was decided before (trust.ts). No I/O.
import assert from 'node:assert/strict';
import type { ChunkFinal } from './event.ts';
import { repeatedWordCount, type Span, seamOf } from './overlap.ts';
import { keepWords, withLeadingSpace } from './segment-cut.ts';
import type { Segment, Word } from './transcript.ts';
import { timedByVoice } from './voiced-words.ts';
import { monotonic } from './words.ts';

/** Words may end this much after their chunk: the engine hears a sound fade where the cut took it for silence. */
const PAST_END_MS_MAX = 200;
/** No two chunks share more; what a chunk still unknown might share with the last one is held back. */
const OVERLAP_MS_MAX = 2_000;
/** Words are stamped up to this much early or late; a seam may lie as much beside the overlap. */
const SEAM_MARGIN_MS = 800;
/** Neither side of such a border takes a space. The punctuation is that of East Asia. */
const UNSPACED_END =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Lao}\p{sc=Mymr}\u3000-\u303F\u30FC\uFF00-\uFFEF]$/u;
const UNSPACED_START =
  /^[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Lao}\p{sc=Mymr}\u3000-\u303F\u30FC\uFF00-\uFFEF]/u;

interface HeardSpan extends Span {
  voice: Span[] | undefined;
}

/**
 * `expect` every chunk in the order of the recording, `add` their results in any order, `end` when all are there: each call
 * answers the segments that are finished by it, so that all answers together are the transcript's segments. What waits for an
 * earlier chunk is bounded by the recording's own length, like the transcript itself.
 */
export class Stitcher {
  readonly #chunks: HeardSpan[] = [];
  readonly #waiting = new Map<number, Segment[]>();
  /** The chunk that is stitched next. */
  #next = 0;
  /** Stitched, but the next chunk may share sound with them. */
  #held: Segment[] = [];
  /** What came last, to compare the next chunk's beginning with. */
  #released: Segment | undefined;
  #isEnded = false;

  /** Answers the chunk's number. Where somebody is heard in it corrects the words' times. */
  expect({ voice, ...chunk }: { startMs: number; durationMs: number; voice?: Span[] }): number {
    const previous = this.#chunks.at(-1);
    assert(!this.#isEnded && (!previous || chunk.startMs >= previous.startMs), 'chunks are expected in order');
    assert(!previous || chunk.startMs >= previous.endMs - OVERLAP_MS_MAX, 'chunks overlap by a little at most');
    return this.#chunks.push({ startMs: chunk.startMs, endMs: chunk.startMs + chunk.durationMs, voice }) - 1;
  }

  add(index: number, final: ChunkFinal): Segment[] {
    const isNew = index >= this.#next && index < this.#chunks.length && !this.#waiting.has(index);
    assert(isNew, 'each expected chunk is added once');
    this.#waiting.set(index, final.segments);
    return this.#release();
  }

  /** No chunk follows. */
  end(): Segment[] {
    assert(this.#waiting.size === 0 && this.#next === this.#chunks.length, 'every expected chunk was added');
    this.#isEnded = true;
    return this.#release();
  }

  /** How many chunks, from the first without a gap, have all their segments out. */
  get releasedChunkCount(): number {
    const [held] = this.#held;
    return held ? this.#chunks.findIndex(({ endMs }) => endMs > held.startMs) : this.#next;
  }

  #release(): Segment[] {
    let stitched = this.#held;
    for (let segments = this.#takeNext(); segments; segments = this.#takeNext()) {
      const chunk = this.#chunks[this.#next - 1];
      assert(chunk);
      const { voice } = chunk;
      const right = segments.map((segment) => within(voice ? timedByVoice(segment, voice) : segment, chunk));
      stitched = this.#join(stitched, right, chunk);
    }
    const timed = inOrder(stitched, this.#released?.endMs ?? 0);
    const finished = this.#finishedCount(timed);
    this.#held = timed.slice(finished);
    const released = timed.slice(0, finished);
    this.#released = released.at(-1) ?? this.#released;
    return released;
  }

  #join(left: Segment[], right: Segment[], chunk: Span): Segment[] {
    const overlap = { startMs: chunk.startMs, endMs: this.#chunks[this.#next - 2]?.endMs ?? chunk.startMs };
    const leftWords = wordsOf(left.length > 0 || !this.#released ? left : [this.#released]);
    const rightWords = wordsOf(right);
    const seam =
      overlap.startMs < overlap.endMs
        ? seamOf(wordsOf(left), rightWords, overlap)
        : { left: leftWords.length, right: repeatedWordCount(leftWords, rightWords) };
    const kept = keepAcross(left, 0, seam.left);
    const [first, ...rest] = keepAcross(right, seam.right, rightWords.length);
    if (!first) return kept;
    const before = kept.map((segment) => endedBy(segment, first.startMs));
    // A text that begins in the middle of what the engine wrote has the space that the engine gave it.
    if (seam.right > 0) return [...before, first, ...rest];
    return [...before, spaced((before.at(-1) ?? this.#released)?.text ?? '', first), ...rest];
  }

  #takeNext(): Segment[] | undefined {
    const segments = this.#waiting.get(this.#next);
    if (segments && this.#waiting.delete(this.#next)) this.#next += 1;
    return segments;
  }

  /** Where the next chunk begins is known before its words are; what ends before that cannot be touched by it any more. */
  #finishedCount(segments: Segment[]): number {
    if (this.#isEnded) return segments.length;
    const next = this.#chunks[this.#next];
    const last = this.#chunks[this.#next - 1];
    if (next && last && next.startMs >= last.endMs) return segments.length;
    const borderMs = next?.startMs ?? (last ? last.endMs - OVERLAP_MS_MAX : 0);
    const held = segments.findIndex((segment) => segment.endMs > borderMs - SEAM_MARGIN_MS);
    return held < 0 ? segments.length : held;
  }
}

/**
 * In a long sentence cut off in its middle an engine stamps the words later and later, up to two seconds, until its clock runs out:
 * at a seam the chunk that just began knows the time better.
 */
function endedBy(segment: Segment, untilMs: number): Segment {
  const ended = <T extends Span>(span: T): T => ({
    ...span,
    startMs: Math.min(span.startMs, untilMs),
    endMs: Math.min(span.endMs, untilMs),
  });
  return { ...ended(segment), words: segment.words.map(ended) };
}

/** The words from `from` up to `to`, counted over all segments. */
function keepAcross(segments: Segment[], from: number, to: number): Segment[] {
  let before = 0;
  return segments.flatMap((segment) => {
    const first = before;
    before += segment.words.length;
    if (segment.words.length === 0) return first >= from && first <= to ? [segment] : [];
    return keepWords(segment, Math.max(0, from - first), Math.max(0, to - first)) ?? [];
  });
}

/** Engines that write words without spaces begin a text without one; elsewhere a text may lack the space it begins with. */
function spaced(before: string, segment: Segment): Segment {
  const isSpaced = /\s$/.test(before) || /^\s/.test(segment.text);
  const isEndUnspaced = UNSPACED_END.test(before.trimEnd());
  const isStartUnspaced = UNSPACED_START.test(segment.text.trimStart());
  if (before === '') return segment;
  if (isSpaced) return isEndUnspaced && isStartUnspaced ? withLeadingSpace(segment, false) : segment;
  return isEndUnspaced || isStartUnspaced ? segment : withLeadingSpace(segment, true);
}

function within(segment: Segment, chunk: Span): Segment {
  const clamp = <T extends Span>(span: T, endMs: number): T => ({
    ...span,
    startMs: Math.min(endMs, Math.max(chunk.startMs, span.startMs)),
    endMs: Math.min(endMs, Math.max(chunk.startMs, span.endMs)),
  });
  const words = segment.words.map((word) => clamp(word, chunk.endMs + PAST_END_MS_MAX));
  return { ...clamp(segment, chunk.endMs), words };
}

/** The same segments with times that never run back, within a segment or from one to the next. */
function inOrder(segments: Segment[], earliestMs: number): Segment[] {
  const [, ...words] = monotonic([{ startMs: earliestMs, endMs: earliestMs }, ...wordsOf(segments)]) as [
    Span,
    ...Word[],
  ];
  let taken = 0;
  let untilMs = earliestMs;
  return segments.map((segment, index) => {
    const own = words.slice(taken, taken + segment.words.length);
    taken += own.length;
    const startMs = Math.min(
      Math.max(Math.round(segment.startMs), untilMs),
      own[0]?.startMs ?? Number.POSITIVE_INFINITY,
    );
    const spokenUntilMs = own.at(-1)?.endMs ?? startMs;
    const nextMs = Math.min(
      words[taken]?.startMs ?? Number.POSITIVE_INFINITY,
      segments[index + 1]?.startMs ?? Number.POSITIVE_INFINITY,
    );
    untilMs = Math.max(spokenUntilMs, Math.round(Math.min(segment.endMs, nextMs)));
    return { ...segment, startMs, endMs: untilMs, words: own };
  });
}

function wordsOf(segments: Segment[]): Word[] {
  return segments.flatMap((segment) => segment.words);
}
