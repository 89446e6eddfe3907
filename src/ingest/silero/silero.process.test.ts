// The real model, which set-up (`node backends/setup.mjs test`) brings; what it answers is compared with what a general runtime answered.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { levelsOf } from '../../transcript/levels.ts';
import recorded from './fixtures/jfk-probabilities.json' with { type: 'json' };
import { Silero } from './silero.ts';

const BUILD = join(import.meta.dirname, '../../../build');
const WINDOW_BYTES = 1_024;
const speech = readFileSync(join(BUILD, 'test-audio/jfk.wav')).subarray(
  44,
  44 + recorded.probabilities.length * WINDOW_BYTES,
);
const silero = new Silero(join(BUILD, 'voice/silero_vad_v6.onnx'));

const SECOND_BYTES = 32 * WINDOW_BYTES;
const plain = () => 1;

const furthest = (heard: ArrayLike<number>, expected = recorded.probabilities) =>
  Math.max(...expected.map((value, window) => Math.abs(value - Number(heard[window]))));

test.for([1, 2, 3, 5, 31, 32])(
  'it hears what the model hears in a general runtime, %i windows at a time and other recordings between',
  (windows) => {
    const memory = silero.remember();
    const other = silero.remember();
    const heard: number[] = [];
    for (let at = 0; at < speech.length; at += windows * WINDOW_BYTES) {
      heard.push(...silero.hear(speech.subarray(at, at + windows * WINDOW_BYTES), memory, plain).probabilities);
      silero.hear(speech.subarray(0, 7 * WINDOW_BYTES), other, () => 50);
    }
    expect(heard).toHaveLength(recorded.probabilities.length);
    expect(furthest(heard)).toBeLessThan(0.0001);
  },
);

test('it tells levels before it asks for the amplification', () => {
  const expected = levelsOf(speech.subarray(0, SECOND_BYTES), WINDOW_BYTES);
  let told: number[] = [];
  const { levels } = silero.hear(speech.subarray(0, SECOND_BYTES), silero.remember(), (of) => {
    told = [...of];
    return 1;
  });
  expect(told).toEqual([...levels]);
  expect(furthest(levels, expected)).toBeLessThan(0.000_001);
});

test('nothing that it may be given makes it fail: full scale, amplified beyond it', () => {
  const loud = Buffer.alloc(SECOND_BYTES);
  for (let at = 0; at < loud.length; at += 2) loud.writeInt16LE(at % 256 < 128 ? 32_767 : -32_768, at);
  const { levels, probabilities } = silero.hear(loud, silero.remember(), () => 100);
  for (const level of levels) expect(level).toBeCloseTo(1, 4);
  for (const probability of probabilities) {
    expect(probability).toBeGreaterThanOrEqual(0);
    expect(probability).toBeLessThanOrEqual(1);
  }
  const least = Buffer.alloc(WINDOW_BYTES, Buffer.from([0, 0x80]));
  expect([...silero.hear(least, silero.remember(), plain).levels]).toEqual([1]);
  expect(() => silero.hear(Buffer.concat([loud, least]), silero.remember(), plain)).toThrow('at a time');
});
