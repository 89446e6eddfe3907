// A segment shortened to some of its words, with its text, pieces and token ids still saying the same. Pure.
import type { Piece, Segment } from './transcript.ts';

/** What `wordsFromPieces` leaves out of the words. */
const NOT_IN_WORDS = /[\s\uFFFD]/g;

/** The words from `from` up to, not including, `to`; null when that leaves none. */
export function keepWords(segment: Segment, from: number, to: number): Segment | null {
  const words = segment.words.slice(from, to);
  const first = words[0];
  const last = words.at(-1);
  if (!first || !last) return null;
  const isFromStart = from <= 0;
  const isToEnd = to >= segment.words.length;
  if (isFromStart && isToEnd) return segment;

  const skipped = letterCount(segment.words.slice(0, from));
  // What follows the last letter of a segment (a space, half a character) stays with it.
  const end = isToEnd ? Number.POSITIVE_INFINITY : skipped + letterCount(words);
  const [firstPiece, endPiece] = pieceRange(segment.pieces, skipped, end);
  const pieces = segment.pieces.slice(firstPiece, endPiece);
  return {
    ...segment,
    startMs: isFromStart ? segment.startMs : first.startMs,
    endMs: isToEnd ? segment.endMs : last.endMs,
    text: pieces.length > 0 ? textOf(pieces) : words.map((word) => ` ${word.text}`).join(''),
    tokenIds: segment.tokenIds.slice(tokenCount(segment, firstPiece), tokenCount(segment, endPiece)),
    pieces,
    words,
  };
}

/** The segment with another beginning: a space more or less. */
export function withLeadingSpace(segment: Segment, isSpaced: boolean): Segment {
  const begin = (text: string) => (isSpaced ? ` ${text}` : '') + (isSpaced ? '' : text.trimStart());
  const [piece, ...pieces] = segment.pieces;
  return {
    ...segment,
    text: begin(segment.text),
    pieces: piece ? [{ ...piece, text: begin(piece.text) }, ...pieces] : [],
  };
}

/** Words are made of whole pieces, in order, so counting letters finds the pieces of a word. */
function pieceRange(pieces: Piece[], skipped: number, end: number): [first: number, end: number] {
  let letters = 0;
  let first = pieces.length;
  for (const [index, piece] of pieces.entries()) {
    if (letters >= end) return [Math.min(first, index), index];
    if (first === pieces.length && letters >= skipped) first = index;
    letters += piece.text.replace(NOT_IN_WORDS, '').length;
  }
  return [first, pieces.length];
}

/**
 * How many token ids the pieces before `index` have. A piece is one token, but for characters that take several; which ones
 * do is not told, so the surplus is shared out over the pieces that may be such.
 */
function tokenCount(segment: Segment, index: number): number {
  const surplus = segment.tokenIds.length - segment.pieces.length;
  const mayBeSeveral = (piece: Piece) => /[^\0-\x7F]/.test(piece.text);
  const several = segment.pieces.filter(mayBeSeveral).length;
  const before = segment.pieces.slice(0, index).filter(mayBeSeveral).length;
  return index + (several === 0 ? 0 : Math.round((surplus * before) / several));
}

function letterCount(words: { text: string }[]): number {
  return words.reduce((sum, word) => sum + word.text.length, 0);
}

function textOf(pieces: Piece[]): string {
  return pieces.map((piece) => piece.text).join('');
}
