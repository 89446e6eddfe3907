// The canonical transcript, or one for each channel → Deepgram's body. Pure but for the ids of utterances.
import { randomUUID } from 'node:crypto';
import type { ModelListing } from '../../transcribe/recorded.ts';
import { omissions } from '../../transcript/diagnostics.ts';
import { type Formatted, type FormattingOptions, formatTranscript } from '../../transcript/formatting/format.ts';
import type { Paragraphs } from '../../transcript/formatting/paragraphs.ts';
import type { FormattedWord } from '../../transcript/formatting/words.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import type { ModelBodies } from '../dialect.ts';
import { float32, seconds } from './numbers.ts';
import { type DeepgramRequest, unexpectedLanguage, warn } from './request.ts';
import {
  type ListenAlternative,
  type ListenAnswer,
  type ListenChannel,
  type ListenUtterance,
  type ListenWord,
  type ModelEntry,
  modelEntrySchema,
  modelList,
  type Warning,
} from './schema.ts';

export interface AnswerDetails {
  requestId: string;
  /** Of the recording as it was sent. */
  sha256: string;
  createdAtMs: number;
  /** The model that transcribed. */
  model: ModelListing;
}

/** One transcript, or one for each channel. */
export function writeResponse(
  transcripts: readonly Transcript[],
  request: DeepgramRequest,
  details: AnswerDetails,
): string {
  const formatted = transcripts.map((transcript) => formatTranscript(transcript, request.formatting));
  const channels = transcripts.map((transcript, index) =>
    writeChannel(transcript, formatted[index] as Formatted, request),
  );
  const answer: ListenAnswer = {
    metadata: writeMetadata(transcripts, formatted, request, details),
    results: { channels, ...(request.formatting.utterances && { utterances: writeUtterances(formatted) }) },
  };
  return JSON.stringify(answer);
}

/** Each file once, whatever names it goes by. */
export const modelBodies: ModelBodies = {
  list: (installed) => ({ stt: installed.filter(({ id, servedBy }) => id === servedBy).map(modelEntry), tts: [] }),
  one: modelEntry,
  listSchema: modelList,
  oneSchema: modelEntrySchema,
};

function modelEntry({ servedBy, createdAtMs, uuid, languages }: ModelListing): ModelEntry {
  return {
    name: modelName(servedBy),
    canonical_name: servedBy,
    architecture: ARCHITECTURE,
    languages,
    version: modelVersion(createdAtMs),
    uuid,
    batch: true,
    streaming: false,
    formatted_output: false,
  };
}

function writeMetadata(
  transcripts: readonly Transcript[],
  formatted: Formatted[],
  request: DeepgramRequest,
  { requestId, sha256, createdAtMs, model }: AnswerDetails,
): ListenAnswer['metadata'] {
  const warnings = collectWarnings(transcripts, formatted, request);
  return {
    transaction_key: 'deprecated',
    request_id: requestId,
    sha256,
    created: new Date(createdAtMs).toISOString(),
    duration: seconds(Math.max(...transcripts.map((transcript) => transcript.durationMs))),
    channels: transcripts.length,
    models: [model.uuid],
    model_info: {
      [model.uuid]: { name: modelName(model.servedBy), version: modelVersion(model.createdAtMs), arch: ARCHITECTURE },
    },
    ...(warnings.length > 0 && { warnings }),
    ...(request.tags.length > 0 && { tags: request.tags }),
    ...(Object.keys(request.extra).length > 0 && { extra: request.extra }),
  };
}

const ARCHITECTURE = 'whisper';

/** As Deepgram names the same models: `base.en` is `base-en-whisper`. */
function modelName(name: string): string {
  return `${name.replaceAll('.', '-')}-whisper`;
}

/** The day on which its file was written, in the form of theirs. */
function modelVersion(createdAtMs: number): string {
  return `${new Date(createdAtMs).toISOString().slice(0, 10)}.0`;
}

function writeChannel(transcript: Transcript, formatted: Formatted, request: DeepgramRequest): ListenChannel {
  return {
    ...(formatted.searches && {
      search: formatted.searches.map(({ query, hits }) => ({
        query,
        hits: hits.map((hit) => ({
          confidence: float32(hit.confidence),
          start: seconds(hit.startMs),
          end: seconds(hit.endMs),
          snippet: hit.snippet,
        })),
      })),
    }),
    alternatives: [writeAlternative(transcript, formatted, request)],
    ...(request.detectable && { detected_language: transcript.language }),
  };
}

function writeAlternative(
  transcript: Transcript,
  formatted: Formatted,
  { isMultilingual, hasEntities }: DeepgramRequest,
): ListenAlternative {
  const languages = isMultilingual ? languagesOf(formatted.words, transcript) : undefined;
  return {
    transcript: formatted.text,
    confidence: float32(formatted.confidence),
    words: formatted.words.map((word, index) => ({
      ...writeWord(word, formatted.isPunctuated),
      ...(languages && { language: languages[index] }),
    })),
    ...(formatted.paragraphs && { paragraphs: writeParagraphs(formatted.paragraphs) }),
    ...(hasEntities && { entities: [] }),
    // Clients take the first without looking, so there always is one.
    ...(languages && { languages: languages.length > 0 ? byCount(languages) : [transcript.language] }),
  };
}

/** Of each word: the engine says it of a stretch of the recording, which a word is in by its time. */
function languagesOf(words: FormattedWord[], { segments, language }: Transcript): string[] {
  return words.map(({ startMs }) => segments.findLast((segment) => segment.startMs <= startMs)?.language ?? language);
}

/** Each once, the most frequent first. */
function byCount(languages: string[]): string[] {
  const counts = new Map<string, number>();
  for (const language of languages) counts.set(language, (counts.get(language) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one).map(([language]) => language);
}

function writeWord({ word, punctuated, startMs, endMs, confidence }: FormattedWord, isPunctuated: boolean): ListenWord {
  return {
    word,
    start: seconds(startMs),
    end: seconds(endMs),
    confidence: float32(confidence),
    ...(isPunctuated && { punctuated_word: punctuated }),
  };
}

function writeParagraphs({ text, paragraphs }: Paragraphs): NonNullable<ListenAlternative['paragraphs']> {
  return {
    transcript: text,
    paragraphs: paragraphs.map((paragraph) => ({
      sentences: paragraph.sentences.map(({ text: sentence, startMs, endMs }) => ({
        text: sentence,
        start: seconds(startMs),
        end: seconds(endMs),
      })),
      num_words: paragraph.wordCount,
      start: seconds(paragraph.startMs),
      end: seconds(paragraph.endMs),
    })),
  };
}

/** Of all channels, in the order in which they began. */
function writeUtterances(formatted: Formatted[]): ListenUtterance[] {
  return formatted
    .flatMap(({ utterances = [], isPunctuated }, channel) =>
      utterances.map((utterance) => ({ ...utterance, isPunctuated, channel })),
    )
    .sort((one, other) => one.startMs - other.startMs)
    .map(({ startMs, endMs, confidence, channel, text, words, isPunctuated }) => ({
      start: seconds(startMs),
      end: seconds(endMs),
      confidence: float32(confidence),
      channel,
      transcript: text,
      words: words.map((word) => writeWord(word, isPunctuated)),
      id: randomUUID(),
    }));
}

const PARAMETERS: Record<keyof FormattingOptions, string> = {
  punctuate: 'punctuate',
  smartFormat: 'smart_format',
  paragraphs: 'paragraphs',
  utterances: 'utterances',
  utteranceSplitMs: 'utt_split',
  numerals: 'numerals',
  measurements: 'measurements',
  dictation: 'dictation',
  fillerWords: 'filler_words',
  profanityFilter: 'profanity_filter',
  redact: 'redact',
  replace: 'replace',
  search: 'search',
};

/** Each once, though several channels may have the same to say. */
function collectWarnings(
  transcripts: readonly Transcript[],
  formatted: Formatted[],
  request: DeepgramRequest,
): Warning[] {
  const all = [
    ...request.warnings,
    ...transcripts.flatMap((transcript) => omissions(transcript).map((message) => warn('transcript', message))),
    ...formatted.flatMap(({ warnings }) =>
      warnings.map(({ parameter, message }) => warn(PARAMETERS[parameter], message)),
    ),
    ...transcripts.flatMap(({ language }) => unexpectedLanguage(request, language)),
  ];
  return [...new Map(all.map((warning) => [`${warning.parameter} ${warning.message}`, warning])).values()];
}
