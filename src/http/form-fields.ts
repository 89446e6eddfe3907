// The text parts of a form, in all the encodings that clients use → values for a schema to judge. Pure.

export type FormField = [name: string, value: string];
export type FieldKind = 'text' | 'number' | 'flag' | 'list' | 'object';

/** `name`, `name[]`, `name[0]` or `name[key]`. */
const FIELD_NAME = /^([^[\]]+)(?:\[([^[\]]*)\])?$/;

/** `kinds`: how each field is written. Those that are not in it are left out, and so are empty ones. */
export function collectFields(
  form: readonly FormField[],
  kinds: ReadonlyMap<string, FieldKind>,
): Record<string, unknown> {
  const collected: Record<string, unknown> = {};
  for (const [written, value] of form) {
    const [, name = '', key] = FIELD_NAME.exec(written) ?? [];
    const kind = kinds.get(name);
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
