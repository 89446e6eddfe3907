import { expect, test, vi } from 'vitest';
import { systemClock } from './clock.ts';

test('a delay longer than a timer can take does not fire early', () => {
  vi.useFakeTimers();
  try {
    const monthMs = 31 * 24 * 60 * 60_000;
    let fired = 0;
    systemClock.after(monthMs, () => (fired += 1));
    const cancel = systemClock.after(monthMs, () => (fired += 10));
    vi.advanceTimersByTime(monthMs - 1);
    expect(fired).toBe(0);
    cancel();
    vi.advanceTimersByTime(1);
    expect(fired).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
