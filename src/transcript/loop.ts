// Finds the text of a decoder caught in a loop. Pure.
import { compressionRatio } from './compression.ts';

/** openai-whisper's bound (`compression_ratio_threshold`): above it a text most likely repeats itself. */
const COMPRESSION_RATIO_MAX = 2.4;
/** The same again and again, this often, over this many letters at least: a speaker's "no no no" is shorter. */
const REPEATS_MIN = 4;
const LOOP_LETTERS_MIN = 24;
/** The longest thing repeated that is looked for: a sentence or two. */
const PERIOD_LETTERS_MAX = 120;
/** A text is a loop when so much of it lies in one. */
const LOOP_SHARE_MIN = 0.5;

/** For each text whether it is (a part of) a loop; one may run through all of them. */
export function loopsIn(texts: string[]): boolean[] {
  const letters = texts.map(lettersOf);
  const looped = repeated(letters.join(''));
  let begin = 0;
  return letters.map((own, index) => {
    const end = begin + own.length;
    const count = looped.slice(begin, end).reduce((sum, isLooped) => sum + isLooped, 0);
    begin = end;
    const isLoop = own.length > 0 && count >= own.length * LOOP_SHARE_MIN;
    return isLoop || compressionRatio(texts[index] ?? '') > COMPRESSION_RATIO_MAX;
  });
}

/** What is said of a text, without spaces, case and punctuation; half characters, a loop's commonest debris, included. */
export function lettersOf(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\uFFFD]/gu, '');
}

/** 1 for each character that lies in a repetition. */
function repeated(text: string): Uint8Array {
  const marks = new Uint8Array(text.length);
  for (let period = 1; period <= Math.min(PERIOD_LETTERS_MAX, text.length / REPEATS_MIN); period++) {
    let begin = 0;
    for (let at = period; at <= text.length; at++) {
      if (at < text.length && text[at] === text[at - period]) continue;
      const length = at - begin;
      if (length >= Math.max(LOOP_LETTERS_MIN, REPEATS_MIN * period)) marks.fill(1, begin, at);
      begin = at - period + 1;
    }
  }
  return marks;
}
