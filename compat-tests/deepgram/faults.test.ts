// What clients see when the server is full or its engine dies: the stand-in engine makes both happen on time.
import { setTimeout as sleep } from 'node:timers/promises';
import { DeepgramClient } from 'deepgram5';
import { beforeAll, describe, expect, test } from 'vitest';
import { clip, ffmpeg, speechAs } from '../audio.ts';
import { paced, useGateway } from '../gateway.ts';
import type { Answer } from '../requests.ts';
import { bodyOf, expectRefusal, listen } from './listen.ts';
import { MAJORS } from './majors.ts';

const TOO_MANY = [429, 'TOO_MANY_REQUESTS', 'Too many requests. Please try again later'] as const;

/** Major 5 waits no longer, whatever it is told. */
const LONGEST_WAIT_SECONDS = 60;
/** Long enough for an upload to have found its place. */
const UNDERWAY_MS = 400;

describe('with one request running and one waiting, and no room for more', () => {
  const gateway = useGateway({ ...paced({ speed: 5 }), QUEUE_MAX: '1' });
  const send = (seconds: number, variant: number) => listen(gateway().url, clip(seconds, variant));

  // The wait it advises comes of the requests it has seen: let it see short ones.
  beforeAll(async () => {
    for (let variant = 100; variant < 120; variant += 1) expect((await send(0.8, variant)).status).toBe(200);
  });

  async function fill(variant: number): Promise<Promise<Answer>[]> {
    const running = send(10, variant);
    await sleep(UNDERWAY_MS);
    const waiting = send(1, variant);
    await sleep(UNDERWAY_MS);
    return [running, waiting];
  }

  test('the refusal says when to come back, and majors 3 and 4 show it', async () => {
    const admitted = await fill(1);
    const refusal = await send(0.5, 1);
    expectRefusal(refusal, ...TOO_MANY);
    expect(Number(refusal.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(Number(refusal.headers.get('retry-after'))).toBeLessThanOrEqual(LONGEST_WAIT_SECONDS);
    for (const { connect } of MAJORS.slice(0, 2)) {
      const error = await connect(gateway().url, { key: 'none' })
        .transcribeFile(clip(0.5, 2))
        .then(
          () => undefined,
          (thrown: unknown) => thrown as Error & { status: number },
        );
      expect(error?.status).toBe(429);
      expect(JSON.parse(error?.message ?? '')).toMatchObject({ err_code: 'TOO_MANY_REQUESTS' });
    }
    for (const answer of await Promise.all(admitted)) expect(answer.status).toBe(200);
  });

  test('major 5 comes back when it was told to, and succeeds', async () => {
    const statuses: number[] = [];
    const client = new DeepgramClient({
      apiKey: 'none',
      baseUrl: gateway().url,
      maxRetries: 5,
      fetch: async (input: Parameters<typeof fetch>[0], init: Parameters<typeof fetch>[1]) => {
        const answer = await fetch(input, init);
        statuses.push(answer.status);
        return answer;
      },
    } as never);
    const admitted = await fill(3);
    const answer = await client.listen.v1.media.transcribeFile(clip(0.5, 3), { model: 'nova-3' });
    expect(answer).toHaveProperty('results');
    expect(statuses.length).toBeGreaterThan(1);
    expect(statuses).toEqual([...Array(statuses.length - 1).fill(429), 200]);
    await Promise.all(admitted);
  });
});

describe('an engine that crashes in the first request it is given, and again when that is repeated', () => {
  const gateway = useGateway(paced({ speed: 5, crashOn: 1 }));

  test('is a server error in the envelope, without a word of where it happened', async () => {
    const answer = await listen(gateway().url, clip(2, 1));
    expectRefusal(answer, 500, 'Internal Server Error', /\S/);
    expect(answer.text).not.toMatch(/whisper-server|paced|SIGABRT|\/tmp\//);
  });

  test('of several channels ends the request, not the server', async () => {
    const stereo = speechAs('wav', '-ac', '2', '-t', '3');
    expect((await listen(gateway().url, stereo, { query: 'multichannel=true' })).status).toBe(500);
    await gateway().expectEmptySpool();
    expect((await fetch(`${gateway().url}/v1/status`)).status).toBe(200);
  });
});

describe('an engine that hangs', () => {
  const gateway = useGateway({ ...paced({ hangOn: 1 }), ENGINE_DEADLINE_FACTOR: '0.03' });

  test('is a server error in bounded time', async () => {
    const startedMs = performance.now();
    const answer = await listen(gateway().url, clip(1, 1));
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    if (answer.status === 504) expectRefusal(answer, 504, 'Gateway Timeout', /\S/);
    else expectRefusal(answer, 500, 'Internal Server Error', /\S/);
    await gateway().expectEmptySpool();
  });
});

describe('twenty channels', () => {
  const gateway = useGateway(paced({ speed: 200 }));
  const channels = (count: number) =>
    ffmpeg(
      ['-f', 'lavfi', '-i', `aevalsrc=${Array(count).fill('0.1*sin(440*t)').join('|')}:d=1`, '-c:a', 'pcm_s16le'],
      'wav',
    );

  test('are transcribed, or mixed down to one; twenty-one are refused', async () => {
    const body = bodyOf(await listen(gateway().url, channels(20), { query: 'multichannel=true&utterances=true' }));
    expect(body.results.channels).toHaveLength(20);
    expect(body.metadata.channels).toBe(20);
    expect((await listen(gateway().url, channels(21), { query: 'multichannel=true' })).status).toBe(400);
    const mixed = bodyOf(await listen(gateway().url, channels(20)));
    expect(mixed.metadata.channels).toBe(1);
    await gateway().expectEmptySpool();
  });
});
