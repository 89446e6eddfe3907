// Requests to Deepgram's API made by hand, and what every refusal of it has in common.
import { expect } from 'vitest';
import type { Answer } from '../requests.ts';
import { type ListenBody, UUID } from './shapes.ts';

export type Query = Record<string, string | string[]>;

export function queryString(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => [name, value]),
  );
  return new URLSearchParams(pairs).toString();
}

export interface ListenInit {
  query?: Query | string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export async function listen(
  url: string,
  body: Buffer | string | ReadableStream<Uint8Array>,
  { query = {}, headers = {}, signal }: ListenInit = {},
): Promise<Answer> {
  const search = typeof query === 'string' ? query : queryString(query);
  const answer = await fetch(`${url}/v1/listen?${search}`, {
    method: 'POST',
    headers,
    body: Buffer.isBuffer(body) ? new Uint8Array(body) : body,
    ...(signal && { signal }),
    ...(body instanceof ReadableStream && { duplex: 'half' }),
  } as RequestInit);
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

export function listenToUrl(url: string, remote: string, init: ListenInit = {}): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...init.headers };
  return listen(url, JSON.stringify({ url: remote }), { ...init, headers });
}

export function bodyOf(answer: Answer): ListenBody {
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
  expectNames(answer);
  const body: ListenBody = JSON.parse(answer.text);
  expect(body.metadata.request_id).toBe(answer.headers.get('dg-request-id'));
  return body;
}

/** Both names of the request are one: the SDKs show the first, our log has the second. */
export function expectNames({ headers }: Pick<Answer, 'headers'>): string {
  const id = headers.get('dg-request-id') ?? '';
  expect(id).toMatch(UUID);
  expect(headers.get('x-request-id')).toBe(`req_${id.replaceAll('-', '')}`);
  return id;
}

/** Deepgram's envelope, exactly: three strings, one of them in the headers too. */
export function expectRefusal(answer: Answer, status: number, code: string, message: string | RegExp): void {
  expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
  const body = JSON.parse(answer.text);
  const text = typeof message === 'string' ? message : expect.stringMatching(message);
  expect({ status: answer.status, body }).toEqual({
    status,
    body: { err_code: code, err_msg: text, request_id: expectNames(answer) },
  });
  expect(answer.headers.get('dg-error')).toBe(body.err_msg);
}

export const INVALID_QUERY = [400, 'Bad Request', 'Invalid query string.'] as const;
export const CORRUPT_AUDIO = [
  400,
  'Bad Request',
  'Bad Request: failed to process audio: corrupt or unsupported data',
] as const;
export const BAD_JSON = [
  400,
  'Bad Request',
  'Content-type was application/json, but we could not process the JSON payload.',
] as const;
export const INVALID_CREDENTIALS = [401, 'INVALID_AUTH', 'Invalid credentials.'] as const;
