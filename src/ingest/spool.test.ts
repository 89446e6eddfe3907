import { writeSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readRange } from '../lib/stored.ts';
import { Spool, type Spooled } from './spool.ts';

const never = new AbortController().signal;
const nothing = () => {};
/** What is known to be so large goes into a file. */
const LARGE = 3 * 1024 ** 2;
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
  await expect(spool.take(source(1000, 1000), nothing, never, LARGE)).rejects.toMatchObject({
    code: 'disk-full',
    cause: full,
  });
  expect(await readdir(directory)).toEqual([]);
  expect(spool.bytes).toBe(0);
});

test('the bound holds over all files, and releasing makes room', async () => {
  const spool = await Spool.open(directory, 1000);
  const file = await spool.take(source(600), nothing, never, LARGE);
  await expect(spool.take(source(300, 101), nothing, never, LARGE)).rejects.toMatchObject({ code: 'disk-full' });
  expect(spool.bytes).toBe(600);
  const other = await spool.take(source(400), nothing, never, LARGE);
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
  await expect(spool.take(chunks, inspect, never, LARGE)).rejects.toBe(enough);
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
  const written = spool.take(breaking, nothing, never, LARGE);
  breaking.destroy(broken);
  await expect(written).rejects.toBe(broken);
  await expect(spool.take(breaking, nothing, never, LARGE)).rejects.toBe(broken);

  const left = spool.take(silent(), nothing, controller.signal, LARGE);
  controller.abort(broken);
  await expect(left).rejects.toBe(broken);
  await expect(spool.take(silent(), nothing, controller.signal, LARGE)).rejects.toBe(broken);

  expect(await readdir(directory)).toEqual([]);
  await expect.poll(openFiles).toBe(before);
});

describe('what is taken', () => {
  const MEGABYTE = 1024 ** 2;
  const numbered = (count: number, byteLength: number) =>
    Array.from({ length: count }, (_, index) => Buffer.alloc(byteLength, index));
  const read = async ({ stored }: Spooled, start: number, byteLength: number) =>
    Buffer.concat(await Array.fromAsync(readRange(stored, start, byteLength)));

  test('is in memory while it is little, and in a file as soon as somebody asks for one', async () => {
    const spool = await Spool.open(directory, 1e9);
    const parts = numbered(3, 1000);
    const taken = await spool.take(Readable.from(parts), nothing, never);
    expect(await readdir(directory)).toEqual([]);
    expect(spool.bytes).toBe(3000);
    expect(await read(taken, 500, 2000)).toEqual(Buffer.concat(parts).subarray(500, 2500));
    expect(await read(taken, 2500, 2000)).toEqual(Buffer.concat(parts).subarray(2500));

    const [path, same] = await Promise.all([taken.stored.path(), taken.stored.path()]);
    expect(same).toBe(path);
    expect(await readFile(path)).toEqual(Buffer.concat(parts));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await taken.release();
    expect(await readdir(directory)).toEqual([]);
    expect(spool.bytes).toBe(0);
  });

  test('is in a file when it is much, whole, and none of it in memory', async () => {
    const spool = await Spool.open(directory, 1e9);
    const parts = numbered(40, 100_001);
    const taken = await spool.take(Readable.from(parts), nothing, never);
    expect(await readFile(join(directory, (await readdir(directory))[0] ?? ''))).toEqual(Buffer.concat(parts));
    expect(await read(taken, 100_000, 3)).toEqual(Buffer.from([0, 1, 1]));
    await taken.release();
    expect(await readdir(directory)).toEqual([]);
  });

  test('is in a file from the beginning when it is known to be much', async () => {
    const spool = await Spool.open(directory, 1e9);
    const taken = await spool.take(source(1000), nothing, never, LARGE);
    expect(await readdir(directory)).toHaveLength(1);
    await taken.release();
  });

  test('is in a file when it comes byte by byte, which takes more than its bytes', async () => {
    const spool = await Spool.open(directory, 1e9);
    const taken = await spool.take(Readable.from(numbered(10_000, 1)), nothing, never);
    expect(await readdir(directory)).toHaveLength(1);
    expect(await read(taken, 0, 10_000)).toEqual(Buffer.concat(numbered(10_000, 1)));
    await taken.release();
  });

  test('is not read any more when it was released, and no file is made of it', async () => {
    const spool = await Spool.open(directory, 1e9);
    const taken = await spool.take(source(1000), nothing, never);
    await taken.release();
    await expect(taken.stored.path()).rejects.toThrow('released');
    await expect(read(taken, 0, 10)).rejects.toThrow('released');
    expect(await readdir(directory)).toEqual([]);
  });

  test('all together take no more memory than they may; room that is given back is used again', async () => {
    const spool = await Spool.open(directory, 1e9);
    const take = () => spool.take(source(MEGABYTE, 0.9 * MEGABYTE), nothing, never);
    const taken = await Promise.all(Array.from({ length: 40 }, take));
    const inFiles = (await readdir(directory)).length;
    expect(40 * 1.9 - inFiles * 1.9).toBeLessThanOrEqual(33);
    expect(inFiles).toBeLessThan(28);
    await Promise.all(taken.map(({ release }) => release()));
    await take();
    expect(await readdir(directory)).toEqual([]);
  });

  test('a source that breaks or is left, and an inspector that throws, leave nothing', async () => {
    const spool = await Spool.open(directory, 1e9);
    const broken = new Error('broken');
    const breaking = new Readable({ read() {} });
    const taking = spool.take(breaking, nothing, never);
    breaking.push('some');
    setImmediate(() => breaking.destroy(broken));
    await expect(taking).rejects.toBe(broken);

    const controller = new AbortController();
    const left = spool.take(new Readable({ read() {} }), nothing, controller.signal);
    controller.abort(broken);
    await expect(left).rejects.toBe(broken);

    const endless = new Readable({
      read() {
        this.push(Buffer.alloc(65_536));
      },
    });
    const refuse = () => {
      throw broken;
    };
    await expect(spool.take(endless, refuse, never)).rejects.toBe(broken);
    expect(endless.destroyed).toBe(true);
    expect(spool.bytes).toBe(0);
    expect(await readdir(directory)).toEqual([]);
  });

  test('what could not be written when somebody asked is told to who asked', async () => {
    const spool = await Spool.open(join(directory, 'spool'), 1e9);
    const taken = await spool.take(source(1000), nothing, never);
    await rm(join(directory, 'spool'), { recursive: true });
    await expect(taken.stored.path()).rejects.toMatchObject({ code: 'ENOENT' });
    await taken.release();
    expect(spool.bytes).toBe(0);
  });
});

test('what another program writes is counted as it is measured, and bounded', async () => {
  const spool = await Spool.open(directory, 1000);
  const openFiles = async () => (await readdir('/dev/fd')).length;
  const before = await openFiles();
  const file = await spool.create();
  const path = await file.stored.path();
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await file.measure()).toBe(0);
  writeSync(file.fd, Buffer.alloc(600, 7));
  expect(await file.measure()).toBe(600);
  expect(spool.bytes).toBe(600);
  expect(Buffer.concat(await Array.fromAsync(readRange(file.stored, 590, 100)))).toEqual(Buffer.alloc(10, 7));
  writeSync(file.fd, Buffer.alloc(401));
  await expect(file.measure()).rejects.toMatchObject({ code: 'disk-full' });
  await file.close();
  await Promise.all([file.release(), file.release()]);
  expect(spool.bytes).toBe(0);
  expect(await readdir(directory)).toEqual([]);
  await (await spool.create()).release();
  expect(await openFiles()).toBe(before);
  await rm(directory, { recursive: true });
  await expect(spool.create()).rejects.toMatchObject({ code: 'ENOENT' });
  await mkdir(directory);
});

test('clearing removes what nobody released', async () => {
  const spool = await Spool.open(directory, 1e9);
  await spool.take(source(10), nothing, never, LARGE);
  await spool.take(source(10), nothing, never, LARGE);
  await spool.create();
  expect(await readdir(directory)).toHaveLength(3);
  await spool.clear();
  expect(await readdir(directory)).toEqual([]);
  expect(spool.bytes).toBe(0);
});
