// Owns the order in which a transcript is formatted, and what is said of options that cannot be honoured. One transcript is one
// channel; the caller puts channels together. Knows no vendor's names. Pure.
import type { Transcript } from '../transcript.ts';
import { UNSPACED_LANGUAGES } from '../words.ts';
import { confidenceOf } from './confidence.ts';
import { dictation } from './dictation.ts';
import { withoutFillerWords } from './filler-words.ts';
import { measurements } from './measurements.ts';
import { numerals } from './numerals.ts';
import { type Paragraphs, paragraphs } from './paragraphs.ts';
import { maskProfanities } from './profanity-filter.ts';
import { withoutPunctuation } from './punctuate.ts';
import { askedRedactions, redact, unsupportedRedactions } from './redact.ts';
import {
  ADDED_CHARACTERS_MAX,
  FIND_WORDS_MAX,
  isWithinBounds,
  REPLACEMENT_WORDS_MAX,
  REPLACEMENTS_MAX,
  type Replacement,
  replace,
} from './replace.ts';
import { SEARCH_TERM_CHARACTERS_MAX, SEARCH_TERMS_MAX, type Search, search } from './search.ts';
import { smartFormat } from './smart-format.ts';
import { type Utterance, utterances } from './utterances.ts';
import { type FormattedWord, textOf, toFormattedWords } from './words.ts';

export interface FormattingOptions {
  /** Case and punctuation; `smartFormat` and `paragraphs` bring them too. */
  punctuate: boolean;
  smartFormat: boolean;
  paragraphs: boolean;
  utterances: boolean;
  /** The pause between two words that ends an utterance. */
  utteranceSplitMs: number;
  numerals: boolean;
  measurements: boolean;
  dictation: boolean;
  /** Keeps `uh` and `um`. */
  fillerWords: boolean;
  profanityFilter: boolean;
  /** What to take out, by Deepgram's names in lowercase: `numbers`, `pci`, `ssn`. */
  redact: string[];
  replace: Replacement[];
  search: string[];
}

export interface FormattingWarning {
  parameter: keyof FormattingOptions;
  message: string;
}

export interface Formatted {
  /** The words' `punctuated`, joined by spaces. */
  text: string;
  words: FormattedWord[];
  /** Whether words have case and punctuation; without, `punctuated` equals `word`. */
  isPunctuated: boolean;
  confidence: number;
  /** These three only where they were asked for. */
  paragraphs?: Paragraphs;
  utterances?: Utterance[];
  searches?: Search[];
  warnings: FormattingWarning[];
}

export const FORMATTING_DEFAULTS: FormattingOptions = {
  punctuate: false,
  smartFormat: false,
  paragraphs: false,
  utterances: false,
  utteranceSplitMs: 800,
  numerals: false,
  measurements: false,
  dictation: false,
  fillerWords: false,
  profanityFilter: false,
  redact: [],
  replace: [],
  search: [],
};

/** Of the caller's own text in a warning. */
const NAMES_MAX = 20;
const NAME_CHARACTERS_MAX = 40;
const ENGLISH_ONLY = ['smartFormat', 'numerals', 'measurements', 'dictation', 'profanityFilter'] as const;

/** The same words mean something else in other languages. */
const ENGLISH_OFF = {
  smartFormat: false,
  numerals: false,
  measurements: false,
  dictation: false,
  fillerWords: true,
  profanityFilter: false,
};

export function formatTranscript(transcript: Transcript, options: FormattingOptions): Formatted {
  const isEnglish = transcript.task === 'translate' || transcript.language === 'en';
  const isPunctuated = options.punctuate || options.smartFormat || options.paragraphs;
  const isSpaced = isEnglish || !UNSPACED_LANGUAGES.has(transcript.language);
  const english = isEnglish ? options : { ...options, ...ENGLISH_OFF };
  let words = toFormattedWords(transcript);
  // 1. An `um` in the middle of a number or a command would hide it.
  if (!english.fillerWords) words = withoutFillerWords(words);
  // 2. A dictated full stop ends a number; its words must be gone before `dot` and `period` mean something else.
  if (english.dictation && isPunctuated) words = dictation(words);
  // 3. Numbers, while the engine's punctuation still says where one ends. smart_format has numerals in it.
  if (english.smartFormat) words = smartFormat(words);
  else if (english.numerals) words = numerals(words);
  // 4. Units follow numbers, whichever way these are written by now.
  if (english.measurements) words = measurements(words);
  // 5. Before anything is put in that nobody said.
  if (english.profanityFilter) words = maskProfanities(words);
  // 6. After numbers are joined, so that no part of one is left over; it reads spelled-out numbers as well.
  const redactions = askedRedactions(options.redact);
  if (redactions.length > 0) words = redact(words, redactions, isEnglish);
  // 7. The caller's words are final: no filter looks at them any more, and none brings back what was redacted.
  const replaced = replace(words, options.replace);
  words = replaced.words;
  // 8. Last of what changes words: until here sentences were told by their punctuation, and `replace` by case.
  if (!isPunctuated) words = withoutPunctuation(words);
  // 9. What is derived from the words, and so can never tell more than they do.
  return {
    text: textOf(words),
    words,
    isPunctuated,
    confidence: confidenceOf(words),
    ...((options.paragraphs || options.smartFormat) && { paragraphs: paragraphs(words) }),
    ...(options.utterances && { utterances: utterances(words, options.utteranceSplitMs) }),
    ...(options.search.length > 0 && { searches: search(words, options.search, isSpaced) }),
    warnings: [
      ...warningsFor(options, { isEnglish, isPunctuated, language: transcript.language }),
      ...replacementWarnings(options.replace, replaced.isCut),
    ],
  };
}

function warningsFor(
  options: FormattingOptions,
  of: { isEnglish: boolean; isPunctuated: boolean; language: string },
): FormattingWarning[] {
  const warnings: FormattingWarning[] = [];
  const warn = (parameter: keyof FormattingOptions, message: string) => warnings.push({ parameter, message });
  for (const parameter of ENGLISH_ONLY) {
    if (options[parameter] && !of.isEnglish) warn(parameter, `Only available for English, not for '${of.language}'.`);
  }
  if (options.dictation && of.isEnglish && !of.isPunctuated) warn('dictation', 'Needs punctuation, which is off.');
  const redactions = askedRedactions(options.redact);
  const unsupported = unsupportedRedactions(redactions);
  if (unsupported.length > 0) {
    const names = unsupported.slice(0, NAMES_MAX).map((name) => `'${name.slice(0, NAME_CHARACTERS_MAX)}'`);
    warn(
      'redact',
      `Not redacted: ${names.join(', ')}. Only numbers, card details and social security numbers are found.`,
    );
  }
  if (redactions.length > 0 && !of.isEnglish) {
    warn('redact', `Numbers are only redacted where they are written in digits, not spelled out in '${of.language}'.`);
  }
  if (options.search.length > SEARCH_TERMS_MAX) warn('search', `Only the first ${SEARCH_TERMS_MAX} are searched.`);
  if (options.search.some((term) => term.length > SEARCH_TERM_CHARACTERS_MAX)) {
    warn('search', `Terms of more than ${SEARCH_TERM_CHARACTERS_MAX} characters are not searched.`);
  }
  return warnings;
}

function replacementWarnings(replacements: Replacement[], isCut: boolean): FormattingWarning[] {
  const messages: string[] = [];
  if (replacements.length > REPLACEMENTS_MAX) messages.push(`Only the first ${REPLACEMENTS_MAX} are applied.`);
  if (!replacements.every(isWithinBounds)) {
    messages.push(
      `Not applied where more than ${FIND_WORDS_MAX} words are to be found or more than ${REPLACEMENT_WORDS_MAX} put in.`,
    );
  }
  if (isCut) messages.push(`No more than ${ADDED_CHARACTERS_MAX} characters are added; from there on words were kept.`);
  return messages.map((message) => ({ parameter: 'replace', message }));
}
