// Answers what Node's parser refuses before there is a request: a head that is too large or does not come to its end, or
// bytes that are no HTTP. Left to itself Node resets the connection, which takes the answer with it from a client that is
// still writing. The words are a vendor's; what every answer bears is added here, since no middleware sees this one.
import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../errors.ts';
import { ANY_ORIGIN_HEADERS } from './cross-origin.ts';
import { discardRest } from './discard-rest.ts';
import { newRequestId } from './request-id.ts';

export interface HeadRefusal {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

export function answerBadHeads(
  server: Server,
  headBytesMax: number,
  render: (error: GatewayError, requestId: string) => HeadRefusal,
): void {
  const refused = new WeakSet<Socket>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // The parser goes on complaining of what follows.
    if (refused.has(socket)) return;
    refused.add(socket);
    if (!socket.writable) return void socket.destroy();
    const requestId = newRequestId();
    refuse(socket, render(headError(error, headBytesMax), requestId), requestId);
  });
}

function headError({ code }: NodeJS.ErrnoException, bytesMax: number): GatewayError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new GatewayError('head-too-large', `The URL and the headers take more than ${bytesMax} bytes.`);
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new GatewayError('upload-stalled', 'The request did not arrive in time.');
  }
  return new GatewayError('head-malformed', 'This is no HTTP request.');
}

function refuse(socket: Socket, { status, headers, body }: HeadRefusal, requestId: string): void {
  const content = Buffer.from(JSON.stringify(body));
  const all = {
    ...ANY_ORIGIN_HEADERS,
    'x-request-id': requestId,
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
