// Starts that must be refused, each with a sentence that says what to do.

import { rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { speech } from '../audio.ts';
import { launchGateway, paced, useGateway } from '../gateway.ts';
import { expectError, formOf, transcribe } from '../requests.ts';

/** What a refused start says; it must be a sentence for people, not a stack. */
async function refusal(environment: Record<string, string>, dataDirectory?: string): Promise<string> {
  const gateway = await launchGateway(environment, dataDirectory ? { dataDirectory } : {});
  try {
    expect(await gateway.exited).toEqual({ code: 1, signal: null });
    expect(gateway.complaint).not.toMatch(/^\s+at /m);
    await gateway.expectNothingLeft();
    return gateway.complaint;
  } finally {
    if (!dataDirectory) await rm(gateway.dataDirectory, { recursive: true, force: true });
  }
}

test('other machines could reach it and there are no keys', async () => {
  const sentence = await refusal({ HOST: '0.0.0.0' });
  for (const word of ['0.0.0.0', 'API_KEYS', 'ALLOW_ANONYMOUS=true']) expect(sentence).toContain(word);
});

test('several settings are wrong: all are named', async () => {
  const sentence = await refusal({ PORT: 'eighty', UPLOAD_BYTES_MAX: '-1', LOG_LEVEL: 'loud' });
  for (const name of ['PORT', 'UPLOAD_BYTES_MAX', 'LOG_LEVEL']) expect(sentence).toContain(name);
});

test('the port is taken', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const sentence = await refusal({ PORT: String(port) });
    expect(sentence).toContain(String(port));
    expect(sentence).toContain('PORT=');
  } finally {
    server.close();
  }
});

test('the engine is not there', async () => {
  expect(await refusal({ WHISPER_SERVER_BIN: '/nowhere/whisper-server' })).toContain('WHISPER_SERVER_BIN');
});

describe('beside a running gateway', () => {
  const gateway = useGateway({ ...paced(), API_KEYS: 'one, two' });

  test('a second one on the same data folder is refused, and the first goes on', async () => {
    const sentence = await refusal(paced(), gateway().dataDirectory);
    expect(sentence).toContain(gateway().dataDirectory);
    expect(sentence).toContain(String(gateway().pid));
    expect(sentence).toContain('DATA_DIR');
    expect((await fetch(`${gateway().url}/ready`)).status).toBe(200);
  });

  test('either key opens it, none and a wrong one do not, and what needs no key needs none', async () => {
    const send = (authorization?: string) =>
      transcribe(gateway().url, formOf([['model', 'whisper-1']], { bytes: speech() }), {
        headers: authorization ? { authorization } : {},
      });
    for (const key of ['one', 'two']) expect((await send(`Bearer ${key}`)).status).toBe(200);
    expectError(await send(), 401);
    for (const wrong of ['three', 'one,two', 'ONE']) {
      expectError(await send(`Bearer ${wrong}`), 401, { code: 'invalid_api_key' });
    }
    for (const path of ['/health', '/ready', '/docs', '/openapi.json']) {
      expect({ path, status: (await fetch(`${gateway().url}${path}`)).status }).toEqual({ path, status: 200 });
    }
    expect((await fetch(`${gateway().url}/v1/models`)).status).toBe(401);
    expect((await fetch(`${gateway().url}/v1/models`, { method: 'OPTIONS' })).status).toBe(204);
    await gateway().expectEmptySpool();
  });
});
