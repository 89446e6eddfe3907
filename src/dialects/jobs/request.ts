// What a client sends to have a job → the job to be accepted. Whoever gets the recording hands it on or releases it; on
// every refusal it is released here.
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { type BodyOptions, readWithin } from '../../http/body.ts';
import { readCachePolicy } from '../../http/cache-control.ts';
import { collectFields, type FieldKind, type FormField } from '../../http/form-fields.ts';
import { isJson, readJson } from '../../http/json-body.ts';
import { type FilePart, readMultipart } from '../../http/multipart.ts';
import type { NewJob } from '../../jobs/job.ts';
import { createUrlGuard } from '../../lib/safe-url.ts';
import { hintedLanguage, hintedPrompt } from '../../transcript/hints.ts';
import type { Recording } from '../../transcript/recording.ts';
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

const DEFAULT_MODEL = 'default';
const FILENAME_CHARACTERS_MAX = 255;

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
    return { ...(await judge(fields, upload, services)), source: { url: checkUrl(fields.url) }, filename: null };
  });
}

async function readForm(upload: JobUpload, services: Services, options: BodyOptions): Promise<JobRequest> {
  const { transcriber } = services;
  const read = (form: readonly FormField[]) => validate(collectFields(form, KINDS));
  const form = await readMultipart(upload.body, upload.headers, {
    ...options,
    fileField: ['audio', 'file'],
    // What came before the recording is judged before the recording is read; what comes after it, after. Which model is
    // meant may still be to come, unless it was said.
    async onFile(part, stream, before) {
      const fields = read(before);
      if (fields.model !== undefined) await judge(fields, upload, services);
      return withName(await transcriber.receive(stream, options.signal), part);
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
    if (fields.url === undefined) throw missingAudio();
    return { ...judged, source: { url: checkUrl(fields.url) }, filename: null };
  } catch (thrown) {
    await recording?.release();
    throw thrown;
  }
}

/** Clients send whole paths, too; what is left of one is shown to people. */
function withName(recording: Recording, { filename }: FilePart): Recording & { filename: string | null } {
  const name = filename?.split(/[\\/]/).at(-1)?.slice(0, FILENAME_CHARACTERS_MAX);
  return { ...recording, filename: name || null };
}

/** Programs write what they leave open as null or as nothing, too. */
function withoutBlanks(content: unknown): unknown {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) return content;
  return Object.fromEntries(Object.entries(content).filter(([, value]) => value !== null && value !== ''));
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
  if (fields.webhook_url !== undefined) checkWebhook(fields.webhook_url, services);
  await checkModel(fields.model ?? DEFAULT_MODEL, language, services);
  await admit(fields.model ?? null);
  return {
    transcription: {
      model: fields.model ?? DEFAULT_MODEL,
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
    webhook: fields.webhook_url === undefined ? null : { url: fields.webhook_url, method: 'POST' },
    details: {
      warnings: (fields.languages?.length ?? 0) > 1 ? ['languages: one is detected, among all languages'] : [],
    },
  };
}

async function checkModel(id: string, language: string | null, { transcriber }: Services): Promise<void> {
  const listing = await transcriber.models.find(id);
  if (!listing) throw new GatewayError('model-unknown', `model '${id}' is unknown`, { field: 'model' });
  if (language === null || listing.languages.includes(language)) return;
  throw new GatewayError('option-unsupported', `The model '${listing.servedBy}' does not know '${language}'.`, {
    field: 'language',
  });
}

function checkWebhook(url: string, { jobs }: Services): void {
  try {
    jobs.checkWebhook(url);
  } catch (error) {
    throw naming('webhook_url', error);
  }
}

/** Whether it may be asked shows when it is: what its name resolves to may change until then. */
const anyUrl = createUrlGuard({ allowPrivate: true });

function checkUrl(url: string): string {
  try {
    anyUrl.check(url);
    return url;
  } catch (error) {
    throw naming('url', error);
  }
}

function naming(field: string, error: unknown): unknown {
  if (!(error instanceof GatewayError)) return error;
  return new GatewayError(error.code, `${field}: ${error.message}`, { field, cause: error });
}

function missingAudio(): GatewayError {
  return new GatewayError('field-missing', "missing 'audio' field", { field: 'audio' });
}
