import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { isJson, readJson } from './json-body.ts';

const read = (text: string) =>
  readJson(Readable.from(text === '' ? [] : [Buffer.from(text)]), {
    bytesMax: 1024 ** 2,
    idleMs: 1000,
    signal: new AbortController().signal,
  });

test.each([
  ['application/json', true],
  ['application/json; charset=utf-8', true],
  ['Application/vnd.api+JSON', true],
  ['application/jsonp', false],
  ['text/json', false],
  ['', false],
])('the type %j is JSON: %s', (type, is) => {
  expect(isJson(new Headers({ 'content-type': type }))).toBe(is);
});

test('a body is read whole; none is an empty object', async () => {
  expect(await read('{"url": "x"}')).toEqual({ url: 'x' });
  expect(await read('')).toEqual({});
});

test('what is no JSON, or too long to be any, is malformed', async () => {
  await expect(read('{')).rejects.toMatchObject({ code: 'body-malformed' });
  await expect(read(`"${'x'.repeat(64 * 1024)}"`)).rejects.toMatchObject({
    code: 'body-malformed',
    message: 'The JSON body is too long.',
  });
});
