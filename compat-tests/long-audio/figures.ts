// What a recording in chunks has to be measured by: its words and their times beside those of a single pass, and beside what
// was said.
import type { KnownRecording } from './recording.ts';
import type { Heard } from './single-pass.ts';
import { align, type TimedWord, wordsOf } from './word-alignment.ts';

/** As far from a cut a lost or doubled word is the cut's fault. */
const BESIDE_CUT_SECONDS = 1;
/** So near is a word's double: two chunks share no more words than that. */
const SAME_WORD_WITHIN = 5;
/** Chance goes further in one case of forty. */
const STANDARD_ERRORS = 2;
/** A word that the single pass stamped so near to where it was said has a time to compare with. */
const RIGHT_TIME_SECONDS = 0.2;

export interface Span {
  startSeconds: number;
  endSeconds: number;
}

/** Of a single pass and of the chunks. */
export type Both<T> = [single: T, chunks: T];

export interface Figures {
  said: number;
  chunks: number;
  /** Words that are wrong, missing or too many, of each reading. */
  errors: Both<number[]>;
  /** The single pass heard them, and rightly; the chunks have nothing in their place, within a second of a cut. */
  lost: string[];
  /** Only the chunks have them, nobody said them, and the same word is near, on the other side of a cut. */
  doubled: string[];
  besideCuts: { said: number; right: Both<number> };
  /** Medians. A single pass stamps words into pauses; the third compares those that it stamped where they were said. */
  secondsFromSaid: Both<number>;
  secondsApart: number;
  secondsApartWhereRight: number;
  /** What the single pass has right and the chunks have not, with its time. */
  onlyWrongInChunks: string[];
}

const textsOf = (words: { text: string }[]) => words.map(({ text }) => text);

/** Words as they are compared; one that is written as several has the time of all. */
function comparable(words: TimedWord[], language: string): TimedWord[] {
  return words.flatMap((word) => wordsOf(word.text, language).map((text) => ({ ...word, text })));
}

interface SaidWord extends TimedWord {
  /** Which of the recording's readings it is in. */
  reading: number;
}

/** When each word was said: a reading's time, shared out among its letters. */
function saidWords({ readings, language }: KnownRecording): SaidWord[] {
  return readings.flatMap(({ text, startSeconds, endSeconds }, reading) => {
    const words = wordsOf(text, language);
    const letters = words.join('').length;
    let before = 0;
    return words.map((word) => {
      const at = (count: number) => startSeconds + ((endSeconds - startSeconds) * count) / letters;
      const timed = { reading, text: word, startSeconds: at(before), endSeconds: at(before + word.length) };
      before += word.length;
      return timed;
    });
  });
}

/** The stretches in which a word's fate is the cut's doing. */
function besideCuts(chunks: Span[]): Span[] {
  return chunks.slice(1).map((chunk, index) => {
    const borders = [chunk.startSeconds, chunks[index]?.endSeconds ?? 0];
    return {
      startSeconds: Math.min(...borders) - BESIDE_CUT_SECONDS,
      endSeconds: Math.max(...borders) + BESIDE_CUT_SECONDS,
    };
  });
}

export function compare(recording: KnownRecording, onePass: Heard, chunked: Heard, chunks: Span[]): Figures {
  const cuts = besideCuts(chunks);
  const said = saidWords(recording);
  const [one, other] = [onePass, chunked].map(({ words }) => comparable(words, recording.language)) as Both<
    TimedWord[]
  >;
  const isBesideCut = (word: TimedWord) => cuts.some((cut) => isWithin(word, cut));
  const [oneReading, otherReading] = [readingOf(said, one), readingOf(said, other)];
  const [oneRight, otherRight] = [oneReading.right, otherReading.right];
  const rightInChunks = new Set(otherRight.values());
  const pairs = align(textsOf(one), textsOf(other));
  const equal = pairs.flatMap(({ left, right, isEqual }) => {
    const [first, second] = [one[left ?? -1], other[right ?? -1]];
    return isEqual && first && second ? [{ one: first, other: second, said: oneRight.get(left ?? -1) }] : [];
  });
  return {
    said: said.length,
    chunks: chunks.length,
    errors: [oneReading.errors, otherReading.errors],
    lost: pairs.flatMap(({ left, right }, at) => {
      const word = one[left ?? -1];
      const meant = oneRight.get(left ?? -1);
      if (!word || !meant || right !== undefined) return [];
      // "dial entry" may be written as one word.
      const isJoined = [pairs[at - 1], pairs[at + 1]].some((beside) =>
        other[beside?.right ?? -1]?.text.includes(word.text),
      );
      // Both say where: a single pass errs in that.
      return !isJoined && (isBesideCut(word) || isBesideCut(meant)) ? [word.text] : [];
    }),
    doubled: pairs.flatMap(({ left, right }) => {
      const word = other[right ?? -1];
      if (!word || right === undefined || left !== undefined || otherRight.has(right)) return [];
      const near = other.slice(Math.max(0, right - SAME_WORD_WITHIN), right + SAME_WORD_WITHIN + 1);
      const isDouble = cuts
        .filter((cut) => isWithin(word, cut))
        .some((cut) => near.some((twin) => twin.text === word.text && isBefore(twin, cut) !== isBefore(word, cut)));
      return isDouble ? [word.text] : [];
    }),
    besideCuts: {
      said: said.filter(isBesideCut).length,
      right: [oneRight, otherRight].map((right) => [...right.values()].filter(isBesideCut).length) as Both<number>,
    },
    secondsFromSaid: [apart(one, oneRight), apart(other, otherRight)],
    secondsApart: median(equal.map((pair) => secondsBetween(pair.one, pair.other))),
    secondsApartWhereRight: median(
      equal
        .filter((pair) => pair.said && secondsBetween(pair.said, pair.one) <= RIGHT_TIME_SECONDS)
        .map((pair) => secondsBetween(pair.one, pair.other)),
    ),
    onlyWrongInChunks: [...oneRight.values()]
      .filter((word) => !rightInChunks.has(word))
      .map((word) => `${word.text} (${word.startSeconds.toFixed(1)} s)`),
  };
}

/** Several recordings as one: errors in percent of the words that were said. */
export function errorRates(all: Figures[]): Both<number> {
  const said = all.reduce((sum, figures) => sum + figures.said, 0);
  return [0, 1].map((side) => (100 * sum(all.flatMap(({ errors }) => errors[side] ?? []))) / said) as Both<number>;
}

/**
 * The standard error of the difference of both rates: what of it is chance in which words of which reading so small a model
 * mishears, which any change of the sound around them changes, if only by a few milliseconds.
 */
export function standardError(all: Figures[]): number {
  const said = all.reduce((sum, figures) => sum + figures.said, 0);
  const differences = all.flatMap(({ errors: [one, other] }) => one.map((count, index) => (other[index] ?? 0) - count));
  return (100 * Math.sqrt(sum(differences.map((difference) => difference ** 2)))) / said;
}

/**
 * By how many points the chunks are worse, beyond what chance explains. Which words so small a model mishears is chance: two such sums of
 * errors differ by a point or two in a quarter of an hour of French, of which a fifth is misheard.
 */
export function riseBeyondChance(all: Figures[]): number {
  const [oneRate, chunkedRate] = errorRates(all);
  return chunkedRate - oneRate - STANDARD_ERRORS * standardError(all);
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
const isWithin = (word: Span, cut: Span) => word.startSeconds <= cut.endSeconds && word.endSeconds >= cut.startSeconds;
const isBefore = (word: Span, cut: Span) => word.startSeconds + word.endSeconds < cut.startSeconds + cut.endSeconds;
const secondsBetween = (one: Span, other: Span) => Math.abs(one.startSeconds - other.startSeconds);

function apart(heard: TimedWord[], right: Map<number, TimedWord>): number {
  return median([...right].flatMap(([index, said]) => (heard[index] ? [secondsBetween(heard[index], said)] : [])));
}

function median(values: number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Which of the words heard are right, and what was said there; the errors of each reading. */
function readingOf(said: SaidWord[], heard: TimedWord[]): { right: Map<number, TimedWord>; errors: number[] } {
  const right = new Map<number, TimedWord>();
  const errors = new Array<number>((said.at(-1)?.reading ?? -1) + 1).fill(0);
  let reading = 0;
  for (const pair of align(textsOf(said), textsOf(heard))) {
    const word = said[pair.left ?? -1];
    // A word too many belongs to what was said before it.
    reading = word?.reading ?? reading;
    if (word && pair.isEqual && pair.right !== undefined) right.set(pair.right, word);
    else errors[reading] = (errors[reading] ?? 0) + 1;
  }
  return { right, errors };
}
