import { expect, test } from 'vitest';
import { PCM_BYTES_PER_MS } from '../transcript/recording.ts';
import { loudnessIn, loudnessOf, noSpeechProbability } from './voice.ts';

/** Samples of ±1 by their index. */
function samplesOf(durationMs: number, sample: (index: number) => number): Buffer {
  const samples = Buffer.alloc(durationMs * PCM_BYTES_PER_MS);
  for (let index = 0; index < samples.length / 2; index += 1) {
    samples.writeInt16LE(Math.round(32_767 * sample(index)), index * 2);
  }
  return samples;
}

const noise = (level: number) => () => level * (2 * Math.random() - 1);
const SECOND = 16_000;
/** Four syllables a second, as speech has. */
const speech = (index: number) =>
  0.3 * Math.sin(index * 0.1) * Math.max(0, Math.sin((index / SECOND) * 4 * 2 * Math.PI));

test('speech has voice, silence and steady noise have none', () => {
  const figure = (sample: (index: number) => number) =>
    noSpeechProbability(loudnessIn(samplesOf(3_000, sample)), 0, 3_000);
  expect(figure(() => 0)).toBe(1);
  expect(figure(noise(0.001))).toBe(1);
  expect(figure(noise(0.3))).toBe(1);
  expect(figure(speech)).toBeLessThan(0.6);
  expect(figure((index) => speech(index) + noise(0.02)())).toBeLessThan(0.6);
});

test('one spoken second in a long segment is enough, and the segment beside it is silent', () => {
  const loudness = loudnessIn(samplesOf(10_000, (index) => (index < 2 * SECOND ? speech(index) : 0)));
  expect(noSpeechProbability(loudness, 0, 10_000)).toBeLessThan(0.6);
  expect(noSpeechProbability(loudness, 3_000, 10_000)).toBe(1);
});

test('tells the level of each 20 ms, and nothing of less', () => {
  const { levels } = loudnessIn(samplesOf(5_019, () => 0.5));
  expect(levels).toHaveLength(250);
  expect(Math.min(...levels)).toBeCloseTo(0.5);
});

test('a segment of no length or past the end is finite', () => {
  const loudness = loudnessIn(samplesOf(100, speech));
  expect(noSpeechProbability(loudness, 50, 50)).toSatisfy(Number.isFinite);
  expect(noSpeechProbability(loudness, 5_000, 6_000)).toBe(1);
  expect(noSpeechProbability(loudnessOf([]), 0, 1_000)).toBe(1);
});
