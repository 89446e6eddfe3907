import { appendFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inFile } from '../lib/stored.ts';
import { Growth, readBlocks } from './growing-file.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'growing-'));
  path = join(directory, 'file');
  await writeFile(path, '');
});
afterEach(() => rm(directory, { recursive: true }));

/** What has been read so far, and the end of it. */
function reading(growth: Growth, range: { byteOffset?: number; byteLength?: number } = {}) {
  const read: string[] = [];
  const finished = (async () => {
    for await (const block of readBlocks({ stored: inFile(path), byteOffset: 0, growth, ...range }, 4))
      read.push(String(block));
  })();
  finished.catch(() => {});
  return { read, finished };
}

test('a whole file is read to its end, in blocks and what remains', async () => {
  await writeFile(path, '0123456789');
  const whole = reading(Growth.ended());
  await whole.finished;
  expect(whole.read).toEqual(['0123', '4567', '89']);
  const part = reading(Growth.ended(), { byteOffset: 1, byteLength: 8 });
  await part.finished;
  expect(part.read).toEqual(['1234', '5678']);
  const beyond = reading(Growth.ended(), { byteOffset: 8, byteLength: 80 });
  await beyond.finished;
  expect(beyond.read).toEqual(['89']);
});

test('a growing one is followed block by block, and its remains come at its end', async () => {
  const growth = new Growth();
  const { read, finished } = reading(growth);
  await appendFile(path, '01');
  growth.grew();
  await appendFile(path, '23456');
  growth.grew();
  await expect.poll(() => read).toEqual(['0123']);
  await appendFile(path, '7');
  growth.grew();
  await expect.poll(() => read).toEqual(['0123', '4567']);
  await appendFile(path, '8');
  growth.end();
  await finished;
  expect(read).toEqual(['0123', '4567', '8']);
});

test('being told of growth before it is there does no harm', async () => {
  const growth = new Growth();
  const { read, finished } = reading(growth);
  growth.grew();
  growth.grew();
  await new Promise(setImmediate);
  await appendFile(path, '0123');
  growth.end();
  await finished;
  expect(read).toEqual(['0123']);
});

test('one whose writer fails is not read to its end', async () => {
  await writeFile(path, '0123456789');
  const growth = new Growth();
  const { read, finished } = reading(growth);
  await expect.poll(() => read).toEqual(['0123', '4567']);
  growth.fail(new Error('the decoder crashed'));
  await expect(finished).rejects.toThrow('the decoder crashed');
  expect(read).toEqual(['0123', '4567']);
  await expect(reading(growth).finished).rejects.toThrow('the decoder crashed');
});

test('the file is closed however reading ends', async () => {
  const openFiles = async () => (await readdir('/dev/fd')).length;
  const before = await openFiles();
  await writeFile(path, '0123456789');
  for await (const _block of readBlocks({ stored: inFile(path), byteOffset: 0, growth: new Growth() }, 4)) break;
  const failed = new Growth();
  failed.fail(new Error('broken'));
  await reading(failed).finished.catch(() => {});
  expect(await openFiles()).toBe(before);
});
