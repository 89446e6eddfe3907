// A program: what any gateway in Node must cost, and nothing else. `proxy URL` pipes each body to the engine at URL while
// hashing it; `answer` reads it, hashes it and answers. Takes the port it is given by the system and says it to its parent.
import { createHash, type Hash } from 'node:crypto';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const [, , mode, engineUrl = ''] = process.argv;
const agent = new Agent({ keepAlive: true });

async function proxy(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const hash = createHash('sha256');
  const outgoing = request(engineUrl, { method: 'POST', agent, headers: { ...incoming.headers, host: '127.0.0.1' } });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
  });
  const [answer] = await Promise.all([answered, pipeline(incoming, hashing(hash), outgoing)]);
  response.writeHead(answer.statusCode ?? 502, {
    'content-type': answer.headers['content-type'],
    'x-sha256': hash.digest('hex'),
  });
  await pipeline(answer, response);
}

function hashing(hash: Hash): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
}

function answer(incoming: IncomingMessage, response: ServerResponse): void {
  const hash = createHash('sha256');
  incoming.on('data', (chunk: Buffer) => hash.update(chunk));
  incoming.once('end', () => {
    const body = JSON.stringify({
      text: 'As long as a transcript of five seconds would be.',
      sha256: hash.digest('hex'),
    });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    response.end(body);
  });
}

const server = createServer((incoming, response) => {
  if (mode === 'answer') return answer(incoming, response);
  proxy(incoming, response).catch(() => response.destroy());
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
