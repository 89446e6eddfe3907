// Where a phrase was said, or something like it. Compares letters, not sounds. Pure.
//
// Cost: one pass over the transcript's characters for each 32 characters of each term (Myers' bit-parallel edit distance), then
// a look at no more than PLACES_MAX places. It grows with the transcript, and nothing else is served meanwhile: 50 terms of 30
// characters took 0.1 s over an hour of words and 0.6 s over ten, 50 of the longest, which is the bound, 0.3 s and 1.1 s.
import { distancesByEnd, distancesByStart } from './edit-distance.ts';
import { bare, type FormattedWord } from './words.ts';

export interface Hit {
  /** How alike the letters are, times how sure the engine was of the words; 0 where less than half is alike. */
  confidence: number;
  startMs: number;
  endMs: number;
  snippet: string;
}

export interface Search {
  query: string;
  /** The best places that do not overlap, best first, even where they are no match at all. */
  hits: Hit[];
}

export const SEARCH_TERMS_MAX = 50;
export const SEARCH_TERM_CHARACTERS_MAX = 128;
const HITS_MAX = 10;
/** Places that are weighed for the hits: neighbours of a good one overlap it, so there are more of them than hits. */
const PLACES_MAX = 30;

/** The words in one string, each between two separators. */
interface SearchedText {
  /** Nothing where words are written without spaces: the caller cannot know what the engine takes for a word there. */
  separator: ' ' | '';
  words: FormattedWord[];
  text: string;
  /** Where each word begins, and one past the last. */
  starts: number[];
}

/** A term that is too long has no hits; of too many terms the rest is not searched. */
export function search(words: FormattedWord[], terms: string[], isSpaced = true): Search[] {
  const searched = searchedText(words, isSpaced ? ' ' : '');
  return terms.slice(0, SEARCH_TERMS_MAX).map((query) => ({ query, hits: hitsOf(searched, query) }));
}

function searchedText(words: FormattedWord[], separator: ' ' | ''): SearchedText {
  // Once more in lowercase, since what the caller put in kept its case.
  const texts = words.map(({ word }) => word.toLowerCase() + separator);
  const starts = [separator.length];
  for (const [index, text] of texts.entries()) starts.push((starts[index] ?? 0) + text.length);
  return { separator, words, text: separator + texts.join(''), starts };
}

function hitsOf(searched: SearchedText, query: string): Hit[] {
  if (query.length > SEARCH_TERM_CHARACTERS_MAX) return [];
  const term = query
    .split(/\s+/)
    .map(bare)
    .filter((word) => word !== '')
    .join(searched.separator);
  if (term === '') return [];
  // The spaces around it make half words cost something.
  const pattern = searched.separator + term + searched.separator;
  const found: (Hit & { first: number; last: number })[] = [];
  for (const last of likelyEnds(searched, pattern)) {
    const hit = bestWindow(searched, pattern, last);
    if (!found.some((other) => other.first <= hit.last && hit.first <= other.last)) found.push(hit);
    if (found.length === HITS_MAX) break;
  }
  return found
    .sort((one, other) => other.confidence - one.confidence || one.startMs - other.startMs)
    .map(({ confidence, startMs, endMs, snippet }) => ({ confidence, startMs, endMs, snippet }));
}

/** The words that the likeliest windows end with, by rising distance: counted into shelves, as there are few distances. */
function likelyEnds({ text, words, starts }: SearchedText, pattern: string): number[] {
  const distances = distancesByEnd(pattern, text);
  const shelves: number[][] = Array.from({ length: pattern.length + 1 }, () => []);
  for (let index = 0; index < words.length; index++) {
    // The window ends with the last character before the next word.
    shelves[distances[(starts[index + 1] ?? 0) - 1] ?? pattern.length]?.push(index);
  }
  const ends: number[] = [];
  for (const shelf of shelves) {
    ends.push(...shelf.slice(0, PLACES_MAX - ends.length));
    if (ends.length === PLACES_MAX) break;
  }
  return ends;
}

/** Of the windows that end with the word `last`, the one most like the pattern. */
function bestWindow({ separator, text, words, starts }: SearchedText, pattern: string, last: number) {
  const end = starts[last + 1] ?? text.length;
  // No window that is twice as long can be half alike.
  const reach = text.slice(Math.max(0, end - 2 * pattern.length), end);
  const distances = distancesByStart(pattern, reach);
  let first = last;
  // The outer separators always agree, so they say nothing of how alike the letters are.
  let likeness = 0;
  for (let index = last; index >= 0; index--) {
    const length = end - (starts[index] ?? 0) + separator.length;
    if (length > reach.length) break;
    const alike = 1 - (distances[length] ?? length) / (Math.max(pattern.length, length) - 2 * separator.length);
    if (alike > likeness) [first, likeness] = [index, alike];
  }
  const window = words.slice(first, last + 1);
  const certainty = window.reduce((sum, { confidence }) => sum + confidence, 0) / window.length;
  return {
    // Any two words have some letters in common; what is only half alike is not alike.
    confidence: Math.max(0, 2 * likeness - 1) * certainty,
    startMs: window[0]?.startMs ?? 0,
    endMs: window.at(-1)?.endMs ?? 0,
    snippet: window.map(({ word }) => word).join(' '),
    first,
    last,
  };
}
