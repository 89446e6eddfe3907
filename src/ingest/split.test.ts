import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inFile, type Stored } from '../lib/stored.ts';
import type { Chunk } from '../transcript/recording.ts';
import { FRAME_MS } from './cut.ts';
import { type GrowingFile, Growth } from './growing-file.ts';
import { FRAME_BYTES } from './hearing.ts';
import { splitIntoChunks } from './split.ts';
import type { VoiceActivity } from './voice-activity.ts';

const SETTINGS = { CHUNK_SECONDS_MIN: 20, CHUNK_SECONDS_MAX: 28 };
const never = new AbortController().signal;
const seconds = (count: number) => count * 32_000;
const speech = (byteLength: number) => Buffer.alloc(byteLength, 1);
const silence = (byteLength: number) => Buffer.alloc(byteLength);

let directory: string;
let path: string;
let stored: Stored;
let closed: number;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'split-'));
  path = join(directory, 'samples');
  stored = inFile(path);
  closed = 0;
});
afterEach(() => rm(directory, { recursive: true }));

/** Hears voice wherever the samples are not zero, and checks that it is asked whole frames. */
const voiceActivity: Pick<VoiceActivity, 'listen'> = {
  async listen() {
    return {
      async hear(samples) {
        expect(samples.length % FRAME_BYTES).toBe(0);
        return Array.from({ length: samples.length / FRAME_BYTES }, (_, index) => {
          const hasVoice = samples[index * FRAME_BYTES] !== 0;
          return { hasVoice, level: hasVoice ? 0.1 : 0 };
        });
      },
      close: () => {
        closed += 1;
      },
    };
  },
};

async function split(file: Omit<GrowingFile, 'stored'>): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of splitIntoChunks({ stored, ...file }, voiceActivity, SETTINGS, never)) chunks.push(chunk);
  expect(closed).toBe(1);
  return chunks;
}

test('a chunk is where its samples are, and when', async () => {
  await writeFile(path, Buffer.concat([Buffer.alloc(44, 1), silence(seconds(10.24)), speech(seconds(3.2))]));
  expect(await split({ byteOffset: 44, growth: Growth.ended() })).toEqual([
    {
      stored,
      byteOffset: 44 + seconds(10.016),
      byteLength: seconds(3.424),
      startMs: 10_016,
      durationMs: 3_424,
      voice: [{ startMs: 10_240, endMs: 13_440 }],
    },
  ]);
});

test('one that ends within a frame ends with the recording, in whole samples', async () => {
  await writeFile(path, speech(seconds(1) + 101));
  const [chunk] = await split({ byteOffset: 0, growth: Growth.ended() });
  expect(chunk).toMatchObject({ byteOffset: 0, byteLength: seconds(1) + 100, durationMs: 1_003.125 });
});

test('what follows the samples in the file is not heard', async () => {
  await writeFile(path, Buffer.concat([silence(seconds(1)), speech(seconds(1))]));
  expect(await split({ byteOffset: 0, byteLength: seconds(1), growth: Growth.ended() })).toEqual([]);
});

test('a forced cut says how much both sides hold', async () => {
  await writeFile(path, speech(seconds(40)));
  const [first, second] = await split({ byteOffset: 0, growth: Growth.ended() });
  expect(first).not.toHaveProperty('overlapBeforeMs');
  expect(second?.overlapBeforeMs).toBe((first?.startMs ?? 0) + (first?.durationMs ?? 0) - (second?.startMs ?? 0));
  expect(second?.overlapBeforeMs).toBeGreaterThan(1_000);
});

test('a chunk is there while the rest is still being decoded', async () => {
  const growth = new Growth();
  await writeFile(path, Buffer.concat([speech(seconds(24)), silence(seconds(3.2))]));
  const chunks = splitIntoChunks({ stored, byteOffset: 0, growth }, voiceActivity, SETTINGS, never)[
    Symbol.asyncIterator
  ]();
  const first = chunks.next();
  await appendFile(path, speech(seconds(2)));
  growth.grew();
  expect((await first).value).toMatchObject({ startMs: 0, durationMs: 24_000 + 7 * FRAME_MS });
  growth.end();
  expect((await chunks.next()).value?.startMs).toBe(24_000 + 3_200 - 7 * FRAME_MS);
  expect((await chunks.next()).done).toBe(true);
});

test('a recording is heard some way ahead of what is taken, and no further', async () => {
  await writeFile(path, speech(seconds(1800)));
  let heard = 0;
  const counting: Pick<VoiceActivity, 'listen'> = {
    async listen(signal) {
      const listener = await voiceActivity.listen(signal);
      return {
        ...listener,
        hear: (samples) => {
          heard += 1;
          return listener.hear(samples);
        },
      };
    },
  };
  const chunks = splitIntoChunks({ stored, byteOffset: 0, growth: Growth.ended() }, counting, SETTINGS, never);
  let taken = 0;
  for await (const _chunk of chunks) {
    taken += 1;
    if (taken > 1) continue;
    let before = -1;
    await expect
      .poll(
        () => {
          const stands = heard === before;
          before = heard;
          return stands;
        },
        { interval: 200, timeout: 10_000 },
      )
      .toBe(true);
    // Blocks of four seconds: a dozen chunks and more, and less than half of the recording.
    expect(heard).toBeGreaterThan(62);
    expect(heard).toBeLessThan(200);
  }
  expect(heard).toBe(Math.ceil(1800 / 4.096));
});

test('what the writer or the caller fails with is thrown, and the listener closed', async () => {
  await writeFile(path, speech(seconds(40)));
  const growth = new Growth();
  growth.fail(new Error('the decoder crashed'));
  await expect(split({ byteOffset: 0, growth })).rejects.toThrow('the decoder crashed');
  expect(closed).toBe(1);

  const left = splitIntoChunks(
    { stored, byteOffset: 0, growth: Growth.ended() },
    voiceActivity,
    SETTINGS,
    AbortSignal.abort(new Error('left')),
  );
  await expect(left[Symbol.asyncIterator]().next()).rejects.toThrow('left');
  expect(closed).toBe(2);
});

test('leaving the iteration closes the listener', async () => {
  await writeFile(path, speech(seconds(80)));
  const growth = new Growth();
  const chunks = splitIntoChunks({ stored, byteOffset: 0, growth }, voiceActivity, SETTINGS, never);
  for await (const _chunk of chunks) break;
  growth.fail(new Error('nobody wants it'));
  await expect.poll(() => closed).toBe(1);
});

test('who hears fails with everything that was asked: the recording fails, once', async () => {
  await writeFile(path, speech(seconds(40.96)));
  const failed = new Error('the thread is gone');
  const failing: Pick<VoiceActivity, 'listen'> = {
    listen: async () => ({ hear: () => new Promise((_, reject) => setImmediate(reject, failed)), close: () => {} }),
  };
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  const file = { stored, byteOffset: 0, growth: Growth.ended() };
  await expect(Array.fromAsync(splitIntoChunks(file, failing, SETTINGS, never))).rejects.toBe(failed);
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

test('two more blocks are asked about while one is being heard, and no more', async () => {
  await writeFile(path, speech(seconds(40.96)));
  const waiting: (() => void)[] = [];
  let asked = 0;
  const slow: Pick<VoiceActivity, 'listen'> = {
    listen: async () => ({
      hear: (samples) => {
        asked += 1;
        const frames = Array.from({ length: samples.length / FRAME_BYTES }, () => ({ hasVoice: true, level: 0.1 }));
        return new Promise((resolve) => waiting.push(() => resolve(frames)));
      },
      close: () => {},
    }),
  };
  const file = { stored, byteOffset: 0, growth: Growth.ended() };
  const chunks = Array.fromAsync(splitIntoChunks(file, slow, SETTINGS, never));
  for (let answered = 0; answered < 10; answered += 1) {
    await expect.poll(() => asked).toBe(Math.min(10, answered + 3));
    waiting.shift()?.();
  }
  expect(await chunks).toHaveLength(2);
});
