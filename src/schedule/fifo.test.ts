import { describe, expect, it } from 'vitest';
import { Fifo } from './fifo.ts';

describe('Fifo', () => {
  it('keeps order, whoever leaves and in whatever place', () => {
    const queue = new Fifo<string>();
    const [first, , third, , fifth] = ['a', 'b', 'c', 'd', 'e'].map((value) => queue.push(value));
    third?.();
    expect([...queue]).toEqual(['a', 'b', 'd', 'e']);
    first?.();
    expect(queue.first).toBe('b');
    fifth?.();
    queue.push('f');
    expect([...queue]).toEqual(['b', 'd', 'f']);
    expect(queue.size).toBe(3);
  });

  it('lets a value leave once only', () => {
    const queue = new Fifo<number>();
    const leave = queue.push(1);
    leave();
    leave();
    expect(queue.size).toBe(0);
    expect(queue.first).toBeUndefined();
    queue.push(2);
    expect([...queue]).toEqual([2]);
  });

  it('can be emptied while it is walked', () => {
    const queue = new Fifo<() => void>();
    for (let count = 0; count < 3; count++) {
      const leave = queue.push(() => leave());
    }
    for (const leave of queue) leave();
    expect(queue.size).toBe(0);
  });
});
