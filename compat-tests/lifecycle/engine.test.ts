// An engine that crashes, hangs or floods its pipes is the gateway's business; the client sees an answer.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { clip } from '../audio.ts';
import { endGateway, type Gateway, launchGateway, paced, useGateway } from '../gateway.ts';
import { expectError, formOf, transcribe } from '../requests.ts';

const send = (gateway: Gateway, seconds: number, variant: number) =>
  transcribe(gateway.url, formOf([['model', 'whisper-1']], { bytes: clip(seconds, variant) }));

/** Deadlines of seconds, where a real machine is given minutes. */
const IMPATIENT = { ENGINE_DEADLINE_FACTOR: '0.03' };

// An engine on a CPU is not warmed up, so its second inference is our second request.
describe('in the second request to an engine', () => {
  const crashing = useGateway(paced({ crashOn: 2 }));
  const hanging = useGateway({ ...paced({ hangOn: 2 }), ...IMPATIENT });

  test('a crash is invisible: another engine gives the same words', async () => {
    expect((await send(crashing(), 2, 1)).status).toBe(200);
    const before = await crashing().engines();
    const answer = await send(crashing(), 4, 2);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text).text.split(' ')).toHaveLength(10);
    const after = await crashing().engines();
    expect(after.map(({ pid }) => pid)).not.toEqual(before.map(({ pid }) => pid));
  });

  test('a hang is ended by its deadline, and the request answered by another engine', async () => {
    expect((await send(hanging(), 2, 1)).status).toBe(200);
    const before = await hanging().engines();
    const answer = send(hanging(), 4, 2);
    await sleep(300);
    // Health stays honest and quick meanwhile.
    const startedMs = performance.now();
    expect((await fetch(`${hanging().url}/health`)).status).toBe(200);
    expect((await fetch(`${hanging().url}/ready`)).status).toBe(200);
    expect(performance.now() - startedMs).toBeLessThan(500);
    expect((await answer).status).toBe(200);
    const pids = (await hanging().engines()).map(({ pid }) => pid);
    for (const { pid } of before) expect(pids).not.toContain(pid);
  });
});

describe('in every request', () => {
  const hanging = useGateway({ ...paced({ hangOn: 1 }), ...IMPATIENT });
  const noisy = useGateway({ ...paced(), PACED_NOISE: String(256 * 1024) });

  test('a hang is a server error in bounded time, and the client that waits is told', async () => {
    const startedMs = performance.now();
    const answer = await send(hanging(), 2, 1);
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    expect([500, 504]).toContain(answer.status);
    expectError(answer, answer.status, { type: 'server_error' });
    await hanging().expectEmptySpool();
  });

  test('an engine that writes more than a pipe holds is not stopped by it', async () => {
    for (let variant = 1; variant <= 5; variant += 1) expect((await send(noisy(), 0.5, variant)).status).toBe(200);
  });
});

describe('with two devices', () => {
  const gateway = useGateway({ ...paced({ speed: 2 }), DEVICES: 'cpu:0,cpu:1' });

  test('two requests run side by side', async () => {
    // Both engines are loaded by the first two.
    await Promise.all([send(gateway(), 1, 1), send(gateway(), 1, 2)]);
    const startedMs = performance.now();
    const answers = await Promise.all([send(gateway(), 3, 3), send(gateway(), 3, 4)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    // One after the other they would take three seconds.
    expect(performance.now() - startedMs).toBeLessThan(2700);
    expect(await gateway().engines()).toHaveLength(2);
  });

  test('thirty requests at once each get their own words', async () => {
    const variants = Array.from({ length: 30 }, (_, index) => 1000 + index);
    const ask = async (variant: number) => {
      const form = formOf([['model', 'whisper-1']], { bytes: clip(0.8, variant) });
      const answer = await transcribe(gateway().url, form, { headers: { 'cache-control': 'no-store' } });
      expect(answer.status).toBe(200);
      return answer.text;
    };
    const together = await Promise.all(variants.map(ask));
    expect(new Set(together).size).toBeGreaterThan(5);
    for (const [index, variant] of variants.entries()) expect(together[index]).toBe(await ask(variant));
  });
});

test('an engine that cannot start is a server error in bounded time, and the gateway says why it is not ready', async () => {
  const gateway = await launchGateway({
    WHISPER_SERVER_BIN: '/bin/false',
    DEVICES: 'cpu',
    START_BACKOFF_SECONDS: '0.1',
  });
  await gateway.listening();
  const startedMs = performance.now();
  expectError(await send(gateway, 1, 1), 500, { type: 'server_error' });
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
  const readiness = await fetch(`${gateway.url}/ready`);
  expect(readiness.status).toBe(503);
  expect(await readiness.json()).toEqual({
    ...{ ready: false, state: 'error', model: 'tiny-q5_1' },
    reason: expect.stringMatching(/\S/),
  });
  await endGateway(gateway);
});
