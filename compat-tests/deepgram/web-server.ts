// A server of the tests' own, for the gateway to fetch from and to call back.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll } from 'vitest';

export interface WebServer {
  url: string;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** One for all cases of a file or a `describe`. */
export function useWebServer(handler: Handler): () => WebServer {
  let url: string | undefined;
  const server = createServer(handler);
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return () => {
    if (!url) throw new Error('The server has not been started.');
    return { url };
  };
}
