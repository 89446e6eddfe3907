// Sentences and paragraphs, by punctuation, pauses and length. Pure.
import { PARAGRAPH_MARK } from './dictation.ts';
import { endsSentence, type FormattedWord, textOf } from './words.ts';

export interface Sentence {
  text: string;
  startMs: number;
  endMs: number;
}

export interface Paragraph {
  sentences: Sentence[];
  wordCount: number;
  startMs: number;
  endMs: number;
}

export interface Paragraphs {
  /** A newline before everything, an empty line between paragraphs. */
  text: string;
  paragraphs: Paragraph[];
}

/** A pause this long after a full stop is a new thought. Within one thought the eye wants a rest after this much. */
const PAUSE_MS = 1500;
const SENTENCES_MAX = 5;
const WORDS_MAX = 100;

export function paragraphs(words: FormattedWord[]): Paragraphs {
  const groups: FormattedWord[][][] = [];
  let current: FormattedWord[][] = [];
  for (const sentence of sentences(words)) {
    if (current.length > 0 && breaksBefore(sentence, current)) {
      groups.push(current);
      current = [];
    }
    current.push(sentence);
  }
  if (current.length > 0) groups.push(current);
  const made = groups.map(paragraphFrom);
  const text = made.map((paragraph) => paragraph.sentences.map((sentence) => sentence.text).join(' '));
  return { text: made.length === 0 ? '' : `\n${text.join('\n\n')}`, paragraphs: made };
}

function sentences(words: FormattedWord[]): FormattedWord[][] {
  const groups: FormattedWord[][] = [];
  let isStart = true;
  for (const [index, word] of words.entries()) {
    if (isStart) groups.push([]);
    groups.at(-1)?.push(word);
    isStart = endsSentence(word, words[index + 1]) || word.punctuated.endsWith(PARAGRAPH_MARK);
  }
  return groups;
}

function breaksBefore(sentence: FormattedWord[], paragraph: FormattedWord[][]): boolean {
  const last = paragraph.at(-1)?.at(-1);
  const pauseMs = (sentence[0]?.startMs ?? 0) - (last?.endMs ?? 0);
  const isDictated = last?.punctuated.endsWith(PARAGRAPH_MARK) === true;
  return isDictated || pauseMs > PAUSE_MS || paragraph.length >= SENTENCES_MAX || paragraph.flat().length >= WORDS_MAX;
}

function paragraphFrom(group: FormattedWord[][]): Paragraph {
  return {
    sentences: group.map((sentence) => ({ text: textOf(sentence), ...spanOf(sentence) })),
    wordCount: group.flat().length,
    ...spanOf(group.flat()),
  };
}

function spanOf(words: FormattedWord[]): { startMs: number; endMs: number } {
  return { startMs: words[0]?.startMs ?? 0, endMs: words.at(-1)?.endMs ?? 0 };
}
