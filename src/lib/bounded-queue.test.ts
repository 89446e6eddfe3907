import { expect, test } from 'vitest';
import { BoundedQueue } from './bounded-queue.ts';
import { settle } from './clock.ts';

async function collect(queue: BoundedQueue<number>): Promise<number[]> {
  const read: number[] = [];
  for await (const item of queue.read()) read.push(item);
  return read;
}

test('gives what came before the reader and what comes while it waits, in order, until it is closed', async () => {
  const queue = new BoundedQueue<number>(3);
  queue.push(1);
  const read = collect(queue);
  await settle();
  queue.push(2);
  await settle();
  queue.push(3);
  queue.push(4);
  queue.close();
  queue.push(5);
  expect(await read).toEqual([1, 2, 3, 4]);
});

test('loses the oldest past its bound, also those that a slow reader has not come to', async () => {
  const queue = new BoundedQueue<number>(2);
  for (const item of [1, 2, 3]) queue.push(item);
  const reader = queue.read();
  expect(await reader.next()).toEqual({ value: 2, done: false });
  for (const item of [4, 5, 6]) queue.push(item);
  queue.close();
  expect([(await reader.next()).value, (await reader.next()).value]).toEqual([5, 6]);
  expect(await reader.next()).toEqual({ value: undefined, done: true });
});

test('ends at once for a reader that comes after all is over', async () => {
  const queue = new BoundedQueue<number>(2);
  queue.close();
  expect(await collect(queue)).toEqual([]);
});
