import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { createTemporaryTokens } from './temporary-token.ts';

let nowMs = 1_700_000_000_500;
const SECRET = Buffer.from('kept by the server');
const tokensOf = (...keys: string[]) => createTemporaryTokens(keys, SECRET, () => nowMs);
const invalid = expect.objectContaining({ code: 'key-invalid' });

test('a token is valid for its time, and says so in a standard way', () => {
  const tokens = tokensOf('key');
  const token = tokens.mint(30);
  const [header = '', body = ''] = token.split('.');
  expect(JSON.parse(atob(header))).toEqual({ alg: 'HS256', typ: 'JWT' });
  expect(JSON.parse(atob(body))).toEqual({ iat: 1_700_000_000, exp: 1_700_000_031 });
  const mintedAtMs = nowMs;
  nowMs = mintedAtMs + 30_000;
  expect(() => tokens.check(token)).not.toThrow();
  nowMs = mintedAtMs + 31_000;
  expect(() => tokens.check(token)).toThrow(invalid);
  nowMs = mintedAtMs;
});

test('a restart forgets no token; another set of keys knows none', () => {
  const token = tokensOf('key', 'other').mint(30);
  expect(() => tokensOf('key', 'other').check(token)).not.toThrow();
  expect(() => tokensOf('key').check(token)).toThrow(invalid);
  expect(() => tokensOf('key', 'other', 'third').check(token)).toThrow(invalid);
});

test('a token tells nothing of the keys: another server with the same ones does not know it', () => {
  const elsewhere = createTemporaryTokens(['key'], Buffer.from('kept by another'), () => nowMs);
  expect(() => elsewhere.check(tokensOf('key').mint(30))).toThrow(invalid);
});

test('a token that was changed or made elsewhere is refused', () => {
  const tokens = tokensOf('key');
  const [header = '', body = '', signature = ''] = tokens.mint(30).split('.');
  const longer = Buffer.from('{"exp":9999999999}').toString('base64url');
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  const foreign = createHmac('sha256', 'key').update(`${header}.${longer}`).digest('base64url');
  for (const token of [
    `${header}.${longer}.${signature}`,
    `${header}.${longer}.${foreign}`,
    `${none}.${longer}.`,
    `${header}.${body}.${signature}.more`,
    `${header}.${body}`,
    'key',
    '',
    '..',
  ]) {
    expect(() => tokens.check(token), token).toThrow(invalid);
  }
});

test('where there are no keys every token is as good as none', () => {
  expect(() => tokensOf().check('anything')).not.toThrow();
});
