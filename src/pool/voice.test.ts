import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inFile } from '../lib/stored.ts';
import { PCM_BYTES_PER_MS } from '../transcript/recording.ts';
import { loudnessOf, noSpeechProbability, readLoudness } from './voice.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'voice-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** Samples of ±1 by their index, in a file behind a header that is not audio. */
async function chunkOf(durationMs: number, sample: (index: number) => number) {
  const header = Buffer.alloc(44, 0x7f);
  const samples = Buffer.alloc(durationMs * PCM_BYTES_PER_MS);
  for (let index = 0; index < samples.length / 2; index += 1) {
    samples.writeInt16LE(Math.round(32_767 * sample(index)), index * 2);
  }
  const path = join(directory, `${Math.random()}.pcm`);
  await writeFile(path, Buffer.concat([header, samples, header]));
  return { stored: inFile(path), byteOffset: 44, byteLength: samples.length, startMs: 0, durationMs };
}

const noise = (level: number) => () => level * (2 * Math.random() - 1);
const SECOND = 16_000;
/** Four syllables a second, as speech has. */
const speech = (index: number) =>
  0.3 * Math.sin(index * 0.1) * Math.max(0, Math.sin((index / SECOND) * 4 * 2 * Math.PI));

test('speech has voice, silence and steady noise have none', async () => {
  const figure = async (sample: (index: number) => number) =>
    noSpeechProbability(await readLoudness(await chunkOf(3_000, sample)), 0, 3_000);
  expect(await figure(() => 0)).toBe(1);
  expect(await figure(noise(0.001))).toBe(1);
  expect(await figure(noise(0.3))).toBe(1);
  expect(await figure(speech)).toBeLessThan(0.6);
  expect(await figure((index) => speech(index) + noise(0.02)())).toBeLessThan(0.6);
});

test('one spoken second in a long segment is enough, and the segment beside it is silent', async () => {
  const loudness = await readLoudness(await chunkOf(10_000, (index) => (index < 2 * SECOND ? speech(index) : 0)));
  expect(noSpeechProbability(loudness, 0, 10_000)).toBeLessThan(0.6);
  expect(noSpeechProbability(loudness, 3_000, 10_000)).toBe(1);
});

test('reads only the chunk, whatever the size of the parts it arrives in', async () => {
  const { levels } = await readLoudness(await chunkOf(5_000, () => 0.5));
  expect(levels).toHaveLength(250);
  expect(Math.min(...levels)).toBeCloseTo(0.5);
});

test('a segment of no length or past the end is finite', async () => {
  const loudness = await readLoudness(await chunkOf(100, speech));
  expect(noSpeechProbability(loudness, 50, 50)).toSatisfy(Number.isFinite);
  expect(noSpeechProbability(loudness, 5_000, 6_000)).toBe(1);
  expect(noSpeechProbability(loudnessOf([]), 0, 1_000)).toBe(1);
});
