import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { isJson, readJson, withoutBlanks } from './json-body.ts';

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

test.each(['[]', 'null', '"text"', '7'])('%s is no object', async (text) => {
  await expect(read(text)).rejects.toMatchObject({
    code: 'body-malformed',
    message: 'The JSON body is not an object.',
  });
});

test('what is left open is left out', () => {
  expect(withoutBlanks({ model: null, language: '', temperature: 0, stream: false })).toEqual({
    ...{ temperature: 0, stream: false },
  });
});

test('what is no JSON, or too long to be any, is malformed', async () => {
  await expect(read('{')).rejects.toMatchObject({ code: 'body-malformed' });
  await expect(read(`"${'x'.repeat(64 * 1024)}"`)).rejects.toMatchObject({
    code: 'body-malformed',
    message: 'The JSON body is too long.',
  });
});
