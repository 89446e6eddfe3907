// Over real sockets: whether the answer to a refused upload reaches clients of several habits.
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toGatewayError } from '../errors.ts';
import { readMultipart } from './multipart.ts';

const MIB = 1024 ** 2;
const CONTENT_TYPE = 'multipart/form-data; boundary=b';
const HEAD = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n';
const TAIL = '\r\n--b--\r\n';

let server: Server;
let port: number;
let connections = 0;

beforeAll(async () => {
  server = createServer(async (incoming, outgoing) => {
    try {
      const form = await readMultipart(
        incoming,
        new Headers({ 'content-type': incoming.headers['content-type'] ?? '' }),
        {
          bytesMax: 2 * MIB,
          idleMs: 300,
          signal: new AbortController().signal,
          fileField: 'file',
          async onFile(_part, stream) {
            let bytes = 0;
            for await (const chunk of stream) bytes += chunk.length;
            return { bytes, release: async () => {} };
          },
        },
      );
      outgoing.end(`${form.file?.bytes}`);
    } catch (thrown) {
      const error = toGatewayError(thrown);
      outgoing.writeHead(error.status).end(error.code);
    }
  }).on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => server.closeAllConnections());
afterAll(() => new Promise((resolve) => server.close(resolve)));

async function* form(mebibytes: number) {
  yield HEAD;
  for (let sent = 0; sent < mebibytes; sent += 1) yield Buffer.alloc(MIB);
  yield TAIL;
}

function send(mebibytes: number) {
  const headers = { 'content-type': CONTENT_TYPE };
  return request(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body: Readable.from(form(mebibytes)) });
}

test.for([1, 3, 30, 100])('a chunked upload of %i MiB is answered', async (mebibytes) => {
  const { statusCode, body } = await send(mebibytes);
  expect([statusCode, await body.text()]).toEqual(mebibytes < 2 ? [200, `${MIB}`] : [413, 'body-too-large']);
});

test('the connection serves on after a refusal whose rest was read', async () => {
  const { body } = await send(30);
  await body.text();
  const before = connections;
  for (const mebibytes of [1, 30, 1]) await (await send(mebibytes)).body.text();
  expect(connections - before).toBeLessThanOrEqual(1);
});

test('a client that reads nothing before it has sent all gets its answer', async () => {
  const socket = connect(port, '127.0.0.1');
  const file = Buffer.alloc(20 * MIB);
  socket.pause();
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: ${CONTENT_TYPE}\r\n`);
  socket.write(`Content-Length: ${HEAD.length + file.length + TAIL.length}\r\n\r\n${HEAD}`);
  socket.write(file);
  await new Promise((resolve) => socket.write(TAIL, resolve));
  expect(await text(socket)).toMatch(/^HTTP\/1.1 413 .*body-too-large/s);
});

test('an upload that stalls is answered at once', async () => {
  const socket = connect(port, '127.0.0.1');
  const startedAtMs = performance.now();
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Type: ${CONTENT_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n`);
  socket.write(`${HEAD.length.toString(16)}\r\n${HEAD}\r\n`);
  const [answer] = await new Promise<Buffer[]>((resolve) => socket.on('data', (chunk) => resolve([chunk])));
  expect(`${answer}`).toMatch(/^HTTP\/1.1 408 /);
  expect(performance.now() - startedAtMs).toBeLessThan(2000);
  socket.destroy();
});
