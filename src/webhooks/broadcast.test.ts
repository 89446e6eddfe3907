import { expect, test, vi } from 'vitest';
import { GatewayError } from '../errors.ts';
import { silentLog } from '../lib/log.ts';
import { broadcast } from './broadcast.ts';
import type { Enqueued } from './outbox.ts';

async function* newsOf(...bodies: string[]): AsyncGenerator<string> {
  yield* bodies;
}

test('sends every body to every URL that is wanted at the time, each as a message of its own', async () => {
  const sent: Enqueued[] = [];
  const wanted = [['http://a/?key=1', 'http://b/'], ['http://b/']];
  const outbox = { enqueue: (message: Enqueued) => void sent.push(message) };
  await broadcast(newsOf('one', 'two'), { urls: () => wanted.shift() ?? [], outbox, log: silentLog });
  expect(sent.map(({ url, method, body }) => [url, method, body.toString()])).toEqual([
    ['http://a/?key=1', 'POST', 'one'],
    ['http://b/', 'POST', 'one'],
    ['http://b/', 'POST', 'two'],
  ]);
  expect(new Set(sent.map(({ id }) => id)).size).toBe(3);
});

test('goes on where one cannot be sent, and writes no secrets to the log', async () => {
  const warn = vi.spyOn(silentLog, 'warn');
  const sent: string[] = [];
  const outbox = {
    enqueue({ url }: Enqueued) {
      if (url.includes('full')) throw new GatewayError('queue-full', 'Full.');
      sent.push(url);
    },
  };
  const urls = () => ['https://ada:secret@full/?key=secret', 'http://b/'];
  await broadcast(newsOf('one'), { urls, outbox, log: silentLog });
  expect(sent).toEqual(['http://b/']);
  expect(JSON.stringify(warn.mock.calls)).toContain('https://full/');
  expect(JSON.stringify(warn.mock.calls)).not.toContain('secret');
});

test('outlives a moment in which nobody can say who wants them', async () => {
  const sent: Enqueued[] = [];
  let asked = 0;
  const urls = () => {
    asked += 1;
    if (asked === 1) throw new Error('disk I/O error');
    return ['http://b/'];
  };
  const outbox = { enqueue: (message: Enqueued) => void sent.push(message) };
  await broadcast(newsOf('one', 'two'), { urls, outbox, log: silentLog });
  expect(sent.map(({ body }) => body.toString())).toEqual(['two']);
});
