import { describe, expect, it } from 'vitest';
import { type Place, type Turn, TurnQueue } from './turn-queue.ts';

/** A queue of words like `a/one 2`: the second request of caller a's recording one. */
class Words {
  readonly queue: TurnQueue<string>;
  readonly places = new Map<string, Place>();

  constructor(runningMax?: number) {
    this.queue = new TurnQueue(runningMax);
  }

  enter(...words: string[]): void {
    for (const word of words) this.places.set(word, this.queue.enter(word, turnOf(word)));
  }

  take(word = this.queue.next): string {
    this.places.get(word ?? '')?.takeTurn();
    return word ?? 'nobody';
  }

  end(word: string): void {
    this.places.get(word)?.endTurn();
    this.places.delete(word);
  }

  leave(word: string): void {
    this.places.get(word)?.leave();
    this.places.delete(word);
  }

  /** Takes every turn and ends it at once. */
  drain(): string[] {
    const words: string[] = [];
    while (this.queue.next) {
      const word = this.take();
      this.end(word);
      words.push(word);
    }
    return words;
  }
}

function turnOf(word: string): Turn {
  const [caller = '', recording = null] = (word.split(' ')[0] ?? '').split('/');
  return { caller: caller === '-' ? null : caller, recording };
}

describe('TurnQueue', () => {
  it('is first come, first served for one caller', () => {
    const words = new Words();
    words.enter('a 1', 'a 2', 'a 3');
    expect(words.drain()).toEqual(['a 1', 'a 2', 'a 3']);
  });

  it('lets callers take turns, however much one of them has waiting', () => {
    const words = new Words();
    words.enter('a 1', 'a 2', 'a 3', 'a 4', 'b 1', 'b 2', 'c 1');
    expect(words.drain()).toEqual(['a 1', 'b 1', 'c 1', 'a 2', 'b 2', 'a 3', 'a 4']);
  });

  it('counts all callers without a name as one', () => {
    const words = new Words();
    words.enter('- 1', '- 2', 'a 1', 'a 2');
    expect(words.drain()).toEqual(['- 1', 'a 1', '- 2', 'a 2']);
  });

  it('lets the recordings of one caller take turns within its turns', () => {
    const words = new Words();
    words.enter('a/x 1', 'a/x 2', 'a/x 3', 'a/y 1', 'b/z 1', 'b/z 2', 'b/z 3');
    expect(words.drain()).toEqual(['a/x 1', 'b/z 1', 'a/y 1', 'b/z 2', 'a/x 2', 'b/z 3', 'a/x 3']);
  });

  it('takes recordings of the same name from two callers for two', () => {
    const words = new Words(1);
    words.enter('a/x 1', 'b/x 1');
    expect([words.take(), words.take()]).toEqual(['a/x 1', 'b/x 1']);
  });

  it('puts a caller that asks again as soon as it was served behind those who wait', () => {
    const words = new Words();
    words.enter('a 1', 'b 1', 'c 1');
    const served: string[] = [];
    for (let number = 2; number < 5; number++) {
      const word = words.take();
      served.push(word);
      words.enter(`${word.split(' ')[0]} ${number}`);
    }
    expect(served).toEqual(['a 1', 'b 1', 'c 1']);
  });

  it('costs a caller no turn when a request of it leaves, or another recording of it comes', () => {
    const words = new Words();
    words.enter('a/x 1', 'b/z 1');
    words.enter('a/y 1');
    words.leave('a/x 1');
    expect(words.drain()).toEqual(['a/y 1', 'b/z 1']);
  });

  it('keeps order when anybody leaves from the middle', () => {
    const words = new Words();
    words.enter('a 1', 'b 1', 'a 2', 'c 1', 'a 3');
    words.leave('b 1');
    words.leave('a 2');
    expect(words.drain()).toEqual(['a 1', 'c 1', 'a 3']);
  });

  it('knows who has waited longest, whoever is next', () => {
    const words = new Words();
    words.enter('a 1', 'a 2', 'b 1');
    words.take();
    expect([words.queue.next, words.queue.oldest]).toEqual(['b 1', 'a 2']);
  });

  it('lets a recording stand aside while it runs on its share, and back in line afterwards', () => {
    const words = new Words(2);
    words.enter('a/x 1', 'a/x 2', 'a/x 3', 'a/y 1');
    expect([words.take(), words.take(), words.take()]).toEqual(['a/x 1', 'a/y 1', 'a/x 2']);
    expect([words.queue.next, words.queue.nextAside, words.queue.oldest]).toEqual([undefined, 'a/x 3', 'a/x 3']);
    words.end('a/x 1');
    expect([words.queue.next, words.queue.nextAside]).toEqual(['a/x 3', undefined]);
  });

  it('gives those aside turns too, and lets nobody back who still runs on more than the share', () => {
    const words = new Words(1);
    words.enter('a/x 1', 'a/x 2', 'a/x 3', 'b/y 1', 'b/y 2');
    words.take();
    words.take();
    expect([words.take(words.queue.nextAside), words.take(words.queue.nextAside)]).toEqual(['a/x 2', 'b/y 2']);
    words.end('a/x 1');
    expect([words.queue.next, words.queue.nextAside]).toEqual([undefined, 'a/x 3']);
    words.end('a/x 2');
    expect([words.queue.next, words.queue.nextAside]).toEqual(['a/x 3', undefined]);
  });

  it('counts a recording once, ready or aside', () => {
    const words = new Words(1);
    words.enter('a/x 1', 'a/x 2', 'a/y 1');
    expect([words.queue.size, words.queue.partyCount]).toEqual([3, 2]);
    words.take();
    expect([words.queue.size, words.queue.partyCount]).toEqual([2, 2]);
    words.leave('a/x 2');
    expect([words.queue.size, words.queue.partyCount]).toEqual([1, 1]);
    words.leave('a/y 1');
    expect([words.queue.size, words.queue.partyCount]).toEqual([0, 0]);
    words.end('a/x 1');
    words.enter('a/x 3');
    expect([words.take(), words.queue.partyCount]).toEqual(['a/x 3', 0]);
  });

  it.each([1, 2, 3])('never serves a caller twice while another could go, seed %i', (seed) => {
    const runningMax = 2;
    const words = new Words(runningMax);
    const waiting: string[] = [];
    const running: string[] = [];
    /** For each caller that could go: who has been served since it could. */
    const servedSince = new Map<string, Set<string>>();
    const runs = (word: string) => running.filter((other) => other.split(' ')[0] === word.split(' ')[0]).length;
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return (state >>> 8) % below;
    };
    for (let step = 0; step < 3000; step++) {
      const dice = random(10);
      if (dice < 4 && waiting.length < 60) {
        const word = `${'abcdef'[random(6)]}/${random(3)} ${step}`;
        words.enter(word);
        waiting.push(word);
      } else if (dice < 5 && waiting.length > 0) {
        words.leave(waiting.splice(random(waiting.length), 1)[0] ?? '');
      } else if (dice < 8 && running.length > 0) {
        words.end(running.splice(random(running.length), 1)[0] ?? '');
      } else {
        const next = words.queue.next;
        expect(next === undefined).toBe(!waiting.some((word) => runs(word) < runningMax));
        if (next) {
          const [name = '', caller = ''] = [next.split(' ')[0], next.split('/')[0]];
          expect(runs(next)).toBeLessThan(runningMax);
          expect(waiting.find((word) => word.startsWith(`${name} `))).toBe(next);
          words.take();
          running.push(...waiting.splice(waiting.indexOf(next), 1));
          servedSince.delete(caller);
          for (const served of servedSince.values()) {
            expect(served.has(caller)).toBe(false);
            served.add(caller);
          }
        }
      }
      const ready = new Set(waiting.filter((word) => runs(word) < runningMax).map((word) => word.split('/')[0] ?? ''));
      for (const caller of servedSince.keys()) if (!ready.has(caller)) servedSince.delete(caller);
      for (const caller of ready) if (!servedSince.has(caller)) servedSince.set(caller, new Set());
      expect(words.queue.oldest).toBe(waiting[0]);
      expect(words.queue.partyCount).toBe(new Set(waiting.map((word) => word.split(' ')[0])).size);
    }
  });
});
