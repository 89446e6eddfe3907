// Over real sockets: whether the answer to a head that Node refuses reaches the client.
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answerBadHeads } from './bad-head.ts';

let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer({ maxHeaderSize: 4096 }, (_request, response) => response.end('served'));
  answerBadHeads(server, () => ({ status: 431, headers: { 'x-error': 'head' }, body: { too: 'large' } }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

/** What comes back when the client reads nothing until it has written all. */
async function exchange(request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  await new Promise((resolve) => socket.write(request, resolve));
  return text(socket);
}
const getWith = (path: string) => `GET /${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;

test.each([3000, 5000, 100_000, 1_000_000, 20_000_000])('a URL of %i characters is answered', async (length) => {
  const answer = await exchange(getWith('x'.repeat(length)));
  if (length < 4000) expect(answer).toMatch(/^HTTP\/1.1 200 .*served/s);
  else expect(answer).toMatch(/^HTTP\/1.1 431 .*x-error: head\r\n.*\r\n\r\n\{"too":"large"\}$/s);
});

test('what is no HTTP is told so', async () => {
  expect(await exchange('hello\r\n\r\n')).toMatch(/^HTTP\/1.1 400 Bad Request\r\n.*\{"message":/s);
});

test('a client that is gone is left alone', async () => {
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.write('GET /x', resolve));
  socket.resetAndDestroy();
  expect(await exchange(getWith(''))).toMatch(/^HTTP\/1.1 200 /);
});
