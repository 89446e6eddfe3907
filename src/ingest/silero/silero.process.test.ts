// The real model, which set-up (`node backends/setup.mjs test`) brings; what it answers is compared with what a general runtime answered.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import recorded from './fixtures/jfk-probabilities.json' with { type: 'json' };
import { Silero } from './silero.ts';

const BUILD = join(import.meta.dirname, '../../../build');
const WINDOW_BYTES = 1_024;
const speech = readFileSync(join(BUILD, 'test-audio/jfk.wav')).subarray(
  44,
  44 + recorded.probabilities.length * WINDOW_BYTES,
);
const silero = new Silero(join(BUILD, 'voice/silero_vad_v6.onnx'));

const furthest = (heard: ArrayLike<number>) =>
  Math.max(...recorded.probabilities.map((probability, window) => Math.abs(probability - Number(heard[window]))));

test('it hears what the model hears in a general runtime', () => {
  expect(furthest(silero.hear(speech, 1, silero.remember()))).toBeLessThan(0.0001);
});

test.for([1, 2, 3, 5, 31, 33])(
  'it hears the same %i windows at a time, and other recordings between them',
  (windows) => {
    const memory = silero.remember();
    const other = silero.remember();
    const heard: number[] = [];
    for (let at = 0; at < speech.length; at += windows * WINDOW_BYTES) {
      heard.push(...silero.hear(speech.subarray(at, at + windows * WINDOW_BYTES), 1, memory));
      silero.hear(speech.subarray(0, 7 * WINDOW_BYTES), 50, other);
    }
    expect(furthest(heard)).toBeLessThan(0.0001);
  },
);

test('nothing that it may be given makes it fail: full scale, amplified beyond it', () => {
  const loud = Buffer.alloc(64 * WINDOW_BYTES);
  for (let at = 0; at < loud.length; at += 2) loud.writeInt16LE(at % 256 < 128 ? 32_767 : -32_768, at);
  const memory = silero.remember();
  for (const probability of silero.hear(loud, 100, memory)) {
    expect(probability).toBeGreaterThanOrEqual(0);
    expect(probability).toBeLessThanOrEqual(1);
  }
});
