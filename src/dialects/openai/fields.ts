// The text parts of a form → validated fields, or OpenAI's refusal. Pure.
import type { z } from '@hono/zod-openapi';
import { GatewayError } from '../../errors.ts';
import { collectFields, type FieldKind, type FormField } from '../../http/form-fields.ts';
import type { Task } from '../../transcript/request.ts';
import { transcriptionFields, translationFields } from './schema.ts';

type TranscriptionFields = z.infer<typeof transcriptionFields>;
/** What both forms hold, and what only a transcription's may. */
export type Fields = Pick<TranscriptionFields, keyof z.infer<typeof translationFields>> & Partial<TranscriptionFields>;

/** How each field is written as text. Fields that are not here are ignored: clients send many (`vad_filter`, `hotwords`). */
const KINDS: ReadonlyMap<string, FieldKind> = new Map([
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

export function readFields(form: readonly FormField[], task: Task): Fields {
  const schema = task === 'translate' ? translationFields : transcriptionFields;
  const result = schema.safeParse(collectFields(form, KINDS));
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

/** `'a', 'b' or 'c'`. */
function choices(values: string[]): string {
  return `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}
