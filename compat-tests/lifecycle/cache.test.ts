// What is remembered, what is shared, and what becomes of a cache file that is damaged.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { clip } from '../audio.ts';
import { endGateway, type Gateway, paced, startGateway, useGateway } from '../gateway.ts';
import { type Field, formOf, transcribe } from '../requests.ts';

interface Options {
  fields?: Field[];
  cacheControl?: string;
  signal?: AbortSignal;
  model?: string;
}

async function send(gateway: Gateway, bytes: Buffer<ArrayBuffer>, options: Options = {}) {
  const fields: Field[] = [['model', options.model ?? 'whisper-1'], ...(options.fields ?? [])];
  const answer = await transcribe(gateway.url, formOf(fields, { bytes }), {
    headers: options.cacheControl ? { 'cache-control': options.cacheControl } : {},
    signal: options.signal ?? null,
  });
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  return { cache: answer.headers.get('x-cache'), text: answer.text };
}

describe('x-cache', () => {
  const gateway = useGateway(paced());

  test('is hit the second time, with the same words in every format', async () => {
    const audio = clip(3, 1);
    const first = await send(gateway(), audio);
    expect(first.cache).toBe('miss');
    expect(await send(gateway(), audio)).toEqual({ ...first, cache: 'hit' });
    const verbose = await send(gateway(), audio, { fields: [['response_format', 'verbose_json']] });
    expect(verbose.cache).toBe('hit');
    expect(JSON.parse(verbose.text).text).toBe(JSON.parse(first.text).text);
    const text = await send(gateway(), audio, { fields: [['response_format', 'text']] });
    expect(text).toEqual({ cache: 'hit', text: `${JSON.parse(first.text).text}\n` });
  });

  test('does not depend on the name by which the model is called', async () => {
    const audio = clip(1, 2);
    expect((await send(gateway(), audio)).cache).toBe('miss');
    for (const model of ['gpt-4o-transcribe', 'tiny-q5_1']) {
      expect({ model, cache: (await send(gateway(), audio, { model })).cache }).toEqual({ model, cache: 'hit' });
    }
  });

  test.each<{ field: Field }>([
    { field: ['language', 'en'] },
    { field: ['prompt', 'Washington'] },
    { field: ['temperature', '0.5'] },
  ])('is miss when $field changes the result', async ({ field }) => {
    const audio = clip(1, 3);
    await send(gateway(), audio);
    expect((await send(gateway(), audio, { fields: [field] })).cache).toBe('miss');
    expect((await send(gateway(), audio, { fields: [field] })).cache).toBe('hit');
  });

  test('no-cache asks for a fresh result and keeps it', async () => {
    const audio = clip(1, 4);
    expect((await send(gateway(), audio, { cacheControl: 'no-cache' })).cache).toBe('miss');
    expect((await send(gateway(), audio, { cacheControl: 'no-cache' })).cache).toBe('miss');
    expect((await send(gateway(), audio)).cache).toBe('hit');
  });

  test('no-store leaves nothing behind', async () => {
    const audio = clip(1, 5);
    expect((await send(gateway(), audio, { cacheControl: 'no-store' })).cache).toBe('miss');
    expect((await send(gateway(), audio)).cache).toBe('miss');
  });
});

describe('identical requests in flight', () => {
  const gateway = useGateway(paced({ speed: 2 }));

  test('are one run: one miss, one shared', async () => {
    const audio = clip(3, 1);
    const startedMs = performance.now();
    const first = send(gateway(), audio);
    await sleep(300);
    const second = send(gateway(), audio, { fields: [['response_format', 'verbose_json']] });
    const [miss, shared] = await Promise.all([first, second]);
    expect([miss.cache, shared.cache]).toEqual(['miss', 'shared']);
    expect(JSON.parse(shared.text).text).toBe(JSON.parse(miss.text).text);
    // Two runs on one device would take three seconds.
    expect(performance.now() - startedMs).toBeLessThan(2700);
  });

  test('the first caller leaves, the second gets its answer', async () => {
    const audio = clip(4, 2);
    const departure = new AbortController();
    const first = send(gateway(), audio, { signal: departure.signal });
    await sleep(400);
    const second = send(gateway(), audio);
    await sleep(300);
    departure.abort();
    await expect(first).rejects.toThrow(/abort/i);
    const shared = await second;
    expect(shared.cache).toBe('shared');
    expect(JSON.parse(shared.text).text).toMatch(/\w/);
    await gateway().expectEmptySpool();
  });

  test('both leave, and the device is free', async () => {
    const audio = clip(20, 3);
    const departure = new AbortController();
    const both = [1, 2].map(() => send(gateway(), audio, { signal: departure.signal }));
    await sleep(700);
    departure.abort();
    for (const left of both) await expect(left).rejects.toThrow(/abort/i);
    const startedMs = performance.now();
    await send(gateway(), clip(0.5, 4));
    expect(performance.now() - startedMs).toBeLessThan(1500);
  });

  test('a caller who asked for a fresh result is not given an older run', async () => {
    const audio = clip(2, 5);
    const first = send(gateway(), audio);
    await sleep(300);
    const fresh = await send(gateway(), audio, { cacheControl: 'no-cache' });
    expect([(await first).cache, fresh.cache]).toEqual(['miss', 'miss']);
  });
});

describe('across a restart', () => {
  test('what was remembered is still there; a damaged file is set aside and the server starts', async () => {
    const audio = clip(1, 1);
    const first = await startGateway(paced());
    const { dataDirectory } = first;
    const { text } = await send(first, audio);
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    await first.expectNothingLeft();

    const second = await startGateway(paced(), { dataDirectory });
    expect(await send(second, audio)).toEqual({ cache: 'hit', text });
    expect(await second.stop()).toEqual({ code: 0, signal: null });

    const garbage = 'This was a cache.'.repeat(1000);
    const directory = join(dataDirectory, 'cache');
    const files = (await readdir(directory, { withFileTypes: true })).filter((entry) => entry.isFile());
    expect(files).not.toEqual([]);
    for (const file of files) await writeFile(join(directory, file.name), garbage);

    const third = await startGateway(paced(), { dataDirectory });
    expect(await send(third, audio)).toEqual({ cache: 'miss', text });
    expect((await send(third, audio)).cache).toBe('hit');
    const contents = await Promise.all(
      (await readdir(directory)).map((name) => readFile(join(directory, name), 'utf8')),
    );
    expect(contents.some((content) => content.startsWith('This was a cache.'))).toBe(true);
    expect(third.log.filter(({ level }) => Number(level) >= 40)).not.toEqual([]);
    await endGateway(third);
  });
});
