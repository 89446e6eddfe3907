import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDirectory } from './directory-lock.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lock-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('takes a free directory, creating it, and gives it back', async () => {
  const inner = join(directory, 'data');
  const release = await lockDirectory(inner);
  expect(await readFile(join(inner, 'gateway.pid'), 'utf8')).toMatch(new RegExp(`^${process.pid} `));
  await release();
  await expect(readFile(join(inner, 'gateway.pid'))).rejects.toThrow('ENOENT');
});

test('refuses a directory that a living process holds, naming it', async () => {
  const stat = await readFile(`/proc/${process.ppid}/stat`, 'utf8');
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  await writeFile(join(directory, 'gateway.pid'), `${process.ppid} ${started}`);
  await expect(lockDirectory(directory)).rejects.toThrow(`process ${process.ppid}`);
});

test('goes by the heartbeat of a holder on another host', async () => {
  const path = join(directory, 'gateway.pid');
  await writeFile(path, `${process.pid} 1 elsewhere`);
  await expect(lockDirectory(directory)).rejects.toThrow('on the host elsewhere');
  const aMinuteAgo = new Date(Date.now() - 60_000);
  await utimes(path, aMinuteAgo, aMinuteAgo);
  await (await lockDirectory(directory))();
});

test.each([
  ['the process is gone', '999999999 1'],
  ['its number now belongs to another program', '1 1'],
  ['the file is garbage', 'garbage'],
  ['a container gave us the number of our predecessor', `${process.pid} 1`],
])('takes over when %s', async (_, content) => {
  await writeFile(join(directory, 'gateway.pid'), content);
  await lockDirectory(directory);
  expect(await readFile(join(directory, 'gateway.pid'), 'utf8')).toMatch(new RegExp(`^${process.pid} `));
});
