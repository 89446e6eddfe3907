// Deepgram's options → what is asked of the gateway, how its answer is to be formatted, and which options can have no
// effect here. Pure but for the look at which models there are.

import { GatewayError } from '../../errors.ts';
import type { ModelListing, Transcriber } from '../../transcribe/recorded.ts';
import type { FormattingOptions } from '../../transcript/formatting/format.ts';
import { type BiasTerm, biasPrompt } from '../../transcript/formatting/prompt-bias.ts';
import type { Replacement } from '../../transcript/formatting/replace.ts';
import { LANGUAGE_NAME_BY_CODE, languageCode } from '../../transcript/languages.ts';
import { RAW_ENCODINGS, type RawFormat } from '../../transcript/recording.ts';
import type { TranscriptionRequest } from '../../transcript/request.ts';
import { findModel } from './model-names.ts';
import { invalidQuery, type ListenQuery } from './query.ts';
import type { Warning } from './schema.ts';

export interface DeepgramRequest {
  transcription: TranscriptionRequest;
  isMultichannel: boolean;
  formatting: FormattingOptions;
  /** Whether words and channels say which language they are in. */
  isMultilingual: boolean;
  /** The languages that a detected one should be among, empty for any; undefined when none was to be detected. */
  detectable: string[] | undefined;
  hasEntities: boolean;
  callback: { url: string; method: 'POST' | 'PUT' } | undefined;
  tags: string[];
  extra: Record<string, string>;
  /** Options that were understood and have no effect here. */
  warnings: Warning[];
}

/** The vendor's limit on what a caller may expect to be said. */
const KEYTERM_TOKENS_MAX = 500;

export async function readRequest(
  query: ListenQuery,
  cache: TranscriptionRequest['cache'],
  models: Transcriber['models'],
): Promise<DeepgramRequest> {
  refuseContradictions(query);
  const callback = readCallback(query);
  const model = await findModel(query.model, models);
  const { language, detectable } = readLanguage(query, model);
  const isMultilingual = query.language === 'multi' && detectable === undefined;
  const { prompt, dropped } = biasPrompt(null, readTerms(query));
  return {
    transcription: {
      model: model.id,
      options: {
        task: 'transcribe',
        language,
        prompt,
        temperature: 0,
        ...(isMultilingual && { languagePerChunk: true }),
      },
      cache,
      channel: null,
      raw: readRawFormat(query),
    },
    isMultichannel: query.multichannel,
    formatting: readFormatting(query),
    isMultilingual,
    detectable,
    hasEntities: query.detect_entities,
    callback,
    tags: query.tag,
    extra: Object.fromEntries(query.extra.map((item) => splitOnce(item))),
    warnings: [...ineffective(query, model), ...dropped.map((term) => unheard(term, query))].slice(0, WARNINGS_MAX),
  };
}

const WARNINGS_MAX = 100;

function readFormatting(query: ListenQuery): FormattingOptions {
  return {
    punctuate: query.punctuate || query.detect_entities,
    smartFormat: query.smart_format,
    paragraphs: query.paragraphs,
    utterances: query.utterances,
    utteranceSplitMs: query.utt_split * 1000,
    numerals: query.numerals,
    measurements: query.measurements,
    dictation: query.dictation,
    fillerWords: query.filler_words,
    profanityFilter: query.profanity_filter,
    redact: query.redact.map((name) => name.toLowerCase()),
    replace: query.replace.map(readReplacement),
    search: query.search,
  };
}

function refuseContradictions(query: ListenQuery): void {
  if (query.diarize_model !== undefined && (query.diarize || query.diarize_version !== undefined)) {
    throw new GatewayError('field-invalid', 'diarize_model cannot be used together with diarize or diarize_version.', {
      field: 'diarize_model',
    });
  }
  if (isSummarized(query) && query.language !== undefined && !/^(en|multi)\b/i.test(query.language)) {
    throw new GatewayError('field-invalid', 'Summarization v2 not supported for non-English languages', {
      field: 'summarize',
    });
  }
  // They count in tokens of their own. A word is at least one, so nothing is refused here that they would take.
  const words = query.keyterm.reduce((sum, term) => sum + (term.match(/\S+/g)?.length ?? 0), 0);
  if (words > KEYTERM_TOKENS_MAX) {
    throw new GatewayError(
      'field-invalid',
      'Bad Request: Keyterm limit exceeded. The maximum number of tokens across all keyterms is 500.',
      { field: 'keyterm' },
    );
  }
}

function readCallback({ callback, callback_method }: ListenQuery): DeepgramRequest['callback'] {
  if (callback === undefined) return undefined;
  if (!/^https?:\/\//i.test(callback)) throw invalidQuery('callback', 'no http URL');
  return { url: callback, method: callback_method === 'put' ? 'PUT' : 'POST' };
}

/** A tag of BCP 47 and nothing else: `english` and `en_US`, which we could make sense of, are refused as there. */
const LANGUAGE_TAG = /^[a-z]{2,3}(?:-[a-z0-9]{2,8})*$/i;

/** 1. To be detected. 2. Several at once. 3. As named. 4. English. */
function readLanguage(query: ListenQuery, model: ModelListing): { language: string | null; detectable?: string[] } {
  if (query.detect_language.length > 0) {
    const tags = query.detect_language.filter((wish) => typeof wish === 'string');
    const detectable = tags.map((tag) => codeOf(tag, model));
    return { language: detectable.length === 1 ? (detectable[0] ?? null) : null, detectable };
  }
  if (query.language === 'multi') return { language: null };
  return { language: codeOf(query.language ?? 'en', model) };
}

function codeOf(tag: string, model: ModelListing): string {
  const code = LANGUAGE_TAG.test(tag) ? languageCode(tag) : undefined;
  if (code && model.languages.includes(code)) return code;
  // The primary language is spoken of by a model that knows no dialect of it.
  if (code === 'yue' && model.languages.includes('zh')) return 'zh';
  throw new GatewayError('option-unsupported', `The model does not know the language '${tag.slice(0, 40)}'.`, {
    field: 'language',
  });
}

function readRawFormat({ encoding, sample_rate, channels = 1 }: ListenQuery): RawFormat | null {
  const known = RAW_ENCODINGS.find((name) => name === encoding?.toLowerCase());
  const sampleRate = sample_rate ?? SAMPLE_RATES[known ?? ''];
  return known && sampleRate ? { encoding: known, sampleRate, channels } : null;
}

/** Of those that know no other. */
const SAMPLE_RATES: Record<string, number> = { 'amr-nb': 8000, 'amr-wb': 16_000, g729: 8000 };

function readTerms({ keyterm, keywords }: ListenQuery): BiasTerm[] {
  return [...keyterm.map((text) => ({ text })), ...keywords.map(readKeyword)];
}

/** `word:boost`; a colon that no number follows is part of the word. */
function readKeyword(keyword: string): BiasTerm {
  const [, text = keyword, boost] = /^(.+):(-?\d+(?:\.\d+)?)$/.exec(keyword) ?? [];
  return boost === undefined ? { text } : { text, boost: Number(boost) };
}

function readReplacement(item: string): Replacement {
  const [find, replacement] = splitOnce(item);
  return { find, replacement: replacement === '' ? null : replacement };
}

function splitOnce(item: string): [string, string] {
  const at = item.indexOf(':');
  return at < 0 ? [item, ''] : [item.slice(0, at), item.slice(at + 1)];
}

function isSummarized({ summarize }: ListenQuery): boolean {
  return summarize !== false;
}

function ineffective(query: ListenQuery, { timestamps }: ModelListing): Warning[] {
  const { encoding } = query;
  const asked: [parameter: string, isAsked: boolean, message: string][] = [
    ['model', !timestamps, 'This model cannot say when a word was said: the times are not to be relied on.'],
    ['diarize', query.diarize, 'Speakers are not told apart here.'],
    ['diarize_model', query.diarize_model !== undefined, 'Speakers are not told apart here.'],
    ['diarize_version', query.diarize_version !== undefined, 'Speakers are not told apart here.'],
    ['detect_entities', query.detect_entities, 'Entities are not detected here.'],
    ['sentiment', query.sentiment, 'Sentiment is not analysed here.'],
    ['summarize', isSummarized(query), 'Summaries are not made here.'],
    ['topics', query.topics, 'Topics are not detected here.'],
    ['custom_topic', query.custom_topic.length > 0, 'Topics are not detected here.'],
    ['custom_topic_mode', query.custom_topic_mode !== undefined, 'Topics are not detected here.'],
    ['intents', query.intents, 'Intents are not detected here.'],
    ['custom_intent', query.custom_intent.length > 0, 'Intents are not detected here.'],
    ['custom_intent_mode', query.custom_intent_mode !== undefined, 'Intents are not detected here.'],
    ['alternatives', (query.alternatives ?? 1) > 1, 'There is one alternative only.'],
    ['version', query.version !== undefined && query.version !== 'latest', 'Only the latest version is served.'],
    ['tier', query.tier !== undefined, 'There are no tiers here.'],
    ['encoding', encoding !== undefined && !isReadable(encoding), 'Audio of this encoding needs a header.'],
  ];
  return asked.filter(([, isAsked]) => isAsked).map(([parameter, , message]) => warn(parameter, message));
}

/** Those that are left come with a header, or cannot be told from noise. */
function isReadable(encoding: string): boolean {
  return [...RAW_ENCODINGS, 'flac', 'ogg-opus', 'opus', 'speex'].some((name) => name === encoding.toLowerCase());
}

function unheard(term: string, { keyterm }: ListenQuery): Warning {
  const parameter = keyterm.length > 0 ? 'keyterm' : 'keywords';
  return warn(parameter, `'${term.slice(0, 40)}' could not be put into the prompt.`);
}

export function warn(parameter: string, message: string): Warning {
  return { parameter, type: 'unsupported_option', message };
}

/** Whether the language that was heard is one of those that were expected. */
export function unexpectedLanguage({ detectable }: DeepgramRequest, language: string): Warning[] {
  if (!detectable || detectable.length === 0 || detectable.includes(language)) return [];
  const heard = LANGUAGE_NAME_BY_CODE.get(language) ?? language;
  return [warn('detect_language', `Detection is not limited to a list here: ${heard} was heard.`)];
}
