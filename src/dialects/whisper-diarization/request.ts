// The form of a whisper-diarization service → the job to be accepted. Whoever gets the recording hands it on or releases it; on
// every refusal it is released here.
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { readCachePolicy } from '../../http/cache-control.ts';
import { collectFields, type FieldKind, type FormField } from '../../http/form-fields.ts';
import { readMultipart } from '../../http/multipart.ts';
import type { NewJob } from '../../jobs/job.ts';
import { checkModel } from '../../transcribe/asked-model.ts';
import type { ModelListing } from '../../transcribe/recorded.ts';
import { hintedLanguage } from '../../transcript/hints.ts';
import type { DialectServices } from '../dialect.ts';
import { type JobFields, jobFields } from './schema.ts';

/** What every answer about a job says again. */
export const jobDetails = z.object({ warnings: z.array(z.string()) });

export type JobRequest = Pick<NewJob, 'source' | 'transcription'> & { details: z.infer<typeof jobDetails> };

type Judged = Omit<JobRequest, 'source'>;

/** What the service takes when it is not told, and what we take where that is not there. */
const USUAL_MODEL = 'medium.en';
const DEFAULT_MODEL = 'default';

const KINDS: ReadonlyMap<string, FieldKind> = new Map([
  ['whisper_model', 'text'],
  ['language', 'text'],
  ['stemming', 'text'],
  ['suppress_numerals', 'text'],
  ['batch_size', 'number'],
]);

export async function readRequest(
  { headers, body }: { headers: Headers; body: Readable },
  { transcriber, limits }: Pick<DialectServices, 'transcriber' | 'limits'>,
  signal: AbortSignal,
): Promise<JobRequest> {
  const read = (form: readonly FormField[]) => validate(collectFields(form, KINDS));
  const judge = (fields: JobFields) => interpret(fields, headers.get('cache-control'), transcriber.models);
  const form = await readMultipart(body, headers, {
    bytesMax: limits.uploadBytesMax,
    idleMs: limits.uploadIdleMs,
    signal,
    fileField: 'file',
    // What came before the recording is judged before the recording is read; what comes after it, after. Which model is
    // meant may still be to come.
    async onFile({ bytesMax }, stream, before) {
      const fields = read(before);
      if (fields.whisper_model !== undefined) await judge(fields);
      return transcriber.receive(stream, signal, bytesMax);
    },
  });
  const recording = form.file;
  try {
    if (!recording) throw new GatewayError('field-missing', 'Field required', { field: 'file' });
    return { ...(await judge(read(form.fields))), source: recording };
  } catch (thrown) {
    await recording?.release();
    throw thrown;
  }
}

function validate(content: unknown): JobFields {
  const { data, error } = jobFields.safeParse(content);
  if (data) return data;
  const [issue] = error.issues;
  throw new GatewayError('field-invalid', issue?.message ?? '', { field: String(issue?.path[0] ?? '') });
}

async function interpret(
  fields: JobFields,
  cacheControl: string | null,
  models: DialectServices['transcriber']['models'],
): Promise<Judged> {
  const language = hintedLanguage(fields);
  const usual = fields.whisper_model === undefined ? await models.find(USUAL_MODEL) : undefined;
  const model = fields.whisper_model ?? (usual && canServe(usual, language) ? USUAL_MODEL : DEFAULT_MODEL);
  await checkModel(models, { name: model, field: 'whisper_model', language });
  return {
    transcription: {
      model,
      options: { task: 'transcribe', language, prompt: null, temperature: 0 },
      cache: readCachePolicy(cacheControl),
      channel: null,
      raw: null,
    },
    details: { warnings: warningsOf(fields) },
  };
}

/** Nobody asked for it by name, so nothing is fetched for it, and it stands back where it does not know the language. */
function canServe({ installed, languages }: ModelListing, language: string | null): boolean {
  return installed && (language === null || languages.includes(language));
}

function warningsOf({ stemming, suppress_numerals, batch_size }: JobFields): string[] {
  return [
    'speakers: are not told apart',
    ...(stemming ? ['stemming: has no effect, vocals are not taken out of music'] : []),
    ...(suppress_numerals ? ['suppress_numerals: has no effect, numbers are written as the model writes them'] : []),
    ...(batch_size === undefined ? [] : ['batch_size: has no effect, each device decodes one chunk at a time']),
  ];
}
