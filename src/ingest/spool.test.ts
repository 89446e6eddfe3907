import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Spool } from './spool.ts';

const never = new AbortController().signal;
const nothing = () => {};
const source = (...sizes: number[]) => Readable.from(sizes.map((size) => Buffer.alloc(size)));

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spool-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(directory, { recursive: true });
});

test('a full disk is disk-full, and what was written is gone', async () => {
  const spool = await Spool.open(directory, 1e9);
  const handle = await open(join(directory, 'probe'), 'w');
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  await rm(join(directory, 'probe'));
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  for (const method of ['write', 'writev']) vi.spyOn(prototype, method).mockRejectedValue(full);
  await expect(spool.write(source(1000, 1000), nothing, never)).rejects.toMatchObject({
    code: 'disk-full',
    cause: full,
  });
  expect(await readdir(directory)).toEqual([]);
  expect(spool.bytes).toBe(0);
});

test('the bound holds over all files, and releasing makes room', async () => {
  const spool = await Spool.open(directory, 1000);
  const file = await spool.write(source(600), nothing, never);
  await expect(spool.write(source(300, 101), nothing, never)).rejects.toMatchObject({ code: 'disk-full' });
  expect(spool.bytes).toBe(600);
  const other = await spool.write(source(400), nothing, never);
  expect(spool.bytes).toBe(1000);
  await Promise.all([file.release(), file.release()]);
  expect(spool.bytes).toBe(400);
  await other.release();
  expect(await readdir(directory)).toEqual([]);
});

test('an inspector that throws stops the writing and ends the source', async () => {
  const spool = await Spool.open(directory, 1e9);
  const enough = new Error('enough');
  const chunks = source(10, 20, 30);
  const seen: number[] = [];
  const inspect = (_chunk: Buffer, bytes: number) => {
    seen.push(bytes);
    if (bytes > 10) throw enough;
  };
  await expect(spool.write(chunks, inspect, never)).rejects.toBe(enough);
  expect(seen).toEqual([10, 30]);
  expect(chunks.destroyed).toBe(true);
  expect(await readdir(directory)).toEqual([]);
});

test('a source that breaks, or is left, before its first byte leaves no file and no open one', async () => {
  const spool = await Spool.open(directory, 1e9);
  const openFiles = async () => (await readdir('/dev/fd')).length;
  const before = await openFiles();
  const broken = new Error('broken');
  const silent = () => new Readable({ read() {} });
  const controller = new AbortController();

  const breaking = silent();
  const written = spool.write(breaking, nothing, never);
  breaking.destroy(broken);
  await expect(written).rejects.toBe(broken);
  await expect(spool.write(breaking, nothing, never)).rejects.toBe(broken);

  const left = spool.write(silent(), nothing, controller.signal);
  controller.abort(broken);
  await expect(left).rejects.toBe(broken);
  await expect(spool.write(silent(), nothing, controller.signal)).rejects.toBe(broken);

  expect(await readdir(directory)).toEqual([]);
  await expect.poll(openFiles).toBe(before);
});

test('clearing removes what nobody released', async () => {
  const spool = await Spool.open(directory, 1e9);
  await spool.write(source(10), nothing, never);
  await spool.write(source(10), nothing, never);
  expect(await readdir(directory)).toHaveLength(2);
  await spool.clear();
  expect(await readdir(directory)).toEqual([]);
  expect(spool.bytes).toBe(0);
});
