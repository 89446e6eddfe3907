// Over real sockets: whether the answer to a head that Node refuses reaches the client.
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answerBadHeads } from './bad-head.ts';

let server: Server;
let port: number;

beforeAll(async () => {
  const options = { maxHeaderSize: 4096, headersTimeout: 200, connectionsCheckingInterval: 50 };
  server = createServer(options, (_request, response) => response.end('served'));
  answerBadHeads(server, 4096, ({ status, code, message }, requestId) => ({
    status,
    headers: { 'x-vendor': requestId },
    body: { code, message },
  }));
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
  else expect(answer).toMatch(/^HTTP\/1.1 431 .*\r\n\r\n\{"code":"head-too-large","message":".*4096 bytes.*"\}$/s);
});

test.each([
  ['is no HTTP', 'hello\r\n\r\n', 400, 'head-malformed'],
  ['does not come to its end', 'GET / HTTP/1.1\r\nHost:', 408, 'upload-stalled'],
])('what %s is told so', async (_what, request, status, code) => {
  expect(await exchange(request)).toMatch(new RegExp(`^HTTP/1.1 ${status} .*\\{"code":"${code}",`, 's'));
});

test('every answer bears what all others do', async () => {
  for (const request of [getWith('x'.repeat(5000)), 'hello\r\n\r\n']) {
    const answer = await exchange(request);
    const [, id] = /\r\nx-request-id: (req_[0-9a-f]{32})\r\n/.exec(answer) ?? [];
    expect(answer).toContain(`\r\nx-vendor: ${id}\r\n`);
    expect(answer).toContain('\r\naccess-control-allow-origin: *\r\n');
    expect(answer).toMatch(/\r\naccess-control-expose-headers: .*dg-request-id.*x-request-id.*\r\n/);
  }
});

test('a client that is gone is left alone', async () => {
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.write('GET /x', resolve));
  socket.resetAndDestroy();
  expect(await exchange(getWith(''))).toMatch(/^HTTP\/1.1 200 /);
});
