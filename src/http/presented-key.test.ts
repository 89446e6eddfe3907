import { expect, test } from 'vitest';
import { presentedKey } from './presented-key.ts';

test.each([
  [{ authorization: 'Bearer k1' }, 'k1'],
  [{ authorization: 'bearer  k1' }, 'k1'],
  [{ authorization: 'Token k1' }, 'k1'],
  [{ authorization: 'k1' }, 'k1'],
  [{ 'x-api-key': ' k1 ' }, 'k1'],
  [{ authorization: 'Bearer k1', 'x-api-key': 'k2' }, 'k1'],
  [{ authorization: 'Basic dTpw', 'x-api-key': 'k2' }, 'k2'],
  [{ authorization: 'Basic dTpw' }, undefined],
  [{ authorization: 'Bearer' }, undefined],
  [{ authorization: 'Bearer k1 k2' }, undefined],
  [{ authorization: '' }, undefined],
  [{ 'x-api-key': ' ' }, undefined],
  [{}, undefined],
])('%j presents %s', (headers, key) => {
  expect(presentedKey(new Headers(headers))).toBe(key);
});
