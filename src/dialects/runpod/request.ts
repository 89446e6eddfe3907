// The JSON of `/run` and `/runsync` → the job to be accepted. What its audio is shows when its turn comes; everything else is
// judged here.
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { type BodyOptions, readWithin } from '../../http/body.ts';
import { readCachePolicy } from '../../http/cache-control.ts';
import { readJson } from '../../http/json-body.ts';
import { checkLaterUrl, namingField } from '../../http/named-field.ts';
import type { NewJob } from '../../jobs/job.ts';
import { checkModel } from '../../transcribe/asked-model.ts';
import type { DialectServices } from '../dialect.ts';
import { interpret } from './options.ts';
import { type InputOptions, OUTPUT_FORMATS, type RunBody, runBody } from './schema.ts';

/** What the answer needs to know again. */
export const jobDetails = z.object({
  format: z.enum(OUTPUT_FORMATS),
  debug: z.boolean(),
  warnings: z.array(z.string()),
});

export type RunRequest = Pick<NewJob, 'source' | 'transcription' | 'webhook'> & { details: z.infer<typeof jobDetails> };

const UNKNOWN_NAMED_MAX = 20;

type Services = Pick<DialectServices, 'transcriber' | 'jobs' | 'limits'>;

export async function readRequest(
  { headers, body }: { headers: Headers; body: Readable },
  environment: InputOptions,
  services: Services,
  signal: AbortSignal,
): Promise<RunRequest> {
  const { uploadBytesMax: bytesMax, uploadIdleMs: idleMs } = services.limits;
  const options: BodyOptions = { bytesMax, idleMs, signal };
  return readWithin(body, headers, options, async () => {
    const content = await readJson(body, options);
    const { input, webhook, policy, s3Config } = validate(content);
    const { model, decoding, format, debug, warnings } = interpret(input, environment);
    await checkModel(services.transcriber.models, { name: model, field: 'model', language: decoding.language });
    if (webhook) namingField('webhook', () => services.jobs.checkWebhook(webhook));
    checkLaterUrl('audio_file', input.audio_file);
    const cache = readCachePolicy(headers.get('cache-control'));
    return {
      source: { url: input.audio_file },
      transcription: { model, options: decoding, cache, channel: null, raw: null },
      webhook: webhook ? { url: webhook, method: 'POST' } : null,
      details: {
        format,
        debug,
        warnings: [
          ...warnings,
          ...unknownOptions(content as { input: object }),
          ...(policy && Object.keys(policy).length > 0 ? ['policy: has no effect'] : []),
          ...(s3Config ? ['s3Config: has no effect, the output is in the answer'] : []),
        ],
      },
    };
  });
}

/** A name that is misspelt would otherwise go unnoticed. */
function unknownOptions({ input }: { input: object }): string[] {
  const known = runBody.shape.input.shape;
  const unknown = Object.entries(input).filter(([name, value]) => value !== null && !Object.hasOwn(known, name));
  return unknown.slice(0, UNKNOWN_NAMED_MAX).map(([name]) => `${name}: is unknown`);
}

function validate(content: unknown): RunBody {
  const { data, error } = runBody.safeParse(content);
  if (data) return data;
  const [issue] = error.issues;
  const path = issue?.path ?? [];
  const field = String((path[0] === 'input' && path[1]) || path[0] || 'input');
  const isMissing =
    path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], content) === undefined;
  if (isMissing) throw new GatewayError('field-missing', `${field} is required.`, { field });
  throw new GatewayError('field-invalid', `${field}: ${issue?.message}.`, { field });
}
