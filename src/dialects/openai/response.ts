// The canonical transcript → OpenAI's body for each response_format. Pure.
import type { ModelListing } from '../../transcribe/recorded.ts';
import { compressionRatio } from '../../transcript/compression.ts';
import { languageName } from '../../transcript/languages.ts';
import { toSrt, toVtt } from '../../transcript/subtitles.ts';
import { type Piece, type Segment, type Transcript, transcriptText, type Word } from '../../transcript/transcript.ts';
import type { ResultFormat, WrittenResult } from '../dialect.ts';
import type { OpenAIRequest } from './request.ts';
import type {
  DurationUsage,
  Logprob,
  ModelObject,
  SegmentObject,
  TokenUsage,
  TranscriptionJson,
  TranscriptionVerboseJson,
  WordObject,
} from './schema.ts';

export type ResponseOptions = Pick<OpenAIRequest, 'format' | 'granularities' | 'logprobs'> & {
  transcription: Pick<OpenAIRequest['transcription'], 'model'>;
};

/** SDKs parse whatever is called JSON and hand over everything else as it is, so these names are not ours to improve. */
const PLAIN = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';

export function writeResponse(transcript: Transcript, options: ResponseOptions): WrittenResult {
  switch (options.format) {
    case 'json':
      return { contentType: JSON_TYPE, body: JSON.stringify(transcriptionJson(transcript, options)) };
    case 'verbose_json':
      return { contentType: JSON_TYPE, body: JSON.stringify(verboseJson(transcript, options)) };
    case 'text':
      return { contentType: PLAIN, body: `${transcriptText(transcript)}\n` };
    case 'srt':
      return { contentType: PLAIN, body: toSrt(transcript) };
    case 'vtt':
      return { contentType: PLAIN, body: toVtt(transcript) };
  }
}

/** As a request that names nothing but the format is answered. */
export function writeResult(transcript: Transcript, format: Exclude<ResultFormat, 'deepgram'>): WrittenResult {
  return writeResponse(transcript, {
    format,
    granularities: { words: false, segments: true },
    logprobs: false,
    transcription: { model: transcript.model },
  });
}

export function modelEntry({ id, createdAtMs }: ModelListing): ModelObject {
  return { id, object: 'model', created: Math.floor(createdAtMs / 1000), owned_by: 'whispergate' };
}

function transcriptionJson(transcript: Transcript, options: ResponseOptions): TranscriptionJson {
  const { model } = options.transcription;
  const text = transcriptText(transcript);
  if (transcript.task === 'translate') return { text };
  return {
    text,
    ...transcriptExtras(transcript, options),
    usage: isBilledByToken(model) ? tokenUsage(transcript) : durationUsage(transcript),
  };
}

/** What json bodies and the last record of a stream share beside the text. */
export function transcriptExtras(
  transcript: Transcript,
  { transcription, logprobs }: Pick<ResponseOptions, 'transcription' | 'logprobs'>,
): Pick<TranscriptionJson, 'logprobs' | 'languages'> {
  return {
    ...(logprobs && { logprobs: tokenLogprobs(transcript) }),
    ...(transcription.model.startsWith('gpt-transcribe') && {
      languages: transcript.segments.length > 0 ? [{ code: transcript.language }] : [],
    }),
  };
}

function verboseJson(transcript: Transcript, { granularities }: ResponseOptions): TranscriptionVerboseJson {
  const translated = transcript.task === 'translate';
  const { words, segments } = translated ? { words: false, segments: true } : granularities;
  return {
    task: transcript.task,
    language: translated ? 'english' : languageName(transcript.language),
    duration: seconds(transcript.durationMs),
    text: transcriptText(transcript),
    ...(segments && { segments: writeSegments(transcript.segments) }),
    ...(words && { words: transcript.segments.flatMap((segment) => segment.words).flatMap(writeWord) }),
    ...(!translated && { usage: durationUsage(transcript) }),
  };
}

const WINDOW_MS = 30_000;

function writeSegments(segments: Segment[]): SegmentObject[] {
  let windowStartMs = 0;
  return segments.map((segment, id) => {
    // The engine reads windows of 30 s, each from where the last segment of the one before ended.
    if (segment.endMs > windowStartMs + WINDOW_MS) windowStartMs = segment.startMs;
    return {
      id,
      seek: Math.round(windowStartMs / 10),
      start: seconds(segment.startMs),
      end: seconds(segment.endMs),
      text: segment.text,
      tokens: segment.tokenIds,
      temperature: finite(segment.temperature),
      avg_logprob: finite(segment.avgLogprob),
      compression_ratio: finite(compressionRatio(segment.text)),
      no_speech_prob: finite(segment.noSpeechProbability),
    };
  });
}

/** Punctuation around a word. Signs that are spoken (`50%`, `R & B`, `#1`) stay. */
const UNSPOKEN_EDGES = /^(?:\s|(?![%&@#*/\\‰§])\p{P})+|(?:\s|(?![%&@#*/\\‰§])\p{P})+$/gu;

function writeWord({ text, startMs, endMs }: Word): WordObject[] {
  const word = text.replace(UNSPOKEN_EDGES, '');
  return word === '' ? [] : [{ word, start: seconds(startMs), end: seconds(endMs) }];
}

/** What OpenAI writes for a probability of zero, which has no logarithm. */
const LOGPROB_MIN = -9999;

function tokenLogprobs(transcript: Transcript): Logprob[] {
  const pieces = transcript.segments.flatMap((segment) => segment.pieces);
  return pieces.map(({ text, probability }: Piece, index) => {
    // The text is trimmed, and the tokens joined are the text.
    const token = index === 0 ? text.trimStart() : text;
    return {
      token,
      logprob: Math.max(finite(Math.log(probability), LOGPROB_MIN), LOGPROB_MIN),
      bytes: [...Buffer.from(token)],
    };
  });
}

function isBilledByToken(model: string): boolean {
  return model.startsWith('gpt-4o') || model.startsWith('gpt-transcribe');
}

function durationUsage({ durationMs }: Transcript): DurationUsage {
  return { type: 'duration', seconds: Math.ceil(finite(durationMs) / 1000) };
}

/** OpenAI counts about ten tokens of audio a second. The prompt's tokens are the engine's own affair and not counted. */
export function tokenUsage({ durationMs, segments }: Transcript): TokenUsage {
  const audioTokens = Math.ceil(finite(durationMs) / 100);
  const outputTokens = segments.reduce((sum, segment) => sum + segment.tokenIds.length, 0);
  return {
    type: 'tokens',
    input_tokens: audioTokens,
    input_token_details: { text_tokens: 0, audio_tokens: audioTokens },
    output_tokens: outputTokens,
    total_tokens: audioTokens + outputTokens,
  };
}

function seconds(milliseconds: number): number {
  return Math.round(finite(milliseconds)) / 1000;
}

/** JSON has no NaN: it would arrive as null, which strict clients refuse. */
function finite(value: number, fallback = 0): number {
  return Number.isFinite(value) ? value : fallback;
}
