// The caller's own words in place of what was heard. Pure.
import { type FormattedWord, type Rewrite, rewrite, splitPunctuation, spread } from './words.ts';

export interface Replacement {
  /** All in lowercase it is found in any case; with a capital it is found only as it is written, and goes first. */
  find: string;
  /** null deletes. */
  replacement: string | null;
}

export interface Replaced {
  words: FormattedWord[];
  /** Not every place that was found had room left for what was to be put there. */
  isCut: boolean;
}

/** What is found by the words that lead to here, and where further words lead. */
interface Step {
  next: Map<string, Step>;
  into: string[] | null;
}

interface Match {
  count: number;
  into: string[];
}

/** More is surely no hand-written list; the rest is not looked at, which `formatTranscript` says in a warning. */
export const REPLACEMENTS_MAX = 200;
/** Of one `find` and of what is put in its place; a rule that has more is not applied. */
export const FIND_WORDS_MAX = 20;
export const REPLACEMENT_WORDS_MAX = 50;
/** What all replacements may add to one transcript: two hours of speech. Unbounded, a few hits of a long one fill the memory. */
export const ADDED_CHARACTERS_MAX = 100_000;

/** Each place is compared with all rules at once, word by word, so that their number does not count. */
export function replace(words: FormattedWord[], replacements: Replacement[]): Replaced {
  const rules = replacements.slice(0, REPLACEMENTS_MAX).filter(isWithinBounds);
  if (rules.length === 0) return { words, isCut: false };
  const inAnyCase = rulesTree(rules.filter(({ find }) => !isCaseSensitive(find)));
  const inItsCase = rulesTree(rules.filter(({ find }) => isCaseSensitive(find)));
  const lowercase = words.map(({ word }) => word.toLowerCase());
  const asWritten = words.map(({ punctuated }) => splitPunctuation(punctuated).core);
  let added = 0;
  let isCut = false;
  const replaced = rewrite(words, (all, at) => {
    const match = longestMatch(inItsCase, asWritten, at) ?? longestMatch(inAnyCase, lowercase, at);
    if (!match) return null;
    const addition = textLength(match.into) - textLength(lowercase.slice(at, at + match.count));
    const isTooMuch = addition > 0 && added + addition > ADDED_CHARACTERS_MAX;
    isCut ||= isTooMuch;
    if (isTooMuch) return null;
    added += Math.max(0, addition);
    return applied(match, all.slice(at, at + match.count));
  });
  return { words: replaced, isCut };
}

export function isWithinBounds({ find, replacement }: Replacement): boolean {
  return wordsOf(find).length <= FIND_WORDS_MAX && wordsOf(replacement ?? '').length <= REPLACEMENT_WORDS_MAX;
}

function isCaseSensitive(find: string): boolean {
  return find !== find.toLowerCase();
}

/** Of two rules for the same words the caller's first one counts. */
function rulesTree(rules: Replacement[]): Step {
  const root: Step = { next: new Map(), into: null };
  for (const { find, replacement } of rules) {
    const cores = wordsOf(find).map((word) => splitPunctuation(word).core);
    if (cores.length === 0 || cores.includes('')) continue;
    let step = root;
    for (const core of cores) {
      const known = step.next.get(core) ?? { next: new Map(), into: null };
      step.next.set(core, known);
      step = known;
    }
    step.into ??= wordsOf(replacement ?? '');
  }
  return root;
}

function longestMatch(root: Step, texts: string[], at: number): Match | null {
  let longest: Match | null = null;
  let count = 0;
  for (let step = root.next.get(texts[at] ?? ''); step; step = step.next.get(texts[at + count] ?? '')) {
    count++;
    if (step.into) longest = { count, into: step.into };
  }
  return longest;
}

/** As the caller wrote it, case included, in `word` too: without punctuation that is the only text there is. */
function applied({ into }: Match, span: FormattedWord[]): Rewrite {
  const written = into.length === 0 ? [] : spread(span, into);
  return { count: span.length, words: written.map((word, index) => ({ ...word, word: into[index] ?? word.word })) };
}

/** With the space after each word. */
function textLength(words: string[]): number {
  return words.reduce((sum, word) => sum + word.length + 1, 0);
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
