// Owns the one type that the whole chain of formatting works on, and the few ways in which its words are read, joined and
// replaced. Knows no feature. Pure.
import assert from 'node:assert';
import type { Transcript } from '../transcript.ts';

export interface FormattedWord {
  /** Lowercase, without the punctuation around it (`don't`, `$25`, `p.m.`). Never empty. */
  word: string;
  /** As it is written in a punctuated transcript. */
  punctuated: string;
  startMs: number;
  endMs: number;
  /** 0–1. */
  confidence: number;
}

export interface Punctuation {
  before: string;
  core: string;
  after: string;
}

/** Words that take the place of `count` others. */
export interface Rewrite {
  count: number;
  words: FormattedWord[];
}

/** Punctuation that is not spoken; `%`, `&` and their like are spoken, so they are part of the word. */
const UNSPOKEN = /^(?![%&@#*/\\‰§])\p{P}$/u;
const SPOKEN = /^[\p{L}\p{N}]$/u;
const DIGIT = /^\d$/;
/** `p.m.`, `e.g.`, `U.S.`: the last dot belongs to the word. */
const DOTTED = /^\p{L}(?:\.\p{L}){1,4}$/u;
const DOTTED_CHARACTERS_MAX = 9;
const SENTENCE_END = /[.?!…。？！؟।]/u;
const ABBREVIATIONS = new Set(['mr', 'mrs', 'ms', 'dr', 'prof', 'st', 'vs', 'jr', 'sr', 'no']);

/** A lone mark that is only spoken within a word: `and / or`, `*`. */
const LONE_MARK = /^[*/\\]$/;

/** The transcript's words; one that is nothing but punctuation is left out, since nobody said it. */
export function toFormattedWords(transcript: Transcript): FormattedWord[] {
  return transcript.segments
    .flatMap((segment) => segment.words)
    .map(({ text, startMs, endMs, probability }) => ({
      word: bare(text),
      punctuated: text,
      startMs,
      endMs,
      confidence: probability,
    }))
    .filter(({ word }) => word !== '' && !LONE_MARK.test(word));
}

/** Walks in from both ends one character at a time: no pattern is ever run over a whole word, which may be of any length. */
export function splitPunctuation(text: string): Punctuation {
  // Most words have none, and each is asked for it many times.
  if (SPOKEN.test(text[0] ?? '') && SPOKEN.test(text.at(-1) ?? '')) return { before: '', core: text, after: '' };
  const characters = [...text];
  let start = 0;
  while (start < characters.length && isUnspoken(characters, start) && !opensNumber(characters, start)) start++;
  let end = characters.length;
  while (end > start && isUnspoken(characters, end - 1)) end--;
  const core = characters.slice(start, end).join('');
  if (characters[end] === '.' && core.length <= DOTTED_CHARACTERS_MAX && DOTTED.test(core)) end++;
  return {
    before: characters.slice(0, start).join(''),
    core: characters.slice(start, end).join(''),
    after: characters.slice(end).join(''),
  };
}

export function bare(text: string): string {
  return splitPunctuation(text).core.toLowerCase();
}

/** The words as text. Deepgram joins with a space in every language, Japanese included (seen in its answers, 2026). */
export function textOf(words: FormattedWord[]): string {
  return words.map(({ punctuated }) => punctuated).join(' ');
}

/** True where the voice may have rested: nothing said before belongs to a number that goes on after. */
export function endsPhrase(word: FormattedWord): boolean {
  // Asked of every word many times over, and most have no punctuation at all.
  return word.punctuated.length > word.word.length && splitPunctuation(word.punctuated).after !== '';
}

export function endsSentence(word: FormattedWord, next: FormattedWord | undefined): boolean {
  const { core, after } = splitPunctuation(word.punctuated);
  if (core.endsWith('.')) return SENTENCE_END.test(after) || !next || (isTimeOfDay(word.word) && isCapitalised(next));
  if (!SENTENCE_END.test(after)) return false;
  return !(after === '.' && next && ABBREVIATIONS.has(word.word));
}

export function isCapitalised({ punctuated }: FormattedWord): boolean {
  return /^\p{Lu}/u.test(splitPunctuation(punctuated).core);
}

export function capitalised(word: FormattedWord): FormattedWord {
  const { before, core, after } = splitPunctuation(word.punctuated);
  const [first = '', ...rest] = core;
  return { ...word, punctuated: `${before}${first.toUpperCase()}${rest.join('')}${after}` };
}

/** The same word with other text between its punctuation. */
export function withCore(word: FormattedWord, core: string): FormattedWord {
  const { before, after } = splitPunctuation(word.punctuated);
  return { ...word, word: core.toLowerCase(), punctuated: `${before}${core}${after}` };
}

/** Several words as one, with the punctuation before the first and after the last. */
export function joined(words: FormattedWord[], core: string): FormattedWord {
  const [word] = spread(words, [core]);
  assert(word, 'only words can be joined');
  return word;
}

/** Other texts in place of some words: one for one they keep their times, otherwise they share the whole time evenly. */
export function spread(words: FormattedWord[], cores: string[]): FormattedWord[] {
  const [first, last] = [words[0], words.at(-1)];
  if (!first || !last) return [];
  const stepMs = (last.endMs - first.startMs) / cores.length;
  const confidence = words.reduce((sum, word) => sum + word.confidence, 0) / words.length;
  return cores.map((core, index) => {
    const before = index === 0 ? splitPunctuation(first.punctuated).before : '';
    const after = index === cores.length - 1 ? splitPunctuation(last.punctuated).after : '';
    const own = cores.length === words.length ? words[index] : undefined;
    return {
      word: core.toLowerCase(),
      punctuated: `${before}${core}${after}`,
      startMs: own?.startMs ?? Math.round(first.startMs + index * stepMs),
      endMs: own?.endMs ?? Math.round(first.startMs + (index + 1) * stepMs),
      confidence: own?.confidence ?? confidence,
    };
  });
}

/**
 * One pass from left to right: wherever `match` answers, its words take the place of those it counted. With none to take
 * their place, the sentence is mended. `match` must look at a bounded number of words, so that the pass is linear.
 */
export function rewrite(
  words: FormattedWord[],
  match: (words: FormattedWord[], at: number) => Rewrite | null,
): FormattedWord[] {
  const written: FormattedWord[] = [];
  let isNextCapitalised = false;
  let at = 0;
  while (at < words.length) {
    const word = words[at] as FormattedWord;
    const found = match(words, at);
    const isRemoval = found !== null && found.words.length === 0;
    if (isRemoval) {
      isNextCapitalised ||= isCapitalised(word) && startsSentence(written, word);
      inheritPunctuation(written, words[at + found.count - 1] ?? word);
    } else {
      const [first = word, ...rest] = found?.words ?? [word];
      written.push(isNextCapitalised ? capitalised(first) : first, ...rest);
      isNextCapitalised = false;
    }
    at += found?.count ?? 1;
  }
  return written;
}

function startsSentence(written: FormattedWord[], word: FormattedWord): boolean {
  const previous = written.at(-1);
  return !previous || endsSentence(previous, word);
}

/** `so, um, yes` loses both commas with the word between them; the full stop of `go um.` is left to `go`. */
function inheritPunctuation(written: FormattedWord[], removed: FormattedWord): void {
  const previous = written.at(-1);
  if (!previous) return;
  const mark = splitPunctuation(removed.punctuated).after;
  const own = splitPunctuation(previous.punctuated);
  if (mark === ',' && own.after === ',')
    written[written.length - 1] = { ...previous, punctuated: own.before + own.core };
  if (SENTENCE_END.test(mark) && (own.after === '' || own.after === ',')) {
    written[written.length - 1] = { ...previous, punctuated: own.before + own.core + mark };
  }
}

function isUnspoken(characters: string[], index: number): boolean {
  return UNSPOKEN.test(characters[index] ?? '');
}

/** The sign or point of `-5` and `.5`. */
function opensNumber(characters: string[], index: number): boolean {
  return /^[-.]$/.test(characters[index] ?? '') && DIGIT.test(characters[index + 1] ?? '');
}

function isTimeOfDay(word: string): boolean {
  return word === 'a.m.' || word === 'p.m.';
}
