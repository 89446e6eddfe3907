// Two chunks heard the same second or two: which of its words are the left one's, and which the right one's. Pure.
import { distancesByStart } from './formatting/edit-distance.ts';
import type { Word } from './transcript.ts';

/** The same word is stamped this far apart by two chunks at most: mostly it is 0.15 s, at worst 0.55 s. */
const SAME_WORD_MS_MAX = 800;
/** A word without duration was stamped where the engine's clock ran out, inside speech that goes on: up to a second late. */
const SAME_WORD_MS_MAX_UNTIMED = 2_000;
/** A pair that may be two words is taken only where a sure one is this much further from the middle. */
const UNSURE_MS = 1_000;
/** Words are looked at this far beside the overlap. */
const BESIDE_MS = 800;
/** Letters that may differ, as a share of the longer word: chunks mishear words that begin or end at their edge. */
const DIFFERENCE_MAX = 0.25;
/** A word that is alike counts for less than one that is equal, so that the equal one is taken where both are there. */
const ALIKE_SCORE = 0.6;
/** A pair that follows right upon another is that much surer: "the" alone is any of a speaker's many. */
const FOLLOWING_SCORE = 0.1;

/** A repeated word was never seen to bring more than the phrase before it along. */
const REPEATED_WORDS_MAX = 3;

export interface Span {
  startMs: number;
  endMs: number;
}

/** The left chunk keeps its words before `left`, the right one keeps its words from `right` on. */
export interface Seam {
  left: number;
  right: number;
}

interface Pair {
  left: number;
  right: number;
  centreMs: number;
  /** How surely it is the same word, 0–1. */
  score: number;
}

/**
 * Where to pass from one chunk to the other. The words of both are aligned, in order, by text and then by time; the seam lies
 * at a sure pair near the middle of the overlap, where both had the most sound around it. Without any pair the middle itself
 * divides.
 */
export function seamOf(left: Word[], right: Word[], overlap: Span): Seam {
  const middleMs = (overlap.startMs + overlap.endMs) / 2;
  const firstLeft = indexOrEnd(left, (word) => centreMs(word) > overlap.startMs - BESIDE_MS);
  const endRight = indexOrEnd(right, (word) => centreMs(word) > overlap.endMs + BESIDE_MS);
  const pairs = align(left.slice(firstLeft), right.slice(0, endRight)).map((pair) => ({
    ...pair,
    left: pair.left + firstLeft,
  }));
  const price = (pair: Pair) => Math.abs(pair.centreMs - middleMs) + Math.max(0, 1 - pair.score) * UNSURE_MS;
  const [nearest] = pairs.sort((one, other) => price(one) - price(other));
  if (!nearest) return seamByTime(left, right, middleMs);
  // Of the pair itself, the word further from the edge of its chunk is kept.
  return nearest.centreMs < middleMs
    ? { left: nearest.left + 1, right: nearest.right + 1 }
    : { left: nearest.left, right: nearest.right };
}

/** The left chunk's words before the middle, the right one's after it, and across it where the other wrote nothing at that time. */
function seamByTime(left: Word[], right: Word[], middleMs: number): Seam {
  const leftEnd = indexOrEnd(left, (word) => centreMs(word) >= middleMs);
  const leftUntilMs = left[leftEnd - 1]?.endMs ?? Number.NEGATIVE_INFINITY;
  const rightFrom = indexOrEnd(right, (word) => centreMs(word) >= middleMs || word.startMs >= leftUntilMs);
  const rightFromMs = right[rightFrom]?.startMs ?? Number.POSITIVE_INFINITY;
  return { left: indexOrEnd(left, (word, index) => index >= leftEnd && word.endMs > rightFromMs), right: rightFrom };
}

/**
 * How many words at the beginning of the right chunk repeat the end of the left one although the chunks share no sound.
 * The same word again is no evidence, for speakers do repeat themselves: it must also claim the same time.
 */
export function repeatedWordCount(left: Word[], right: Word[]): number {
  for (let count = Math.min(left.length, right.length, REPEATED_WORDS_MAX); count > 0; count--) {
    const tail = left.slice(-count);
    const isRepeated = tail.every((word, index) => {
      const again = right[index];
      return again !== undefined && normalised(word) === normalised(again) && shareTime(word, again);
    });
    if (isRepeated) return count;
  }
  return 0;
}

/** Half of the shorter word at least. */
function shareTime(one: Span, other: Span): boolean {
  const sharedMs = Math.min(one.endMs, other.endMs) - Math.max(one.startMs, other.startMs);
  const shorterMs = Math.min(one.endMs - one.startMs, other.endMs - other.startMs);
  return shorterMs > 0 ? sharedMs >= shorterMs / 2 : sharedMs === 0 && one.startMs === other.startMs;
}

/**
 * The pairs of the best alignment that keeps the order of both (Needleman and Wunsch 1970), without a price for gaps but with
 * a prize for pairs that follow one another.
 */
function align(left: Word[], right: Word[]): Pair[] {
  const scores = left.map((one) => right.map((other) => pairScore(one, other)));
  const table = () => Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0));
  // What is to be had from a place on: [0] where the pair before it was left out, [1] where it was taken.
  const best = [table(), table()] as const;
  const at = (isFollowing: boolean, row: number, column: number) => best[isFollowing ? 1 : 0][row]?.[column] ?? 0;
  const paired = (isFollowing: boolean, row: number, column: number) => {
    const score = scores[row]?.[column] ?? 0;
    return score > 0 ? score + (isFollowing ? FOLLOWING_SCORE : 0) + at(true, row + 1, column + 1) : 0;
  };
  for (let row = left.length - 1; row >= 0; row--) {
    for (let column = right.length - 1; column >= 0; column--) {
      const skipped = Math.max(at(false, row + 1, column), at(false, row, column + 1));
      for (const isFollowing of [false, true]) {
        const line = best[isFollowing ? 1 : 0][row];
        if (line) line[column] = Math.max(paired(isFollowing, row, column), skipped);
      }
    }
  }
  const pairs: Pair[] = [];
  let [row, column, isFollowing] = [0, 0, false];
  while (row < left.length && column < right.length) {
    const [one, other, score] = [left[row], right[column], scores[row]?.[column] ?? 0];
    const isPair = score > 0 && at(isFollowing, row, column) === paired(isFollowing, row, column);
    if (one && other && isPair) {
      pairs.push({ left: row, right: column, centreMs: (centreMs(one) + centreMs(other)) / 2, score });
      row += 1;
      column += 1;
    } else if (at(isFollowing, row, column) === at(false, row + 1, column)) row += 1;
    else column += 1;
    isFollowing = isPair;
  }
  return pairs.map((pair, index) => ({
    ...pair,
    score:
      follows(pairs[index - 1], pair) || follows(pair, pairs[index + 1]) ? pair.score + FOLLOWING_SCORE : pair.score,
  }));
}

function follows(one: Pair | undefined, other: Pair | undefined): boolean {
  return one !== undefined && other?.left === one.left + 1 && other.right === one.right + 1;
}

/** 0 for words that cannot be the same; up to 1 for equal words at the same time. */
function pairScore(one: Word, other: Word): number {
  const apartMs = Math.abs(centreMs(one) - centreMs(other));
  const isUntimed = one.startMs === one.endMs || other.startMs === other.endMs;
  const apartMsMax = isUntimed ? SAME_WORD_MS_MAX_UNTIMED : SAME_WORD_MS_MAX;
  if (apartMs >= apartMsMax) return 0;
  const [left, right] = [normalised(one), normalised(other)];
  const likeness = left === right ? 1 : isAlike(left, right) ? ALIKE_SCORE : 0;
  return likeness * (1 - apartMs / apartMsMax);
}

function isAlike(one: string, other: string): boolean {
  const longer = Math.max(one.length, other.length);
  const allowed = Math.floor(longer * DIFFERENCE_MAX);
  return (
    Math.abs(one.length - other.length) <= allowed && (distancesByStart(one, other)[other.length] ?? longer) <= allowed
  );
}

/** Without case, accents of form and punctuation; a word that is all punctuation is itself. */
function normalised(word: Word): string {
  const text = word.text.normalize('NFKC').toLowerCase();
  return text.replace(/[^\p{L}\p{M}\p{N}]/gu, '') || text;
}

function centreMs(span: Span): number {
  return (span.startMs + span.endMs) / 2;
}

function indexOrEnd<T>(items: T[], isIt: (item: T, index: number) => boolean): number {
  const index = items.findIndex(isIt);
  return index < 0 ? items.length : index;
}
