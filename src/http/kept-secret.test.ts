import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keptSecret } from './kept-secret.ts';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kept-secret-'));
  path = join(directory, 'token-secret');
});
afterEach(() => rm(directory, { recursive: true }));

test('is made once, for its owner alone', async () => {
  const secret = await keptSecret(path);
  expect(secret).toHaveLength(32);
  expect(await keptSecret(path)).toEqual(secret);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(directory)).toEqual(['token-secret']);
});

test('is another one elsewhere', async () => {
  expect(await keptSecret(join(directory, 'other'))).not.toEqual(await keptSecret(path));
});

test('that was not written whole is made anew', async () => {
  for (const content of ['', 'short']) {
    await writeFile(path, content);
    const secret = await keptSecret(path);
    expect(secret).toHaveLength(32);
    expect(await keptSecret(path)).toEqual(secret);
  }
});

test('that cannot be read is not replaced', async () => {
  await expect(keptSecret(directory)).rejects.toThrow('EISDIR');
});
