// The URL and the form of a WhisperServer → what is asked of the gateway, and the recording in the spool. Whoever gets the
// recording releases it; on every refusal it is released here.
import type { Readable } from 'node:stream';
import { GatewayError } from '../../errors.ts';
import { readCachePolicy } from '../../http/cache-control.ts';
import { collectFields, type FieldKind, type FormField } from '../../http/form-fields.ts';
import { readMultipart } from '../../http/multipart.ts';
import { languageCode } from '../../transcript/languages.ts';
import type { Recording } from '../../transcript/recording.ts';
import type { TranscriptionRequest } from '../../transcript/request.ts';
import type { DialectServices } from '../dialect.ts';
import { transcribeQuery } from './schema.ts';

export interface TextRequest {
  transcription: TranscriptionRequest;
  recording: Recording;
  /** Options that were understood and have no effect here. */
  warnings: string[];
}

export interface Upload {
  headers: Headers;
  query: readonly FormField[];
  body: Readable;
}

type Judged = Omit<TextRequest, 'recording'>;

const KINDS: ReadonlyMap<string, FieldKind> = new Map([
  ['model', 'text'],
  ['language', 'text'],
  ['stream', 'flag'],
  ['words', 'flag'],
]);

export async function readRequest(
  { headers, query, body }: Upload,
  { transcriber, limits }: Pick<DialectServices, 'transcriber' | 'limits'>,
  signal: AbortSignal,
): Promise<TextRequest> {
  // What the URL says goes before what the form says.
  const read = (form: readonly FormField[]) => judge([...form, ...query], headers, transcriber);
  const form = await readMultipart(body, headers, {
    bytesMax: limits.uploadBytesMax,
    idleMs: limits.uploadIdleMs,
    signal,
    fileField: 'file',
    // What came before the recording is judged before the recording is read; what comes after it, after.
    async onFile({ bytesMax }, stream, before) {
      await read(before);
      return transcriber.receive(stream, signal, bytesMax);
    },
  });
  const recording = form.file;
  try {
    if (!recording) throw new GatewayError('field-missing', 'Field required: file.', { field: 'file' });
    if (recording.bytes === 0) throw new GatewayError('field-invalid', 'The file is empty.', { field: 'file' });
    return { ...(await read(form.fields)), recording };
  } catch (thrown) {
    await recording?.release();
    throw thrown;
  }
}

async function judge(
  fields: readonly FormField[],
  headers: Headers,
  { models }: DialectServices['transcriber'],
): Promise<Judged> {
  const given = collectFields(fields, KINDS);
  const { model, language } = transcribeQuery.parse(given);
  const code = languageCode(language ?? 'auto');
  if (code === undefined) {
    throw new GatewayError('field-invalid', `Unsupported language: ${language}.`, { field: 'language' });
  }
  if (!(await models.find(model))) {
    throw new GatewayError('model-unknown', `Unsupported model: ${model}.`, { field: 'model' });
  }
  return {
    transcription: {
      model,
      options: { task: 'transcribe', language: code, prompt: null, temperature: 0 },
      cache: readCachePolicy(headers.get('cache-control')),
      channel: null,
      raw: null,
    },
    warnings: ['stream', 'words'].filter((name) => given[name] === true).map((name) => `${name}: has no effect`),
  };
}
