// Each profane word → asterisks of its own length. English: the list holds words that are harmless elsewhere. Pure.
import profanities from './data/profanities.json' with { type: 'json' };
import { endsPhrase, endsSentence, type FormattedWord, isCapitalised, splitPunctuation } from './words.ts';

const PROFANITIES = new Set(profanities);
/** `bullshitter's`, `mother-fucker`: the stem is looked up as well, in words that are not longer than any on the list could be. */
const WORD_CHARACTERS_MAX = 40;

/** Profanities that people are called as well, where they are written as a name. */
const NAMES = new Set(['dick']);

export function maskProfanities(words: FormattedWord[]): FormattedWord[] {
  return words.map((word, at) => (isProfane(word.word) && !isOfName(words, at) ? masked(word) : word));
}

/** `Dick Cheney`, `with Dick`; at the start of a sentence a capital alone says nothing. */
function isOfName(words: FormattedWord[], at: number): boolean {
  const [previous, word, next] = [words[at - 1], words[at], words[at + 1]];
  if (!word || !NAMES.has(stemOf(word.word)) || !isCapitalised(word)) return false;
  const isWithin = previous !== undefined && !endsSentence(previous, word);
  return isWithin || (next !== undefined && !endsPhrase(word) && isCapitalised(next));
}

function isProfane(word: string): boolean {
  if (word.length > WORD_CHARACTERS_MAX) return false;
  const stem = stemOf(word);
  return PROFANITIES.has(stem) || PROFANITIES.has(stem.replaceAll('-', '')) || stem.split('-').some(isListed);
}

function stemOf(word: string): string {
  return word.replace(/['’]s?$/, '');
}

function isListed(part: string): boolean {
  return PROFANITIES.has(part);
}

function masked(word: FormattedWord): FormattedWord {
  const { before, core, after } = splitPunctuation(word.punctuated);
  return { ...word, word: asterisks(word.word), punctuated: before + asterisks(core) + after };
}

function asterisks(text: string): string {
  return '*'.repeat([...text].length);
}
