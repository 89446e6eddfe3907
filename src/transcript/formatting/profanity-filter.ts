// Each profane word → asterisks of its own length. English: the list holds words that are harmless elsewhere. Pure.
import profanities from './data/profanities.json' with { type: 'json' };
import { type FormattedWord, splitPunctuation } from './words.ts';

const PROFANITIES = new Set(profanities);
/** `bullshitter's`, `mother-fucker`: the stem is looked up as well, in words that are not longer than any on the list could be. */
const WORD_CHARACTERS_MAX = 40;

export function maskProfanities(words: FormattedWord[]): FormattedWord[] {
  return words.map((word) => (isProfane(word.word) ? masked(word) : word));
}

function isProfane(word: string): boolean {
  if (word.length > WORD_CHARACTERS_MAX) return false;
  const stem = word.replace(/['’]s?$/, '');
  return PROFANITIES.has(stem) || PROFANITIES.has(stem.replaceAll('-', '')) || stem.split('-').some(isListed);
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
