// The text parts of a form, in all the encodings that clients use → validated fields, or OpenAI's refusal. Pure.
import type { z } from '@hono/zod-openapi';
import { GatewayError } from '../../errors.ts';
import type { Task } from '../../transcript/request.ts';
import { transcriptionFields, translationFields } from './schema.ts';

export type FormField = [name: string, value: string];
type TranscriptionFields = z.infer<typeof transcriptionFields>;
/** What both forms hold, and what only a transcription's may. */
export type Fields = Pick<TranscriptionFields, keyof z.infer<typeof translationFields>> & Partial<TranscriptionFields>;

/** How each field is written as text. Fields that are not here are ignored: clients send many (`vad_filter`, `hotwords`). */
const KINDS: ReadonlyMap<string, 'text' | 'number' | 'flag' | 'list' | 'object'> = new Map([
  ['model', 'text'],
  ['language', 'text'],
  ['prompt', 'text'],
  ['response_format', 'text'],
  ['temperature', 'number'],
  ['stream', 'flag'],
  ['languages', 'list'],
  ['keywords', 'list'],
  ['timestamp_granularities', 'list'],
  ['include', 'list'],
  ['known_speaker_names', 'list'],
  ['known_speaker_references', 'list'],
  ['chunking_strategy', 'object'],
]);

/** `name`, `name[]`, `name[0]` or `name[key]`. */
const FIELD_NAME = /^([^[\]]+)(?:\[([^[\]]*)\])?$/;

export function readFields(form: readonly FormField[], task: Task): Fields {
  const schema = task === 'translate' ? translationFields : transcriptionFields;
  const result = schema.safeParse(collect(form));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = String(issue?.path[0] ?? '');
  if (field === 'response_format' && issue?.code === 'invalid_value') {
    const expected = choices(issue.values.map((value) => `'${String(value)}'`));
    throw new GatewayError(
      'field-invalid',
      `[{'type': 'enum', 'loc': ('body', 'response_format'), 'msg': "Input should be ${expected}", 'ctx': {'expected': "${expected}"}}]`,
    );
  }
  throw new GatewayError('field-invalid', `Invalid value for '${field}': ${issue?.message}.`, { field });
}

/** In the form of OpenAI's own validation list, all missing fields at once. */
export function missingFields(names: string[]): GatewayError {
  const entries = names.map(
    (name) => `{'type': 'missing', 'loc': ('body', '${name}'), 'msg': 'Field required', 'input': None}`,
  );
  return new GatewayError('field-missing', `[${entries.join(', ')}]`);
}

function collect(form: readonly FormField[]): Record<string, unknown> {
  const collected: Record<string, unknown> = {};
  for (const [written, value] of form) {
    const [, name = '', key] = FIELD_NAME.exec(written) ?? [];
    const kind = KINDS.get(name);
    if (!kind || value.trim() === '') continue;
    if (kind === 'list') collected[name] = [...((collected[name] as unknown[]) ?? []), ...readList(value)];
    else if (kind === 'object') collected[name] = readObject(collected[name], key, value);
    else if (kind === 'number') collected[name] = readNumber(value);
    else if (kind === 'flag') collected[name] = FLAGS.get(value.trim().toLowerCase()) ?? value;
    else collected[name] = value;
  }
  return collected;
}

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

/** What is no finite number stays text, which the schema refuses. */
function readNumber(value: string): number | string {
  const number = Number(value);
  return Number.isFinite(number) ? number : value;
}

function readList(value: string): unknown[] {
  const parsed = parseJson(value);
  return Array.isArray(parsed) ? parsed : [value];
}

/** `name[key]=value` parts one by one, or the whole as a JSON string or a bare word. */
function readObject(soFar: unknown, key: string | undefined, value: string): unknown {
  if (key) return { ...(typeof soFar === 'object' ? soFar : {}), [key]: readNumber(value) };
  const parsed = parseJson(value);
  if (parsed === null) return undefined;
  return parsed ?? value;
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

/** `'a', 'b' or 'c'`. */
function choices(values: string[]): string {
  return `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}
