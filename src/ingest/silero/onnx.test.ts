import { expect, test } from 'vitest';
import { readTensors } from './onnx.ts';

// The wire of protocol buffers, by hand.
const field = (number: number, ...bytes: number[]) => [(number << 3) | 2, ...lengthOf(bytes), ...bytes];
const lengthOf = (bytes: number[]) =>
  bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
const text = (number: number, value: string) => field(number, ...Buffer.from(value));
const floats = (...values: number[]) => [...Buffer.from(new Float32Array(values).buffer)];

const FLOAT = [2 << 3, 1];
const shapeOneByOne = (...shape: number[]) => shape.flatMap((length) => [1 << 3, length]);
const constant = (name: string, ...tensor: number[]) => field(1, ...text(2, name), ...field(5, ...field(5, ...tensor)));
const model = (...nodes: number[]) => Buffer.from([8, 10, ...text(2, 'some producer'), ...field(7, ...nodes)]);

test('constants are found by name, also those in a branch', () => {
  const inBranch = constant('weights', ...shapeOneByOne(2, 1), ...FLOAT, ...field(9, ...floats(0.5, -3)));
  const tensors = readTensors(
    model(
      ...constant('packed', ...field(1, 1, 3), ...FLOAT, ...field(9, ...floats(1, 2, 3))),
      ...field(1, ...text(2, 'an If'), ...field(5, ...text(1, 'then'), ...field(6, ...inBranch))),
      ...constant('integers', ...shapeOneByOne(1), 2 << 3, 7, ...field(9, 1, 0, 0, 0, 0, 0, 0, 0)),
    ),
  );
  expect([...tensors.keys()]).toEqual(['packed', 'weights']);
  expect(tensors.get('packed')).toEqual({ shape: [1, 3], values: Float32Array.of(1, 2, 3) });
  expect(tensors.get('weights')).toEqual({ shape: [2, 1], values: Float32Array.of(0.5, -3) });
});

test.for([
  ['a field beyond the end', Buffer.from([(7 << 3) | 2, 100, 1])],
  ['a number without an end', Buffer.alloc(20, 0xff)],
  ['a wire type that there is not', Buffer.from([(7 << 3) | 3, 0])],
  ['something else', Buffer.alloc(100_000, 7)],
] as const)('%s is no model', ([, bytes]) => {
  expect(() => readTensors(bytes)).toThrow();
});

test('a model of nothing has no tensors', () => {
  expect(readTensors(Buffer.alloc(0)).size).toBe(0);
});
