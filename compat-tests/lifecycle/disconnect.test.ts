// A client that leaves frees its device within a second: the next request shows it.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { clip } from '../audio.ts';
import { eventually, paced, useGateway } from '../gateway.ts';
import { type Field, formOf, transcribe } from '../requests.ts';

const MODEL: Field = ['model', 'whisper-1'];

describe('with an engine that keeps time', () => {
  const gateway = useGateway(paced({ speed: 1 }));

  async function send(
    seconds: number,
    variant: number,
    { signal, fields = [] }: { signal?: AbortSignal; fields?: Field[] } = {},
  ) {
    return transcribe(gateway().url, formOf([MODEL, ...fields], { bytes: clip(seconds, variant) }), {
      signal: signal ?? null,
    });
  }

  test.each<{ kind: string; fields: Field[]; variant: number }>([
    { kind: 'a plain request', fields: [], variant: 1 },
    { kind: 'a stream', fields: [['stream', 'true']], variant: 3 },
  ])('$kind', async ({ fields, variant }) => {
    const departure = new AbortController();
    const left = send(20, variant, { signal: departure.signal, fields });
    await sleep(700);
    departure.abort();
    await expect(left).rejects.toThrow(/abort/i);
    const startedMs = performance.now();
    const answer = await send(0.5, variant + 1);
    expect(answer.status).toBe(200);
    // Half a second of work, one to be freed.
    expect(performance.now() - startedMs).toBeLessThan(1500 + 300);
    await gateway().expectEmptySpool();
  });

  test('a crowd that leaves, at any moment between upload and answer, is no failure and leaves nothing', async () => {
    const crowd = Array.from({ length: 60 }, async (_, index) => {
      const fields: Field[] = index % 3 === 0 ? [['stream', 'true']] : [];
      // Evenly over the first 0.3 s, so that some leave in each step of a request.
      return send(2, 100 + index, { signal: AbortSignal.timeout(5 * index), fields }).catch(() => undefined);
    });
    await Promise.all(crowd);
    const startedMs = performance.now();
    expect((await send(0.5, 99)).status).toBe(200);
    // The crowd's own clips would take two minutes; the rest is for a machine with other things to do.
    expect(performance.now() - startedMs).toBeLessThan(6000);
    await gateway().expectEmptySpool();
    expect(gateway().log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  test('a request that leaves the queue is never run', async () => {
    const running = send(1.5, 10);
    await sleep(200);
    const departure = new AbortController();
    const left = send(20, 11, { signal: departure.signal });
    await sleep(200);
    departure.abort();
    await expect(left).rejects.toThrow(/abort/i);
    const startedMs = performance.now();
    expect((await send(0.5, 12)).status).toBe(200);
    expect((await running).status).toBe(200);
    expect(performance.now() - startedMs).toBeLessThan(3000);
    await gateway().expectEmptySpool();
  });
});

describe('with the real engine', () => {
  const gateway = useGateway();

  test('a long transcription that is left', async () => {
    const time = async (variant: number) => {
      const startedMs = performance.now();
      const answer = await transcribe(gateway().url, formOf([MODEL, ['language', 'en']], { bytes: clip(5, variant) }));
      expect(answer.status).toBe(200);
      return performance.now() - startedMs;
    };
    const undisturbedMs = await time(1);
    const departure = new AbortController();
    const body = formOf([MODEL, ['language', 'en']], { bytes: clip(240, 2) });
    const left = transcribe(gateway().url, body, { signal: departure.signal });
    await sleep(1500);
    departure.abort();
    await expect(left).rejects.toThrow(/abort/i);
    expect(await time(3)).toBeLessThan(undisturbedMs * 1.5 + 1000);
    await eventually(async () => expect(await gateway().spool()).toEqual([]), 1000);
  });
});
