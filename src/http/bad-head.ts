// Answers what Node's parser refuses before there is a request: a head that is too large, or bytes that are no HTTP. Left
// to itself Node resets the connection, which takes the answer with it from a client that is still writing.
import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { discardRest } from './discard-rest.ts';

export interface HeadRefusal {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

export function answerBadHeads(server: Server, tooLarge: () => HeadRefusal): void {
  const refused = new WeakSet<Socket>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // The parser goes on complaining of what follows.
    if (refused.has(socket)) return;
    refused.add(socket);
    if (!socket.writable) return void socket.destroy();
    refuse(socket, error.code === 'HPE_HEADER_OVERFLOW' ? tooLarge() : refusalOf(error));
  });
}

function refusalOf({ code }: NodeJS.ErrnoException): HeadRefusal {
  const isSlow = code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const message = isSlow ? 'The request did not arrive in time.' : 'This is no HTTP request.';
  return { status: isSlow ? 408 : 400, headers: {}, body: { message } };
}

function refuse(socket: Socket, { status, headers, body }: HeadRefusal): void {
  const content = Buffer.from(JSON.stringify(body));
  const all = {
    ...headers,
    'content-type': 'application/json',
    'content-length': String(content.length),
    connection: 'close',
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  socket.end(
    Buffer.concat([
      Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('\r\n')}\r\n\r\n`),
      content,
    ]),
  );
  void discardRest(socket, { signal: new AbortController().signal }).then(() => socket.destroy());
}
