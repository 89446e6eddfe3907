// What the SDKs do when the server is full or its engine dies: the stand-in engine makes both happen on time.
import { createReadStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { clip, SPEECH_PATH, speech } from '../audio.ts';
import { eventually, paced, useGateway } from '../gateway.ts';
import { processesAreVisible } from '../processes.ts';
import { type Answer, expectError, formOf, transcribe } from '../requests.ts';
import { MAJORS, type Major } from './majors.ts';

const major = (wanted: number) => MAJORS.find((candidate) => candidate.major === wanted) as Major;

/** Long enough for an upload to have found its place. */
const UNDERWAY_MS = 400;

describe('with one request running and one waiting, and no room for more', () => {
  const gateway = useGateway({ ...paced({ speed: 5 }), QUEUE_MAX: '1' });

  const send = (seconds: number, variant: number) =>
    transcribe(gateway().url, formOf([['model', 'whisper-1']], { bytes: clip(seconds, variant) }));

  // The wait it advises comes of the requests it has seen: let it see short ones.
  beforeAll(async () => {
    for (let variant = 100; variant < 120; variant += 1) expect((await send(0.8, variant)).status).toBe(200);
  });

  /** Occupies the device for two seconds, and the one place behind it. */
  async function fill(variant: number): Promise<Promise<Answer>[]> {
    const running = send(10, variant);
    await sleep(UNDERWAY_MS);
    const waiting = send(1, variant);
    await sleep(UNDERWAY_MS);
    return [running, waiting];
  }

  test('the refusal is a 429 that says when to come back', async () => {
    const admitted = await fill(1);
    const refusal = await send(0.5, 1);
    expectError(refusal, 429, { type: 'requests', code: 'rate_limit_exceeded' });
    expect(refusal.headers.get('retry-after')).toMatch(/^[1-5]$/);
    for (const answer of await Promise.all(admitted)) expect(answer.status).toBe(200);
  });

  test('openai 7 comes back with the same file and succeeds', async () => {
    const { OpenAI, toFile } = major(7);
    const statuses: number[] = [];
    const client = new OpenAI({
      apiKey: 'none',
      baseURL: `${gateway().url}/v1`,
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        // It also fetches a data URL, to see what this fetch can do.
        if (String(input).startsWith(gateway().url)) statuses.push(answer.status);
        return answer;
      },
      maxRetries: 5,
    });
    const admitted = await fill(2);
    const file = await toFile(speech(), 'speech.wav');
    const { text } = await client.audio.transcriptions.create({ model: 'whisper-1', file });
    expect(text).not.toBe('');
    expect(statuses.length).toBeGreaterThan(1);
    expect(statuses).toEqual([...Array(statuses.length - 1).fill(429), 200]);
    await Promise.all(admitted);
  });

  test('openai 4 fails at once instead of repeating an upload without its bytes', async () => {
    const { OpenAI } = major(4);
    const client = new OpenAI({ apiKey: 'none', baseURL: `${gateway().url}/v1` });
    const admitted = await fill(3);
    const startedMs = performance.now();
    await expect(
      client.audio.transcriptions.create(
        { model: 'whisper-1', file: createReadStream(SPEECH_PATH) },
        { headers: { 'cache-control': 'no-cache' } },
      ),
    ).rejects.toThrow(OpenAI.RateLimitError);
    expect(performance.now() - startedMs).toBeLessThan(1000);
    await Promise.all(admitted);
  });
});

describe('with an engine that crashes in the first request it is given, and again when that is repeated', () => {
  const gateway = useGateway(paced({ speed: 5, crashOn: 1 }));

  test('without a stream it is a 500 in the usual envelope, and the next request finds a new engine', async () => {
    const answer = await transcribe(gateway().url, formOf([['model', 'whisper-1']], { bytes: clip(2, 77) }));
    expectError(answer, 500, { type: 'server_error' });
    const health = await fetch(`${gateway().url}/ready`);
    expect(health.status).toBe(200);
  });
});

describe('with an engine that is killed whenever it runs', () => {
  const gateway = useGateway({ ...paced({ speed: 20 }), START_BACKOFF_SECONDS: '0.1' });

  test.runIf(processesAreVisible).each(MAJORS)(
    'openai $major throws an APIError out of a stream that had begun',
    async ({ major: number, OpenAI, toFile }) => {
      const client = new OpenAI({ apiKey: 'none', baseURL: `${gateway().url}/v1`, maxRetries: 0 });
      const short = formOf([['model', 'whisper-1']], { bytes: clip(1, 400) });
      const isServing = async () => {
        const answer = await transcribe(gateway().url, short, { headers: { 'cache-control': 'no-store' } });
        expect(answer.status).toBe(200);
      };
      await eventually(isServing, 10_000);
      // Several chunks: the first ones arrive before the first kill.
      const file = await toFile(clip(200, 300 + number), 'speech.wav');
      const stream = await client.audio.transcriptions.create({ model: 'gpt-4o-transcribe', file, stream: true });
      const types: string[] = [];
      let isOver = false;
      const kill = async () => {
        while (!isOver) {
          for (const { pid } of await gateway().engines()) process.kill(pid, 'SIGKILL');
          await sleep(20);
        }
      };
      let killing: Promise<void> | undefined;
      const error = await (async () => {
        for await (const event of stream) {
          types.push(event.type);
          killing ??= kill();
        }
      })().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      isOver = true;
      await killing;
      expect(new Set(types)).toEqual(new Set(['transcript.text.delta']));
      expect(error).toBeInstanceOf(OpenAI.APIError);
      expect((error as Error).message).toMatch(/\S/);
    },
  );
});
