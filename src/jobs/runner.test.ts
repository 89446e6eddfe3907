import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { DIALECT, JobsHouse, statusOf } from './job.cases.ts';

let house: JobsHouse;
beforeEach(() => {
  house = new JobsHouse();
});
afterEach(() => house.close());

test('a job that rests is taken up again by a timer that is up a moment early', async () => {
  const early: Clock = {
    nowMs: () => house.clock.nowMs(),
    after: (delayMs, task) => house.clock.after(Math.max(0, delayMs - 0.5), task),
  };
  let isReady = false;
  house.transcriber.story = async ({ audio }) => {
    if (!isReady) throw new GatewayError('model-not-ready', 'Fetching.');
    return audio;
  };
  const jobs = house.open({}, { clock: early });
  await jobs.accept(house.job('one'));
  await vi.waitFor(() => {
    expect(house.transcriber.runs).toHaveLength(1);
    expect(statusOf(jobs, 'one')).toBe('queued');
  });
  isReady = true;
  await house.clock.advance(4999.5);
  await vi.waitFor(() => expect(statusOf(jobs, 'one')).toBe('done'));
  expect(jobs.find(DIALECT, 'one')?.position).toBeNull();
});
