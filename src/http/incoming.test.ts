import { type Context, Hono } from 'hono';
import { expect, test } from 'vitest';
import { createKeyRing } from './auth.ts';
import type { HttpEnvironment } from './environment.ts';
import { callerOf } from './incoming.ts';

async function callerWith(headers: Record<string, string>, address: string, keys: string[]): Promise<string> {
  let caller = '';
  const app = new Hono<HttpEnvironment>().get('/', (context: Context<HttpEnvironment>) => {
    caller = callerOf(context, createKeyRing(keys));
    return context.body(null);
  });
  await app.request('/', { headers }, { incoming: { socket: { remoteAddress: address } } });
  return caller;
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

test('a caller goes by its key, from whatever address and in whatever header', async () => {
  const caller = await callerWith(bearer('k1'), '192.0.2.1', ['k1', 'k2']);
  expect(caller).toMatch(/^[0-9a-f]{16}$/);
  expect(await callerWith(bearer('k1'), '192.0.2.2', ['k1', 'k2'])).toBe(caller);
  expect(await callerWith({ 'x-api-key': 'k1' }, '192.0.2.1', ['k1', 'k2'])).toBe(caller);
  expect(await callerWith(bearer('k2'), '192.0.2.1', ['k1', 'k2'])).not.toBe(caller);
});

test('what is written where no key is asked for makes strangers not one caller', async () => {
  const caller = await callerWith(bearer('none'), '192.0.2.1', []);
  expect(await callerWith(bearer('none'), '192.0.2.1', [])).toBe(caller);
  expect(await callerWith(bearer('none'), '192.0.2.2', [])).not.toBe(caller);
  expect(await callerWith(bearer('other'), '192.0.2.1', [])).not.toBe(caller);
  expect(await callerWith({}, '192.0.2.1', [])).not.toBe(await callerWith({}, '192.0.2.2', []));
});
