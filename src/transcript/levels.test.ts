import { expect, test } from 'vitest';
import { levelsOf } from './levels.ts';

test('the level of samples is that of full scale at most', () => {
  const square = Buffer.alloc(1_024);
  for (let at = 0; at < square.length; at += 2) square.writeInt16LE(at % 4 === 0 ? -32_768 : 32_767, at);
  expect(levelsOf(square, 1_024)).toEqual([expect.closeTo(1, 3)]);
  expect(levelsOf(Buffer.alloc(1_024), 1_024)).toEqual([0]);
});

test('each stretch has its own, wherever the bytes lie; what is no whole stretch has none', () => {
  const bytes = Buffer.alloc(11);
  bytes.writeInt16LE(16_384, 1);
  bytes.writeInt16LE(-16_384, 3);
  expect(levelsOf(bytes.subarray(1), 4)).toEqual([0.5, 0]);
});
