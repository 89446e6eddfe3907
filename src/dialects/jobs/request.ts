// What a client sends to have a job → the job to be accepted. Whoever gets the recording hands it on or releases it; on
// every refusal it is released here.
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { type BodyOptions, readWithin } from '../../http/body.ts';
import { readCachePolicy } from '../../http/cache-control.ts';
import { collectFields, type FieldKind, type FormField } from '../../http/form-fields.ts';
import { isJson, readJson, withoutBlanks } from '../../http/json-body.ts';
import { readMultipart, shownFilename } from '../../http/multipart.ts';
import { checkLaterUrl, namingField } from '../../http/named-field.ts';
import type { NewJob } from '../../jobs/job.ts';
import { checkModel } from '../../transcribe/asked-model.ts';
import { hintedLanguage, hintedPrompt } from '../../transcript/hints.ts';
import type { DialectServices } from '../dialect.ts';
import { type JobFields, jobFields } from './schema.ts';

/** What every answer about a job says again. */
export const jobDetails = z.object({
  /** Options that were understood and have no effect here. */
  warnings: z.array(z.string()),
});

export type JobRequest = Pick<NewJob, 'source' | 'filename' | 'transcription' | 'webhook'> & {
  details: z.infer<typeof jobDetails>;
};

export interface JobUpload {
  headers: Headers;
  body: Readable;
  /** Rejects where a job for this model is not to be taken now; null is the default model. */
  admit(model: string | null): Promise<void>;
}

type Services = Pick<DialectServices, 'transcriber' | 'jobs' | 'limits'>;
type Judged = Omit<JobRequest, 'source' | 'filename'>;

const FILE_FIELDS = ['audio', 'file'];
const DEFAULT_MODEL = 'default';

const KINDS: ReadonlyMap<string, FieldKind> = new Map([
  ['url', 'text'],
  ['model', 'text'],
  ['task', 'text'],
  ['language', 'text'],
  ['languages', 'list'],
  ['prompt', 'text'],
  ['keywords', 'list'],
  ['temperature', 'number'],
  ['webhook_url', 'text'],
]);

export async function readRequest(upload: JobUpload, services: Services, signal: AbortSignal): Promise<JobRequest> {
  const { uploadBytesMax: bytesMax, uploadIdleMs: idleMs } = services.limits;
  const options: BodyOptions = { bytesMax, idleMs, signal };
  return isJson(upload.headers) ? readByUrl(upload, services, options) : readForm(upload, services, options);
}

async function readByUrl(upload: JobUpload, services: Services, options: BodyOptions): Promise<JobRequest> {
  return readWithin(upload.body, upload.headers, options, async () => {
    const fields = validate(withoutBlanks(await readJson(upload.body, options)));
    if (fields.url === undefined) throw missingAudio();
    return { ...(await judge(fields, upload, services)), source: sourceOf(fields.url), filename: null };
  });
}

async function readForm(upload: JobUpload, services: Services, options: BodyOptions): Promise<JobRequest> {
  const { transcriber } = services;
  const read = (form: readonly FormField[]) => validate(collectFields(form, KINDS));
  const form = await readMultipart(upload.body, upload.headers, {
    ...options,
    fileField: FILE_FIELDS,
    // What came before the recording is judged before the recording is read; what comes after it, after. Which model is
    // meant may still be to come, unless it was said.
    async onFile(part, stream, before) {
      const fields = read(before);
      if (fields.model !== undefined) await judge(fields, upload, services);
      return { ...(await transcriber.receive(stream, options.signal, part.bytesMax)), filename: shownFilename(part) };
    },
  });
  const recording = form.file;
  try {
    const fields = read(form.fields);
    if (recording && fields.url !== undefined) {
      throw new GatewayError('field-invalid', "'audio' and 'url' cannot be used together.", { field: 'url' });
    }
    const judged = await judge(fields, upload, services);
    if (recording) return { ...judged, source: recording, filename: recording.filename };
    if (fields.url !== undefined) return { ...judged, source: sourceOf(fields.url), filename: null };
    throw form.fields.some(([name, value]) => FILE_FIELDS.includes(name) && value === '')
      ? emptyAudio()
      : missingAudio();
  } catch (thrown) {
    await recording?.release();
    throw thrown;
  }
}

function validate(content: unknown): JobFields {
  const { data, error } = jobFields.safeParse(content);
  if (data) return data;
  const [issue] = error.issues;
  const field = String(issue?.path[0] ?? '');
  const message =
    field === 'task' ? "task must be 'transcribe' or 'translate'" : `Invalid value for '${field}': ${issue?.message}.`;
  throw new GatewayError('field-invalid', message, { field });
}

async function judge(fields: JobFields, { headers, admit }: JobUpload, services: Services): Promise<Judged> {
  const language = hintedLanguage(fields);
  const { webhook_url: webhook, model = DEFAULT_MODEL } = fields;
  if (webhook !== undefined) namingField('webhook_url', () => services.jobs.checkWebhook(webhook));
  await checkModel(services.transcriber.models, { name: model, field: 'model', language });
  await admit(fields.model ?? null);
  return {
    transcription: {
      model,
      options: {
        task: fields.task,
        language,
        prompt: hintedPrompt(fields),
        temperature: fields.temperature,
      },
      cache: readCachePolicy(headers.get('cache-control')),
      channel: null,
      raw: null,
    },
    webhook: webhook === undefined ? null : { url: webhook, method: 'POST' },
    details: {
      warnings: (fields.languages?.length ?? 0) > 1 ? ['languages: one is detected, among all languages'] : [],
    },
  };
}

function sourceOf(url: string): { url: string } {
  checkLaterUrl('url', url);
  return { url };
}

function missingAudio(): GatewayError {
  return new GatewayError('field-missing', "missing 'audio' field", { field: 'audio' });
}

/** A form that was sent without a file having been chosen has the field all the same. */
function emptyAudio(): GatewayError {
  return new GatewayError('audio-too-short', 'There is nothing in the audio field.', { field: 'audio' });
}
