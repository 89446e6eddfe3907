import { expect, it } from 'vitest';
import { compressionRatio } from './compression.ts';

// Expected values from Python: len(text.encode()) / len(zlib.compress(text.encode())). Node's zlib may differ by a byte.
it.each([
  [' And so my fellow Americans, ask not what your country can do for you.', 70 / 71],
  ['Привет, как дела?', 30 / 41],
  [' Thank you.'.repeat(40), 440 / 24],
  [' a', 2 / 10],
])('%j has the ratio openai-whisper computes', (text, ratio) => {
  expect(compressionRatio(text)).toBeCloseTo(ratio, 1);
});

it('is a number for no text', () => {
  expect(compressionRatio('')).toBe(1);
});
