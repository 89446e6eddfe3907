// Whole words from the engine's pieces (tokens), as openai-whisper builds them. Pure.
import type { Piece, Word } from './transcript.ts';

export interface TimedPiece extends Piece {
  startMs: number;
  endMs: number;
}

interface Span {
  startMs: number;
  endMs: number;
}

/** Written without spaces between words: here each piece counts as a word, as in openai-whisper. */
export const UNSPACED_LANGUAGES = new Set(['zh', 'ja', 'th', 'lo', 'my', 'yue']);

/** Punctuation that is not spoken; `%`, `&` and their like are spoken, so they count as speech. */
const UNSPOKEN = /^(?:\s|(?![%&@#*/\\‰§])\p{P})+$/u;
const OPENING = /^\s*[\p{Ps}\p{Pi}¿¡]+$/u;
/** Opens a word only after a space: the same marks close one (`rock 'n' roll`) or join two (`3-5`). */
const OPENING_AFTER_SPACE = /^\s+["'-]+$/;
/** A vowel sign or accent that belongs to the character before it. */
const COMBINING = /^\p{M}/u;
/** What the engine writes for half a character, when a segment ends inside one. */
const BROKEN_CHARACTER = /\uFFFD/g;

/**
 * The words of one segment. `language` is that of the text, so `en` for a translation.
 * A word lasts from its first to its last spoken piece, since a comma takes the silence after it into its own time.
 */
export function wordsFromPieces(pieces: TimedPiece[], language: string): Word[] {
  const readable = pieces
    .map((piece) => ({ ...piece, text: piece.text.replace(BROKEN_CHARACTER, '') }))
    .filter((piece) => piece.text !== '');
  const groups = attachPunctuation(groupByWord(readable, UNSPACED_LANGUAGES.has(language)));
  return monotonic(groups.filter((group) => textOf(group).trim() !== '').map(wordFrom));
}

/** The same spans with whole, finite, non-negative times: none begins before the one before it, none overlaps the next. */
export function monotonic<T extends Span>(spans: T[]): T[] {
  let earliestMs = 0;
  const ordered = spans.map((span) => {
    const startMs = Math.max(earliestMs, Math.round(finiteOr(span.startMs, earliestMs)));
    const endMs = Math.max(startMs, Math.round(finiteOr(span.endMs, startMs)));
    earliestMs = startMs;
    return { ...span, startMs, endMs };
  });
  return ordered.map((span, index) => ({
    ...span,
    endMs: Math.min(span.endMs, ordered[index + 1]?.startMs ?? span.endMs),
  }));
}

function groupByWord(pieces: TimedPiece[], eachIsAWord: boolean): TimedPiece[][] {
  const groups: TimedPiece[][] = [];
  for (const piece of pieces) {
    const current = groups.at(-1);
    const begins = piece.text.startsWith(' ') || (eachIsAWord && !COMBINING.test(piece.text));
    if (current && !begins) current.push(piece);
    else groups.push([piece]);
  }
  return groups;
}

/** Groups that are all punctuation join the word before them, or the word after when they open it or nothing comes before. */
function attachPunctuation(groups: TimedPiece[][]): TimedPiece[][] {
  const words: TimedPiece[][] = [];
  let opening: TimedPiece[] = [];
  for (const group of groups) {
    const text = textOf(group);
    const previous = words.at(-1);
    if (!UNSPOKEN.test(text)) {
      words.push([...opening, ...group]);
      opening = [];
    } else if (opening.length > 0 || !previous || OPENING.test(text) || OPENING_AFTER_SPACE.test(text)) {
      opening.push(...group);
    } else {
      previous.push(...group);
    }
  }
  if (opening.length > 0) words.push([...(words.pop() ?? []), ...opening]);
  return words;
}

function wordFrom(pieces: TimedPiece[]): Word {
  const spoken = pieces.filter((piece) => !UNSPOKEN.test(piece.text));
  const timed = spoken.length > 0 ? spoken : pieces;
  return {
    text: textOf(pieces).replace(/\s+/g, ''),
    startMs: timed[0]?.startMs ?? Number.NaN,
    endMs: timed.at(-1)?.endMs ?? Number.NaN,
    probability: pieces.reduce((sum, piece) => sum + finiteOr(piece.probability, 0), 0) / pieces.length,
  };
}

function textOf(pieces: TimedPiece[]): string {
  return pieces.map((piece) => piece.text).join('');
}

function finiteOr(value: number, fallback: number): number {
  return Number.isFinite(value) ? value : fallback;
}
