import { expect, test } from 'vitest';
import { float32, seconds, writeFloat32 } from './numbers.ts';

// The first rows were seen on Deepgram's wire; all are what Rust's shortest form of an f32 is.
test.each([
  [0.79999995, '0.79999995'],
  [86, '86.0'],
  [25.933313, '25.933313'],
  [0.9980469, '0.9980469'],
  [0, '0.0'],
  [-0, '0.0'],
  [1, '1.0'],
  [0.1, '0.1'],
  [0.1 + 0.2, '0.3'],
  [1 / 3, '0.33333334'],
  [5.52, '5.52'],
  [-2.5, '-2.5'],
  [16_777_217, '16777216.0'],
  [123_456_789, '123456790.0'],
  [14_399.999, '14399.999'],
  [1.5e-7, '1.5e-7'],
  [Number.NaN, '0.0'],
  [Number.POSITIVE_INFINITY, '0.0'],
  [1e300, '0.0'],
])('%d is written %s', (value, text) => {
  expect(writeFloat32(value)).toBe(text);
});

test('what is written reads back as the same float32, and nothing shorter would', () => {
  // A fixed walk over many magnitudes.
  for (let step = 1; step < 20_000; step++) {
    const value = Math.fround(((step * 2_654_435_761) % 4_294_967_296) / 2 ** (step % 48));
    const text = writeFloat32(value);
    expect(Math.fround(Number(text)), text).toBe(value);
    const digits = text.replace(/[.]0$|e.*$|[.-]/g, '').replace(/^0+|0+$/g, '').length;
    if (digits > 1) expect(Math.fround(Number(value.toPrecision(digits - 1))), text).not.toBe(value);
  }
});

test('stands as it is inside JSON', () => {
  expect(JSON.stringify({ confidence: float32(1), words: [{ start: seconds(5520), end: seconds(6000) }] })).toBe(
    '{"confidence":1.0,"words":[{"start":5.52,"end":6.0}]}',
  );
});
