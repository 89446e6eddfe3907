#!/usr/bin/env node
// The stand-in engine, which also writes to COUNTED_FILE what it was asked and what it answered, by a hash. The file
// outlives the engine, however that ends.
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import http, { type RequestListener } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';

const { COUNTED_FILE = '' } = process.env;
const note = (what: string, hash: string) => appendFileSync(COUNTED_FILE, `${what} ${hash}\n`);

const createServer = http.createServer;
function counted(listener: RequestListener) {
  return createServer((request, response) => {
    if (request.url?.endsWith('/inference')) {
      const parts: Buffer[] = [];
      request.on('data', (part) => parts.push(part));
      request.on('end', () => {
        // Options and audio: what is tried again with others is another question.
        const [, boundary = ''] = /boundary=(.+)$/.exec(request.headers['content-type'] ?? '') ?? [];
        const form = Buffer.concat(parts).toString('latin1').replaceAll(boundary, '');
        const hash = createHash('sha256').update(form).digest('hex');
        note('asked', hash);
        response.once('finish', () => response.statusCode === 200 && note('answered', hash));
      });
    }
    listener(request, response);
  });
}
http.createServer = counted as typeof http.createServer;
syncBuiltinESMExports();
await import('../../backends/paced/server.mjs');
