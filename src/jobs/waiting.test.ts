import { expect, test } from 'vitest';
import { type WaitingJob, WaitingJobs } from './waiting.ts';

const job = (id: string, orderMs: number, sequence: number): WaitingJob => ({
  ...{ id, orderMs, sequence, isResting: false, rests: 0, isSuspect: false },
});

test('whatever comes and goes, the order is the one that sorting would give', () => {
  const waiting = new WaitingJobs();
  const expected: WaitingJob[] = [];
  for (let index = 0; index < 500; index += 1) {
    // Far apart, and many alike.
    const next = job(`j${index}`, (index * 7919) % 50, index);
    waiting.add(next);
    expected.push(next);
    if (index % 3 === 0) {
      const [gone] = expected.splice((index * 31) % expected.length, 1);
      expect(waiting.remove(gone?.id ?? '')).toBe(true);
    }
  }
  expected.sort((one, other) => one.orderMs - other.orderMs || one.sequence - other.sequence);
  expect(expected.map(({ id }) => waiting.positionOf(id))).toEqual(expected.map((_, index) => index + 1));
  expect(waiting.count).toBe(expected.length);
  for (const each of expected) {
    expect(waiting.next()?.id).toBe(each.id);
    waiting.remove(each.id);
  }
  expect(waiting.next()).toBeUndefined();
});

test('one that rests keeps its place and is passed over', () => {
  const waiting = new WaitingJobs();
  const resting = { ...job('a', 1, 1), isResting: true };
  waiting.add(resting);
  waiting.add(job('b', 2, 2));
  expect(waiting.next()?.id).toBe('b');
  resting.isResting = false;
  expect(waiting.next()?.id).toBe('a');
  expect([waiting.positionOf('a'), waiting.positionOf('b'), waiting.positionOf('c')]).toEqual([1, 2, undefined]);
  expect(waiting.remove('c')).toBe(false);
});
