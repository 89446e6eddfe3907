// Over real sockets: receivers as they are.
import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { GatewayError } from '../errors.ts';
import { FakeClock } from '../lib/clock.ts';
import { createUrlGuard } from '../lib/safe-url.ts';
import { createSend, type Delivery, readRetryAfter, type Send } from './deliver.ts';
import { type WebhooksSettings, webhooksSettings } from './settings.ts';

const NOW_MS = 1_800_000_000_999;
const live = new AbortController().signal;

let server: Server;
let url: string;
let clock: FakeClock;
let received: { request: IncomingMessage; body: Buffer }[];
let answer: (response: ServerResponse) => void;
let send: Send;

function build(settings: Partial<WebhooksSettings> = {}, guard = createUrlGuard({ allowPrivate: true })): Send {
  const all = { ...webhooksSettings.parse({}), ...settings };
  return createSend({ settings: all, guard, clock, epochMs: () => NOW_MS });
}
const delivery = (change: Partial<Delivery> = {}): Delivery => ({
  id: 'm-1',
  url,
  method: 'POST',
  body: Buffer.from('{"ü":1}'),
  ...change,
});
const failure = (sending: Promise<void>): Promise<GatewayError> =>
  sending.then(
    () => expect.fail('it was delivered'),
    (error) => error,
  );

beforeAll(async () => {
  server = createServer(async (request, response) => {
    received.push({ request, body: await buffer(request) });
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?x=1`;
});
afterAll(() => server.close());
beforeEach(() => {
  received = [];
  answer = (response) => response.end('thanks');
  clock = new FakeClock();
  send = build();
});
afterEach(() => {
  expect(clock.pendingCount).toBe(0);
  server.closeAllConnections();
});

test.each(['POST', 'PUT'] as const)(
  '%s sends the body with its id and time, unsigned without a secret',
  async (method) => {
    await send(delivery({ method }), live);
    const { request, body } = received[0] ?? expect.fail();
    expect([request.method, request.url, body.toString()]).toEqual([method, '/hook?x=1', '{"ü":1}']);
    expect(request.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': '8',
      'webhook-id': 'm-1',
      'webhook-timestamp': '1800000000',
    });
    expect(request.headers).not.toHaveProperty('webhook-signature');
    expect(request.headers).not.toHaveProperty('authorization');
  },
);

test('signs the bytes that arrive', async () => {
  await build({ WEBHOOK_SECRET: 'whsec_c2VjcmV0IQ==' })(delivery(), live);
  const { request, body } = received[0] ?? expect.fail();
  const expected = createHmac('sha256', 'secret!').update('m-1.1800000000.').update(body).digest('base64');
  expect(request.headers['webhook-signature']).toBe(`v1,${expected}`);
});

test('a secret that cannot be read is found at the start', () => {
  expect(() => build({ WEBHOOK_SECRET: 'whsec_!' })).toThrow(expect.objectContaining({ code: 'setup-incomplete' }));
});

test('sends the credentials of the URL as a header', async () => {
  await send(delivery({ url: url.replace('//', '//user:pass@') }), live);
  expect(received[0]?.request.headers.authorization).toBe(`Basic ${Buffer.from('user:pass').toString('base64')}`);
});

describe('the verdict', () => {
  test.each([200, 201, 202, 204, 299])('%i is a confirmation', async (status) => {
    answer = (response) => response.writeHead(status).end();
    await send(delivery(), live);
  });

  test.each([
    [400, 'The receiver answered 400 Bad Request.'],
    [410, 'The receiver answered 410 Gone.'],
    [500, 'The receiver answered 500 Internal Server Error.'],
    [599, 'The receiver answered 599.'],
    [304, 'The receiver answered 304 Not Modified.'],
  ])('%i is none', async (status, words) => {
    answer = (response) => response.writeHead(status).end();
    const error = await failure(send(delivery(), live));
    expect(error).toMatchObject({ code: 'url-unreachable', message: words, retryAfterSeconds: undefined });
  });

  test('a redirect is none, and is not followed', async () => {
    answer = (response) => response.writeHead(307, { location: '/elsewhere' }).end();
    expect((await failure(send(delivery(), live))).message).toContain('307');
    expect(received.length).toBe(1);
  });

  test('tells when the receiver wants to be asked again', async () => {
    answer = (response) => response.writeHead(503, { 'retry-after': '120' }).end();
    expect(await failure(send(delivery(), live))).toMatchObject({ retryAfterSeconds: 120 });
  });

  test.each([
    ['0', 0],
    ['90', 90],
    [new Date(NOW_MS + 60_000).toUTCString(), 59.001],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
    [['1', '2'], undefined],
  ])('reads Retry-After: %s', (value, seconds) => expect(readRetryAfter(value, NOW_MS)).toBe(seconds));

  test('a confirmation is one however its body goes on', async () => {
    answer = (response) => {
      response.writeHead(200, { 'content-length': 100 }).write('half', () => response.destroy());
    };
    await send(delivery(), live);
    answer = (response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', more);
      more();
    };
    await send(delivery(), live);
  });

  test('a confirmation whose body drips is one when its time is over', async () => {
    answer = (response) => response.write('.');
    const sending = send(delivery(), live);
    await expect.poll(() => received.length).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await clock.advance(30_000);
    await sending;
  });
});

describe('no answer', () => {
  test('in time', async () => {
    answer = () => {};
    const sending = failure(send(delivery(), live));
    await expect.poll(() => received.length).toBe(1);
    await clock.advance(30_000);
    expect(await sending).toMatchObject({ code: 'url-unreachable', message: 'The receiver did not answer in time.' });
  });

  test('while its name is looked up', async () => {
    const guard = { ...createUrlGuard({ allowPrivate: true }), lookup: () => {} };
    const sending = failure(build({}, guard)(delivery({ url: 'http://slow.test/' }), live));
    await clock.advance(30_000);
    expect(await sending).toMatchObject({ message: 'The receiver did not answer in time.' });
  }, 3000); // a connection may take ten seconds

  test('but a broken connection', async () => {
    answer = (response) => response.destroy();
    expect(await failure(send(delivery(), live))).toMatchObject({ message: 'The receiver could not be reached.' });
    const nobody = delivery({ url: 'http://127.0.0.1:1/' });
    expect(await failure(send(nobody, live))).toMatchObject({ message: 'The receiver could not be reached.' });
  });

  test('because we stop', async () => {
    answer = () => {};
    const stop = new AbortController();
    const sending = send(delivery(), stop.signal);
    await expect.poll(() => received.length).toBe(1);
    stop.abort(new Error('stopping'));
    await expect(sending).rejects.toThrow('stopping');
    await expect(send(delivery(), stop.signal)).rejects.toThrow('stopping');
    expect(received.length).toBe(1);
  });
});

test('a private address is never asked, named or by number', async () => {
  const strict = build({}, createUrlGuard({ allowPrivate: false }));
  expect(await failure(strict(delivery(), live))).toMatchObject({ code: 'url-forbidden' });
  const named = delivery({ url: url.replace('127.0.0.1', 'localhost') });
  expect(await failure(strict(named, live))).toMatchObject({ code: 'url-forbidden' });
  expect(received).toEqual([]);
});
