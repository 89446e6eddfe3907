// Recorded speech and its real model: a conversation with pauses, a breathless part and a long silence, split while it is
// still being written. Set-up (`node backends/setup.mjs test`) brings the model and the speech.
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '../lib/log.ts';
import { inFile } from '../lib/stored.ts';
import { type Chunk, PCM_BYTES_PER_MS } from '../transcript/recording.ts';
import { type GrowingFile, Growth } from './growing-file.ts';
import { splitIntoChunks } from './split.ts';
import { VoiceActivity } from './voice-activity.ts';

const SETTINGS = { CHUNK_SECONDS_MIN: 20, CHUNK_SECONDS_MAX: 28 };
const never = new AbortController().signal;
const WAV_HEADER_BYTES = 44;
/** Where the phrases of the recording lie, a little of the silence around them included. */
const PHRASES_MS = [
  [250, 2_450],
  [3_200, 4_450],
  [5_300, 7_750],
  [8_100, 10_650],
] as const;
/** Spoken without a pause: "your country can do for you". */
const BREATHLESS_MS = [5_700, 7_500] as const;

let directory: string;
let speech: Buffer;
let voiceActivity: VoiceActivity;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'split-'));
  speech = (await readFile(join(import.meta.dirname, '../../build/test-audio/jfk.wav'))).subarray(WAV_HEADER_BYTES);
  voiceActivity = new VoiceActivity({ log: silentLog });
});
afterAll(async () => {
  await voiceActivity.close();
  await rm(directory, { recursive: true });
});

let seed = 4;
const random = () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
};

const stretch = (startMs: number, endMs: number) =>
  speech.subarray(startMs * PCM_BYTES_PER_MS, endMs * PCM_BYTES_PER_MS);

/** The quiet of a room, at -56 dB of full scale. */
function roomTone(durationMs: number): Buffer {
  const samples = Buffer.alloc(durationMs * PCM_BYTES_PER_MS);
  for (let at = 0; at < samples.length; at += 2) samples.writeInt16LE(Math.round((random() - 0.5) * 180), at);
  return samples;
}

interface Sound {
  samples: Buffer;
  /** What must be whole in one chunk. */
  phrases: { startMs: number; endMs: number }[];
}

function conversation(count: number): Sound {
  const parts: Buffer[] = [];
  const phrases: Sound['phrases'] = [];
  let atMs = 0;
  const add = (samples: Buffer) => {
    parts.push(samples);
    atMs += samples.length / PCM_BYTES_PER_MS;
  };
  for (let index = 0; index < count; index += 1) {
    const [startMs, endMs] = PHRASES_MS[Math.floor(random() * PHRASES_MS.length)] ?? PHRASES_MS[0];
    phrases.push({ startMs: atMs + 200, endMs: atMs + endMs - startMs - 200 });
    add(stretch(startMs, endMs));
    add(roomTone(random() < 0.1 ? 3_000 : 200 + Math.floor(random() * 600)));
  }
  return { samples: Buffer.concat(parts), phrases };
}

async function split(file: GrowingFile): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of splitIntoChunks(file, voiceActivity, SETTINGS, never)) chunks.push(chunk);
  return chunks;
}

const endMs = (chunk: Chunk) => chunk.startMs + chunk.durationMs;

test('no phrase is cut in two, and none is lost, where people pause', async () => {
  const { samples, phrases } = conversation(100);
  const path = join(directory, 'conversation');
  await writeFile(path, samples);
  const chunks = await split({ stored: inFile(path), byteOffset: 0, growth: Growth.ended() });
  expect(chunks.length).toBeGreaterThan(8);
  for (const phrase of phrases) {
    const holders = chunks.filter((chunk) => chunk.startMs <= phrase.startMs && endMs(chunk) >= phrase.endMs);
    expect(holders.length, JSON.stringify(phrase)).toBe(1);
  }
  for (const chunk of chunks) {
    expect(chunk.durationMs).toBeLessThanOrEqual(28_000);
    expect(chunk).not.toHaveProperty('overlapBeforeMs');
    expect(chunk.byteOffset).toBe(chunk.startMs * PCM_BYTES_PER_MS);
  }
  for (const chunk of chunks.slice(0, -1)) expect(chunk.durationMs).toBeGreaterThan(15_000);
});

test('who never pauses is cut with an overlap, and nothing is left out', async () => {
  const path = join(directory, 'breathless');
  await writeFile(path, Buffer.concat(Array.from({ length: 60 }, () => stretch(...BREATHLESS_MS))));
  const chunks = await split({ stored: inFile(path), byteOffset: 0, growth: Growth.ended() });
  expect(chunks.length).toBeGreaterThan(3);
  expect(chunks[0]?.startMs).toBeLessThan(200);
  expect(endMs(chunks.at(-1) as Chunk)).toBeGreaterThan(60 * 1_800 - 200);
  for (const [index, chunk] of chunks.slice(1).entries()) {
    expect(chunk.overlapBeforeMs).toBe(endMs(chunks[index] as Chunk) - chunk.startMs);
  }
});

test('chunks come while the recording is still being written, and are on disk by then', async () => {
  const { samples } = conversation(40);
  const whole = Buffer.concat([samples, roomTone(12_000), samples]);
  const path = join(directory, 'growing');
  const stored = inFile(path);
  await writeFile(path, '');
  const growth = new Growth();
  const firstChunk = Promise.withResolvers<void>();
  let writtenBytes = 0;
  const writing = (async () => {
    while (writtenBytes < whole.length) {
      // The second half is decoded only after a chunk of the first has come.
      if (writtenBytes > whole.length / 2) await firstChunk.promise;
      const next = whole.subarray(writtenBytes, writtenBytes + 50_001);
      await appendFile(path, next);
      writtenBytes += next.length;
      growth.grew();
    }
    growth.end();
  })();
  const chunks: Chunk[] = [];
  for await (const chunk of splitIntoChunks({ stored, byteOffset: 0, growth }, voiceActivity, SETTINGS, never)) {
    expect(chunk.byteOffset + chunk.byteLength).toBeLessThanOrEqual(writtenBytes);
    firstChunk.resolve();
    chunks.push(chunk);
  }
  await writing;
  expect(chunks).toEqual(await split({ stored, byteOffset: 0, growth: Growth.ended() }));
  const sentMs = chunks.reduce((sum, chunk) => sum + chunk.durationMs, 0);
  expect(sentMs).toBeLessThan(whole.length / PCM_BYTES_PER_MS - 11_000);
});

test('half an hour of room tone has no chunk, and takes no memory', async () => {
  const path = join(directory, 'room');
  await writeFile(path, '');
  for (let minute = 0; minute < 30; minute += 1) await appendFile(path, roomTone(60_000));
  const before = process.memoryUsage().rss;
  expect(await split({ stored: inFile(path), byteOffset: 0, growth: Growth.ended() })).toEqual([]);
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 ** 2);
});
