// What a recording in chunks has to be measured by: its words and their times beside those of a single pass, and beside what
// was said.
import type { KnownRecording } from './recording.ts';
import type { Heard } from './single-pass.ts';
import { align, bare, type TimedWord, wordErrorRate, wordsOf } from './word-alignment.ts';

/** As far from a cut a lost or doubled word is the cut's fault. */
const BESIDE_CUT_SECONDS = 1;
/** So near is a word's double: two chunks share no more words than that. */
const SAME_WORD_WITHIN = 5;

export interface Span {
  startSeconds: number;
  endSeconds: number;
}

/** Words as they are compared: without case and punctuation. */
const comparable = (words: TimedWord[]) =>
  words.map((word) => ({ ...word, text: bare(word.text) })).filter(({ text }) => text !== '');
const textsOf = (words: { text: string }[]) => words.map(({ text }) => text);

/** When each word was said: a reading's time, shared out among its letters. */
function saidWords({ readings }: KnownRecording): TimedWord[] {
  return readings.flatMap(({ text, startSeconds, endSeconds }) => {
    const words = wordsOf(text);
    const letters = words.join('').length;
    let before = 0;
    return words.map((word) => {
      const at = (count: number) => startSeconds + ((endSeconds - startSeconds) * count) / letters;
      const timed = { text: word, startSeconds: at(before), endSeconds: at(before + word.length) };
      before += word.length;
      return timed;
    });
  });
}

/** How far apart the words are that both have, at the median. */
function medianApart(left: TimedWord[], right: TimedWord[]): number {
  const apart = align(textsOf(left), textsOf(right)).flatMap((pair) => {
    const [one, other] = [left[pair.left ?? -1], right[pair.right ?? -1]];
    return pair.isEqual && one && other ? [Math.abs(one.startSeconds - other.startSeconds)] : [];
  });
  return apart.sort((one, other) => one - other)[Math.floor(apart.length / 2)] ?? Number.NaN;
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

export function compare(recording: KnownRecording, onePass: Heard, chunked: Heard, chunks: Span[]) {
  const cuts = besideCuts(chunks);
  const said = saidWords(recording);
  const [one, other] = [comparable(onePass.words), comparable(chunked.words)];
  const isBesideCut = (word: TimedWord) => cuts.some((cut) => isWithin(word, cut));
  const [oneRight, otherRight] = [rightWords(said, one), rightWords(said, other)];
  const pairs = align(textsOf(one), textsOf(other));
  return {
    errorRates: [one, other].map((words) => wordErrorRate(textsOf(said), textsOf(words))) as [number, number],
    /** The single pass heard them, and rightly; the chunks have nothing in their place. Both say where: a single pass errs in that. */
    lost: pairs.flatMap(({ left, right }) => {
      const word = one[left ?? -1];
      const meant = oneRight.get(left ?? -1);
      const isLost = word && meant && right === undefined && (isBesideCut(word) || isBesideCut(meant));
      return isLost ? [word.text] : [];
    }),
    /** Only the chunks have them, nobody said them, and the same word is near, on the other side of the cut. */
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
      right: [oneRight, otherRight].map((right) => [...right.values()].filter(isBesideCut).length) as [number, number],
    },
    apartSeconds: medianApart(one, other),
    apartFromSaid: [medianApart(said, one), medianApart(said, other)] as [number, number],
  };
}

const isWithin = (word: Span, cut: Span) => word.startSeconds <= cut.endSeconds && word.endSeconds >= cut.startSeconds;
const isBefore = (word: Span, cut: Span) => word.startSeconds + word.endSeconds < cut.startSeconds + cut.endSeconds;

/** Which of the words heard are right, and what was said there. */
function rightWords(said: TimedWord[], heard: TimedWord[]): Map<number, TimedWord> {
  const pairs = align(textsOf(said), textsOf(heard));
  return new Map(
    pairs.flatMap(({ left, right, isEqual }) => {
      const word = said[left ?? -1];
      return isEqual && word && right !== undefined ? [[right, word] as const] : [];
    }),
  );
}
