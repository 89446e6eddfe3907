import { expect, test } from 'vitest';
import { settle } from './clock.ts';
import { Semaphore } from './semaphore.ts';

const never = new AbortController().signal;

test('those beyond the permits wait, and go on in the order they came', async () => {
  const semaphore = new Semaphore(2);
  const order: string[] = [];
  const [first, second] = await Promise.all([semaphore.acquire(never), semaphore.acquire(never)]);
  const waiting = ['third', 'fourth'].map(async (name) => {
    const leave = await semaphore.acquire(never);
    order.push(name);
    return leave;
  });
  await settle();
  expect([order, semaphore.waitingCount]).toEqual([[], 2]);
  first?.();
  first?.(); // gives back one permit, not two
  await settle();
  expect([order, semaphore.waitingCount]).toEqual([['third'], 1]);
  second?.();
  await settle();
  expect(order).toEqual(['third', 'fourth']);
  for (const leave of await Promise.all(waiting)) leave();
  await Promise.all([semaphore.acquire(never), semaphore.acquire(never)]);
  expect(semaphore.waitingCount).toBe(0);
});

test('who gives up waiting takes no permit along', async () => {
  const semaphore = new Semaphore(1);
  const leave = await semaphore.acquire(never);
  const controller = new AbortController();
  const given = semaphore.acquire(controller.signal);
  const next = semaphore.acquire(never);
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(given).rejects.toBe(reason);
  await expect(semaphore.acquire(controller.signal)).rejects.toBe(reason);
  leave();
  (await next)();
  await semaphore.acquire(never);
});
