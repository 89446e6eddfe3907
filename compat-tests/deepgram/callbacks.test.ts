// Answers that are sent to a URL later: how, signed by whom, how often, and what of them survives.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { clip, speech } from '../audio.ts';
import { endGateway, eventually, type Gateway, paced, startGateway, useGateway } from '../gateway.ts';
import type { Answer } from '../requests.ts';
import { expectNames, expectRefusal, INVALID_QUERY, listen, listenToUrl, type Query } from './listen.ts';
import { MAJORS } from './majors.ts';
import { expectAnswer, expectFloatTexts, type ListenBody, PLAIN_TRANSCRIPT } from './shapes.ts';
import { useWebServer } from './web-server.ts';

const SECRET = `whsec_${Buffer.from('a secret of thirty-two characters').toString('base64')}`;
const RETRY_SECONDS = 0.5;

interface Delivery {
  method: string;
  path: string;
  headers: Headers;
  text: string;
}

let received: Delivery[] = [];
/** What the receiver answers, in order; then 200. */
let statuses: number[] = [];
beforeEach(() => {
  received = [];
  statuses = [];
});
const receiver = useWebServer(async (request, response) => {
  const text = (await request.setEncoding('utf8').toArray()).join('');
  const { method = '', url: path = '' } = request;
  received.push({ method, path, headers: new Headers(request.headers as Record<string, string>), text });
  response.writeHead(statuses.shift() ?? 200).end();
});

/** Generous: the first includes an inference, on whatever else the machine does. */
const DELIVERED_MS_MAX = 30_000;

async function delivered(count: number): Promise<Delivery[]> {
  await eventually(async () => expect(received).toHaveLength(count), DELIVERED_MS_MAX);
  return received;
}

async function ask(gateway: Gateway, query: Query, audio = speech()): Promise<string> {
  return idOf(await listen(gateway.url, audio, { query: { callback: `${receiver().url}/hook`, ...query } }));
}

function idOf(answer: Answer): string {
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  const id = expectNames(answer);
  expect(answer.text).toBe(`{"request_id":"${id}"}`);
  return id;
}

describe('with a receiver that may be private', () => {
  const gateway = useGateway({
    ...{ ALLOW_PRIVATE_URLS: 'true', WEBHOOK_SECRET: SECRET },
    ...{ WEBHOOK_RETRY_SECONDS: String(RETRY_SECONDS), WEBHOOK_RETRIES_MAX: '2' },
  });

  test.each(MAJORS)('@deepgram/sdk $major: POST, then PUT', async ({ connect }) => {
    const client = connect(gateway().url, { key: 'none' });
    const callback = `${receiver().url}/hook?of=them`;
    const first = await client.callBack(speech(), callback, { model: 'nova-3', punctuate: true, tag: ['a'] });
    await delivered(1);
    const second = await client.callBack(speech(), callback, { model: 'nova-3', callback_method: 'put' });
    const deliveries = await delivered(2);
    expect(deliveries.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /hook?of=them',
      'PUT /hook?of=them',
    ]);
    const [posted, put] = deliveries.map(({ text }) => JSON.parse(text) as ListenBody) as [ListenBody, ListenBody];
    expectAnswer(posted, { metadata: ['tags'], word: ['punctuated_word'] });
    expect(expectAnswer(put).transcript).toMatch(PLAIN_TRANSCRIPT);
    expect([posted, put].map(({ metadata }) => metadata.request_id)).toEqual([first.request_id, second.request_id]);
    expect(first).toEqual({ request_id: first.request_id });
    for (const { headers, text } of deliveries) {
      expect(headers.get('content-type')).toBe('application/json');
      expectFloatTexts(text);
    }
  });

  test('the recording may be a URL', async () => {
    const remote = `${receiver().url}/no-audio`;
    const id = idOf(await listenToUrl(gateway().url, remote, { query: { callback: `${receiver().url}/hook` } }));
    const [fetched, failure] = await delivered(2);
    expect(fetched).toMatchObject({ method: 'GET', path: '/no-audio' });
    // It could not be transcribed, and whoever waits is told, in the envelope.
    expect(JSON.parse(failure?.text ?? '')).toEqual({
      err_code: 'REMOTE_CONTENT_ERROR',
      err_msg: 'The remote server hosting the media failed to return valid data.',
      request_id: id,
    });
  });

  test('signed by the Standard Webhooks scheme, with credentials from the URL', async () => {
    const callback = receiver().url.replace('//', '//user:p%40ss@');
    const id = await ask(gateway(), { callback: `${callback}/hook` });
    const [{ headers, text }] = (await delivered(1)) as [Delivery];
    expect(headers.get('authorization')).toBe(`Basic ${Buffer.from('user:p@ss').toString('base64')}`);
    expect(headers.get('webhook-id')).toBe(id);
    const timestamp = Number(headers.get('webhook-timestamp'));
    expect(Math.abs(Date.now() / 1000 - timestamp)).toBeLessThan(10);
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
    const expected = createHmac('sha256', key).update(`${id}.${timestamp}.${text}`).digest();
    const [version, signature = ''] = headers.get('webhook-signature')?.split(',') ?? [];
    expect(version).toBe('v1');
    expect(timingSafeEqual(Buffer.from(signature, 'base64'), expected)).toBe(true);
  });

  test('two refusals, then it is taken: the same bytes and id each time', async () => {
    statuses = [500, 500];
    const startedMs = performance.now();
    const id = await ask(gateway(), { callback_method: 'PUT' });
    const deliveries = await delivered(3);
    expect(performance.now() - startedMs).toBeGreaterThan(2 * RETRY_SECONDS * 1000);
    expect(new Set(deliveries.map(({ text }) => text)).size).toBe(1);
    for (const { method, headers } of deliveries) expect([method, headers.get('webhook-id')]).toEqual(['PUT', id]);
    expect(JSON.parse(deliveries[0]?.text ?? '').metadata.request_id).toBe(id);
    await sleep(2 * RETRY_SECONDS * 1000);
    expect(received).toHaveLength(3);
  });

  test('a receiver that always refuses is left alone after the last retry, and that can be seen', async () => {
    statuses = Array(10).fill(404);
    const id = await ask(gateway(), { callback: `${receiver().url.replace('//', '//user:pass@')}/hook?secret=x` });
    await delivered(3);
    await sleep(3 * RETRY_SECONDS * 1000);
    expect(received).toHaveLength(3);
    const answer = await fetch(`${gateway().url}/callbacks`);
    const { pending, failed, failures } = (await answer.json()) as Record<string, unknown> & { failures: unknown[] };
    expect({ pending, failed, failures }).toMatchObject({
      pending: 0,
      failed: 1,
      failures: [{ id, url: `${receiver().url}/hook`, attempts: 3, error: expect.stringContaining('404') }],
    });
  });

  test('what turns out to be no audio is told to the receiver', async () => {
    const id = await ask(gateway(), {}, Buffer.from('no audio'));
    const [{ text }] = (await delivered(1)) as [Delivery];
    expect(JSON.parse(text)).toEqual({
      err_code: 'Bad Request',
      err_msg: 'Bad Request: failed to process audio: corrupt or unsupported data',
      request_id: id,
    });
  });

  test('a redirect is a refusal: a signed body goes where it was meant to go', async () => {
    statuses = [307];
    await ask(gateway(), {});
    const deliveries = await delivered(2);
    expect(deliveries.map(({ path }) => path)).toEqual(['/hook', '/hook']);
  });
});

describe('a callback that is refused before anything is done', () => {
  const gateway = useGateway();

  test.each(['example.com/hook', 'ftp://example.com/hook', 'wss://example.com/hook', '//example.com', 'http://'])(
    'to %s',
    async (callback) => {
      expectRefusal(await listen(gateway().url, speech(), { query: { callback } }), ...INVALID_QUERY);
    },
  );

  test.each([
    ...['http://127.0.0.1/hook', 'https://[::1]/hook', 'http://10.1.2.3/hook', 'http://169.254.169.254/hook'],
    ...['http://2130706433/hook', 'http://0x7f.1/hook', 'http://[::ffff:192.168.0.1]/hook', 'http://0/hook'],
  ])('to the private address %s', async (callback) => {
    expectRefusal(await listen(gateway().url, speech(), { query: { callback } }), ...INVALID_QUERY);
  });

  test('by another method than POST and PUT', async () => {
    const query = { callback: 'https://example.com/hook', callback_method: 'DELETE' };
    expectRefusal(await listen(gateway().url, speech(), { query }), ...INVALID_QUERY);
  });

  // The name of a private address is known as such only when it is looked up.
  test('to a private name is accepted, and never delivered', async () => {
    const callback = `${receiver().url.replace('127.0.0.1', 'localhost')}/hook`;
    idOf(await listen(gateway().url, speech(), { query: { callback } }));
    await eventually(async () => {
      const failures = gateway().log.filter(({ msg }) => msg === 'webhook failed, to be retried');
      expect(failures).not.toEqual([]);
    }, 10_000);
    expect(received).toEqual([]);
  });
});

describe('survives SIGKILL', () => {
  const environment = {
    ...{ ALLOW_PRIVATE_URLS: 'true', WEBHOOK_RETRY_SECONDS: '1', WEBHOOK_RETRIES_MAX: '10' },
    ...{ API_KEYS: '', WEBHOOK_SECRET: SECRET },
  };

  async function killed(gateway: Gateway): Promise<void> {
    gateway.child.kill('SIGKILL');
    await gateway.exited;
  }

  test('between the acknowledgement and the transcript', async () => {
    const slow = await startGateway({ ...environment, ...paced({ speed: 1 }) });
    const ids = [await ask(slow, { tag: 'a' }, clip(4, 1)), await ask(slow, { tag: 'b' }, clip(4, 2))];
    await killed(slow);
    expect(received).toEqual([]);
    const next = await startGateway({ ...environment, ...paced() }, { dataDirectory: slow.dataDirectory });
    const bodies = (await delivered(2)).map(({ text }) => JSON.parse(text) as ListenBody);
    expect(new Set(bodies.map(({ metadata }) => metadata.request_id))).toEqual(new Set(ids));
    for (const { metadata, results } of bodies) {
      expect(metadata.tags).toEqual([metadata.request_id === ids[0] ? 'a' : 'b']);
      expect(results.channels[0]?.alternatives[0]?.words).toHaveLength(10);
    }
    await sleep(300);
    expect(received).toHaveLength(2);
    await endGateway(next);
  });

  test('between two attempts to deliver', async () => {
    statuses = [503];
    const first = await startGateway({ ...environment, ...paced() });
    const id = await ask(first, {}, clip(1, 3));
    await delivered(1);
    await eventually(async () => {
      expect(first.log.map(({ msg }) => msg)).toContain('webhook failed, to be retried');
    }, 2000);
    await killed(first);
    const next = await startGateway({ ...environment, ...paced() }, { dataDirectory: first.dataDirectory });
    const deliveries = await delivered(2);
    expect(deliveries.map(({ headers }) => headers.get('webhook-id'))).toEqual([id, id]);
    expect(deliveries[1]?.text).toBe(deliveries[0]?.text);
    await endGateway(next);
  });
});
