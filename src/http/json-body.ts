// JSON bodies: small ones, read whole. What is in them is judged by whoever asked.
import type { Readable } from 'node:stream';
import { GatewayError } from '../errors.ts';
import { type BodyOptions, malformed, readBytes } from './body.ts';

const JSON_BYTES_MAX = 64 * 1024;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\b/i;

export function isJson(headers: Headers): boolean {
  return JSON_TYPE.test(headers.get('content-type') ?? '');
}

/** To be called within `readWithin`. Always an object, which nothing at all is, too. */
export async function readJson(body: Readable, options: BodyOptions): Promise<object> {
  const text = await readText(body, options);
  const content = text === '' ? {} : parse(text);
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content;
  throw malformed('The JSON body is not an object.');
}

/** Programs write what they leave open as null or as nothing, too. */
export function withoutBlanks(content: object): object {
  return Object.fromEntries(Object.entries(content).filter(([, value]) => value !== null && value !== ''));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed('The JSON body cannot be read.', cause);
  }
}

/** What is longer is no JSON that we could use: most likely a recording under the wrong type. */
async function readText(body: Readable, options: BodyOptions): Promise<string> {
  try {
    return (await readBytes(body, { ...options, bytesMax: JSON_BYTES_MAX })).toString();
  } catch (cause) {
    if (!(cause instanceof GatewayError) || cause.code !== 'body-too-large') throw cause;
    throw malformed('The JSON body is too long.', cause);
  }
}
