// Live transcription is not served yet: a handshake is refused in HTTP, with everything that a client may look at.
import { request } from 'node:http';
import { createClient } from 'deepgram4';
import { DeepgramClient } from 'deepgram5';
import { expect, test } from 'vitest';
import { useGateway } from '../gateway.ts';
import type { Answer } from '../requests.ts';
import { expectRefusal, INVALID_CREDENTIALS } from './listen.ts';

const KEY = 'compat-key';
const gateway = useGateway({ API_KEYS: KEY });

function shakeHands(path: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const handshake = request(`${gateway().url}${path}`, {
      headers: {
        ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
        ...{ 'sec-websocket-key': Buffer.from('sixteen bytes ok').toString('base64') },
        ...{ 'sec-websocket-extensions': 'permessage-deflate', ...headers },
      },
    });
    handshake.once('upgrade', () => reject(new Error('The handshake was accepted.')));
    handshake.once('error', reject);
    handshake.once('response', async (response) => {
      const text = (await response.setEncoding('utf8').toArray()).join('');
      resolve({ status: response.statusCode ?? 0, headers: new Headers(response.headers as never), text });
    });
    handshake.end();
  });
}

test.each([
  ['a header', { authorization: `Token ${KEY}` }],
  ['a subprotocol', { 'sec-websocket-protocol': `token, ${KEY}` }],
  ['a subprotocol without a space', { 'sec-websocket-protocol': `token,${KEY},x-deepgram-session-id,some-uuid` }],
])('a key in %s: 405 in the envelope', async (_case, headers) => {
  const answer = await shakeHands('/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000', headers);
  expectRefusal(answer, 405, 'Method Not Allowed', /Live/);
  expect(answer.headers.get('allow')).toBe('POST');
});

test('a wrong key, in a header and in a subprotocol: 401', async () => {
  expectRefusal(await shakeHands('/v1/listen', { authorization: 'Token wrong' }), ...INVALID_CREDENTIALS);
  expectRefusal(await shakeHands('/v1/listen', { 'sec-websocket-protocol': 'token, wrong' }), ...INVALID_CREDENTIALS);
  expectRefusal(await shakeHands('/v1/listen', {}), ...INVALID_CREDENTIALS);
});

test('Flux: 404', async () => {
  expectRefusal(await shakeHands('/v2/listen', { authorization: `Token ${KEY}` }), 404, 'Not Found', /Flux/);
});

test('@deepgram/sdk 4 reports an error and closes, and the server goes on', async () => {
  const connection = createClient(KEY, { global: { url: gateway().url } }).listen.live({ model: 'nova-3' });
  const events: string[] = [];
  await new Promise<void>((resolve) => {
    connection.on('open', () => events.push('open'));
    connection.on('error', () => events.push('error'));
    connection.on('close', () => resolve());
  });
  expect(events).toContain('error');
  expect(events).not.toContain('open');
  expect((await fetch(`${gateway().url}/v1/status`)).status).toBe(200);
});

test('@deepgram/sdk 5 does not open', async () => {
  const client = new DeepgramClient({ apiKey: KEY, baseUrl: gateway().url });
  const connection = await client.listen.v1.connect({ model: 'nova-3', reconnectAttempts: 0 } as never);
  connection.on('error', () => {});
  try {
    connection.connect();
    await expect(connection.waitForOpen()).rejects.toThrow(/405/);
  } finally {
    connection.close();
  }
});
