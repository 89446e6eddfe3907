// OpenAI's form → what is asked of the gateway, and the recording in the spool. Whoever gets the recording releases it;
// on every refusal it is released here.
import type { Readable } from 'node:stream';
import { GatewayError } from '../../errors.ts';
import { readCachePolicy } from '../../http/cache-control.ts';
import { readMultipart } from '../../http/multipart.ts';
import type { ModelListing } from '../../transcribe/recorded.ts';
import { hintedLanguage, hintedPrompt } from '../../transcript/hints.ts';
import type { Recording } from '../../transcript/recording.ts';
import type { Task, TranscriptionRequest } from '../../transcript/request.ts';
import type { DialectServices } from '../dialect.ts';
import { type Fields, missingFields, readFields } from './fields.ts';
import type { ResponseFormat } from './schema.ts';

export interface OpenAIRequest {
  transcription: TranscriptionRequest;
  format: ResponseFormat;
  stream: boolean;
  granularities: { words: boolean; segments: boolean };
  logprobs: boolean;
  /** Options that were understood and have no effect here. */
  warnings: string[];
}

export interface Upload {
  headers: Headers;
  body: Readable;
  task: Task;
}

export async function readRequest(
  { headers, body, task }: Upload,
  services: Pick<DialectServices, 'transcriber' | 'limits'>,
  signal: AbortSignal,
): Promise<{ request: OpenAIRequest; recording: Recording }> {
  const { transcriber, limits } = services;
  const judge = async (fields: Fields, model: string) => {
    refuseTimes(fields, await findModel(model, transcriber));
    return interpret(fields, model, task, headers.get('cache-control'));
  };
  const form = await readMultipart(body, headers, {
    bytesMax: limits.uploadBytesMax,
    idleMs: limits.uploadIdleMs,
    signal,
    fileField: 'file',
    // What came before the recording is judged before the recording is read; what comes after it, after.
    async onFile({ bytesMax }, stream, before) {
      const fields = readFields(before, task);
      if (fields.model !== undefined) await judge(fields, fields.model);
      return transcriber.receive(stream, signal, bytesMax);
    },
  });
  const recording = form.file;
  try {
    const fields = readFields(form.fields, task);
    const { model } = fields;
    if (!recording || model === undefined) {
      throw missingFields([...(recording ? [] : ['file']), ...(model === undefined ? ['model'] : [])]);
    }
    return { request: await judge(fields, model), recording };
  } catch (thrown) {
    await recording?.release();
    throw thrown;
  }
}

async function findModel(id: string, { models }: DialectServices['transcriber']): Promise<ModelListing> {
  const listing = await models.find(id);
  if (listing) return listing;
  throw new GatewayError('model-unknown', `The model \`${id}\` does not exist or you do not have access to it.`, {
    field: 'model',
  });
}

const FORMATS_WITH_TIMES: ResponseFormat[] = ['srt', 'vtt', 'verbose_json'];

function refuseTimes({ response_format: format }: Fields, { id, timestamps }: ModelListing): void {
  if (timestamps || !FORMATS_WITH_TIMES.includes(format as ResponseFormat)) return;
  throw new GatewayError(
    'option-unsupported',
    `response_format '${format}' is not compatible with model '${id}', which gives no times.`,
    { field: 'response_format' },
  );
}

function interpret(fields: Fields, model: string, task: Task, cacheControl: string | null): OpenAIRequest {
  refuseSpeakers(fields, model);
  const format = fields.response_format as ResponseFormat;
  const granularities = fields.timestamp_granularities ?? ['segment'];
  const logprobs = fields.include?.includes('logprobs') ?? false;
  const hasLogprobs = logprobs && (format === 'json' || fields.stream);
  const warnings = [
    typeof fields.chunking_strategy === 'object' && 'chunking_strategy: has no effect',
    (fields.languages?.length ?? 0) > 1 && 'languages: one is detected, among all languages',
    logprobs && !hasLogprobs && 'include: logprobs come with response_format=json only',
    fields.stream && format !== 'json' && format !== 'text' && 'response_format: a stream carries text only',
  ].filter((warning) => warning !== false);

  return {
    transcription: {
      model,
      options: {
        task,
        language: hintedLanguage(fields),
        prompt: hintedPrompt(fields),
        temperature: fields.temperature,
      },
      cache: readCachePolicy(cacheControl),
      channel: null,
      raw: null,
    },
    format,
    stream: fields.stream,
    granularities: {
      words: granularities.includes('word'),
      segments: granularities.includes('segment') || granularities.length === 0,
    },
    logprobs: hasLogprobs,
    warnings,
  };
}

function refuseSpeakers(fields: Fields, model: string): void {
  if (fields.response_format === 'diarized_json') {
    throw new GatewayError(
      'option-unsupported',
      `response_format 'diarized_json' is not compatible with model '${model}'. Use 'json' or 'text' instead.`,
      { field: 'response_format' },
    );
  }
  for (const field of ['known_speaker_names', 'known_speaker_references'] as const) {
    if (fields[field] === undefined) continue;
    throw new GatewayError('option-unsupported', `${field} is not compatible with model '${model}'.`, { field });
  }
}
