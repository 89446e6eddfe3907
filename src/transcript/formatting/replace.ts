// The caller's own words in place of what was heard. Pure.
import { type FormattedWord, type Rewrite, rewrite, splitPunctuation, spread } from './words.ts';

export interface Replacement {
  /** All in lowercase it is found in any case; with a capital it is found only as it is written, and goes first. */
  find: string;
  /** null deletes. */
  replacement: string | null;
}

interface Rule {
  find: string[];
  isCaseSensitive: boolean;
  into: string[];
}

/** More is surely no hand-written list; the rest is not looked at, which `formatTranscript` says in a warning. */
export const REPLACEMENTS_MAX = 200;
/** Of one `find`; a longer one is never found. */
const FIND_WORDS_MAX = 20;

export function replace(words: FormattedWord[], replacements: Replacement[]): FormattedWord[] {
  const rules = rulesByFirstWord(replacements.slice(0, REPLACEMENTS_MAX));
  if (rules.size === 0) return words;
  const cores = new Map(words.map((word) => [word, splitPunctuation(word.punctuated).core]));
  return rewrite(words, (all, at) => {
    const rule = rules.get(all[at]?.word.toLowerCase() ?? '')?.find((candidate) => matches(candidate, all, at, cores));
    return rule ? applied(rule, all.slice(at, at + rule.find.length)) : null;
  });
}

function rulesByFirstWord(replacements: Replacement[]): Map<string, Rule[]> {
  const rules = replacements
    .map(({ find, replacement }) => ({
      find: wordsOf(find).map((word) => splitPunctuation(word).core),
      isCaseSensitive: find !== find.toLowerCase(),
      into: wordsOf(replacement ?? ''),
    }))
    .filter(({ find }) => find.length > 0 && find.length <= FIND_WORDS_MAX && find.every((word) => word !== ''))
    // The more particular rule wins: case first, then length; sorting keeps the caller's order among equals.
    .sort(
      (first, second) =>
        Number(second.isCaseSensitive) - Number(first.isCaseSensitive) || second.find.length - first.find.length,
    );
  return Map.groupBy(rules, (rule) => rule.find[0]?.toLowerCase() ?? '');
}

function matches(rule: Rule, words: FormattedWord[], at: number, cores: Map<FormattedWord, string>): boolean {
  return rule.find.every((expected, offset) => {
    const word = words[at + offset];
    if (!word) return false;
    return rule.isCaseSensitive ? cores.get(word) === expected : word.word.toLowerCase() === expected;
  });
}

/** As the caller wrote it, case included, in `word` too: without punctuation that is the only text there is. */
function applied(rule: Rule, span: FormattedWord[]): Rewrite {
  const into = rule.into.length === 0 ? [] : spread(span, rule.into);
  return { count: span.length, words: into.map((word, index) => ({ ...word, word: rule.into[index] ?? word.word })) };
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
