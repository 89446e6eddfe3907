import { expect, test } from 'vitest';
import { FakeClock } from './clock.ts';
import { Gate } from './gate.ts';

const clock = new FakeClock();

test('closes at once when nobody is inside, and lets nobody in', async () => {
  const gate = new Gate();
  gate.enter()();
  expect(await gate.close(1000, clock)).toBe(true);
  expect(() => gate.enter()).toThrow('shutting down');
  expect(clock.pendingCount).toBe(0);
});

test('waits for the last to leave, and counts nobody twice', async () => {
  const gate = new Gate();
  const [first, second] = [gate.enter(), gate.enter()];
  let closed: boolean | undefined;
  const closing = gate.close(1000, clock).then((result) => (closed = result));
  first();
  first();
  await clock.advance(500);
  expect(closed).toBeUndefined();
  second();
  await closing;
  expect(closed).toBe(true);
  expect(clock.pendingCount).toBe(0);
});

test('gives up when time is up', async () => {
  const gate = new Gate();
  gate.enter();
  const closing = gate.close(1000, clock);
  await clock.advance(1000);
  expect(await closing).toBe(false);
});
