// The query string of /v1/listen, in all the ways that clients write it → validated options, or Deepgram's refusal. Pure.
import type { z } from '@hono/zod-openapi';
import { GatewayError } from '../../errors.ts';
import { listenQuery } from './schema.ts';

export type ListenQuery = z.infer<typeof listenQuery>;

/** A number of parameters beyond any use. What one connection may send is bounded by the server's header size as well. */
const PARAMETERS_MAX = 2000;

/** How each option is written as text. Others are ignored: clients send many, of the live API too. */
const KINDS: ReadonlyMap<string, 'text' | 'number' | 'flag' | 'list'> = new Map([
  ...kind('text', 'model', 'version', 'tier', 'language', 'diarize_model', 'diarize_version'),
  ...kind('text', 'callback', 'callback_method', 'encoding', 'custom_topic_mode', 'custom_intent_mode'),
  ...kind('number', 'utt_split', 'sample_rate', 'channels', 'alternatives'),
  ...kind('flag', 'punctuate', 'smart_format', 'paragraphs', 'utterances', 'diarize', 'multichannel', 'numerals'),
  ...kind('flag', 'measurements', 'dictation', 'filler_words', 'profanity_filter', 'detect_entities'),
  ...kind('flag', 'sentiment', 'topics', 'intents', 'mip_opt_out', 'summarize'),
  ...kind('list', 'detect_language', 'redact', 'replace', 'search', 'keywords', 'keyterm', 'extra', 'tag'),
  ...kind('list', 'custom_topic', 'custom_intent'),
]);

/** `name`, `name[]` or `name[key]`. */
const PARAMETER_NAME = /^([^[\]]+)(?:\[([^[\]]*)\])?$/;
/** What SDKs make of an option that was left open. */
const ABSENT = new Set(['', 'undefined', 'null']);

export function readQuery(query: URLSearchParams): ListenQuery {
  if (query.size > PARAMETERS_MAX) throw invalidQuery('', `more than ${PARAMETERS_MAX} parameters`);
  const result = listenQuery.safeParse(collect(query));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw invalidQuery(String(issue?.path[0] ?? ''), issue?.message ?? '');
}

/** The vendor says no more than the first sentence, so what follows is for people only. */
export function invalidQuery(field: string, why?: string): GatewayError {
  return new GatewayError('field-invalid', 'Invalid query string.', {
    field,
    cause: new Error([field, why].filter(Boolean).join(': ')),
  });
}

function collect(query: URLSearchParams): Record<string, unknown> {
  const collected = new Map<string, unknown>();
  for (const [written, value] of query) {
    const [, name = '', key] = PARAMETER_NAME.exec(written) ?? [];
    const kind = KINDS.get(name);
    if (!kind || ABSENT.has(value.trim().toLowerCase())) continue;
    if (kind === 'list') {
      const list = (collected.get(name) ?? []) as (string | boolean)[];
      list.push(...readItems(name, key ? `${key}:${value}` : value));
      collected.set(name, list);
    } else if (kind === 'flag') collected.set(name, readFlag(value));
    else if (kind === 'number') collected.set(name, Number(value));
    else collected.set(name, value.trim());
  }
  return Object.fromEntries(collected);
}

/** Some flags have names for values, too: what is no flag is left as it is. */
function readFlag(value: string): boolean | string {
  return FLAGS.get(value.trim().toLowerCase()) ?? value.trim();
}

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

/** Two lists may be a flag instead. One SDK joins what to redact with commas; elsewhere a comma is a part of the phrase. */
function readItems(name: string, value: string): (string | boolean)[] {
  if (name === 'detect_language') return [readFlag(value)].filter((item) => item !== false);
  if (name !== 'redact') return [value];
  return value
    .split(',')
    .map(readFlag)
    .filter((item) => item !== '' && item !== false)
    .map(String);
}

function kind<Kind extends string>(of: Kind, ...names: string[]): [string, Kind][] {
  return names.map((name) => [name, of]);
}
