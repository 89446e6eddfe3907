// Spoken commands → the marks they name: `thank you period` → `thank you.` English. Pure.
import {
  capitalised,
  endsPhrase,
  endsSentence,
  type FormattedWord,
  type Rewrite,
  rewrite,
  splitPunctuation,
} from './words.ts';

const COMMANDS = new Map([
  ['period', '.'],
  ['comma', ','],
  ['colon', ':'],
  ['question mark', '?'],
  ['exclamation mark', '!'],
  ['new line', '<\n>'],
  ['newline', '<\n>'],
  ['new paragraph', '<\n\n>'],
]);
/** After these a command is spoken of: `a new line of business`, `the period`. */
const DETERMINERS = new Set('a an the this that these those each every any my your his her its our their'.split(' '));
const BREAK = /<\n+>$/;

/** How a word ends that a dictated paragraph follows. */
export const PARAGRAPH_MARK = '<\n\n>';

/**
 * A mark joins the word before it, in place of what the engine guessed there; at the very beginning it has nothing to mark.
 * What the mark ends, the next word begins anew.
 */
export function dictation(words: FormattedWord[]): FormattedWord[] {
  const written: FormattedWord[] = [];
  for (const word of rewrite(words, matchCommand)) {
    const previous = written.at(-1);
    if (COMMANDS.has(word.word) && !isSpokenOf(previous)) {
      if (previous) written[written.length - 1] = marked(previous, COMMANDS.get(word.word) ?? '');
    } else {
      const isNewStart = previous !== undefined && (BREAK.test(previous.punctuated) || endsSentence(previous, word));
      written.push(isNewStart ? capitalised(word) : word);
    }
  }
  return written;
}

/** Commands of two words as one, so that they are met like the others. */
function matchCommand(words: FormattedWord[], at: number): Rewrite | null {
  const [first, second] = [words[at], words[at + 1]];
  if (!first || !second || endsPhrase(first) || isSpokenOf(words[at - 1])) return null;
  const word = `${first.word} ${second.word}`;
  return COMMANDS.has(word) ? { count: 2, words: [{ ...first, word, endMs: second.endMs }] } : null;
}

function isSpokenOf(previous: FormattedWord | undefined): boolean {
  return previous !== undefined && DETERMINERS.has(previous.word) && !endsPhrase(previous);
}

function marked(word: FormattedWord, mark: string): FormattedWord {
  // A line break comes on top of a mark, a mark in place of another.
  if (BREAK.test(mark) || BREAK.test(word.punctuated)) return { ...word, punctuated: word.punctuated + mark };
  const { before, core } = splitPunctuation(word.punctuated);
  return { ...word, punctuated: before + core + mark };
}
