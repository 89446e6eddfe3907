// How a gateway ends: asked politely, it finishes what runs; killed, it leaves nothing behind.
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { clip, speechAs } from '../audio.ts';
import { endGateway, eventually, type Gateway, paced, startGateway } from '../gateway.ts';
import { processesAreVisible } from '../processes.ts';
import { type Answer, formOf, openUpload, streamRecords, transcribe, wireForm } from '../requests.ts';

const send = (gateway: Gateway, seconds: number, variant: number): Promise<Answer> =>
  transcribe(gateway.url, formOf([['model', 'whisper-1']], { bytes: clip(seconds, variant) }));

/** Long enough for an upload to have become a running inference. */
const UNDERWAY_MS = 400;
/** What is shorter is held in memory. */
const ON_DISK_SECONDS = 80;

test('SIGTERM lets running work finish, takes no new work, and ends with code 0', async () => {
  const gateway = await startGateway(paced({ speed: 4 }));
  await send(gateway, 0.5, 1);
  const running = send(gateway, 6, 2);
  await sleep(UNDERWAY_MS);
  gateway.child.kill('SIGTERM');
  await sleep(100);
  const late = await send(gateway, 0.5, 3).catch((error: Error) => error);
  if (!(late instanceof Error)) expect(late.status).toBe(503);
  const answer = await running;
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.text).text).toMatch(/\w/);
  await endGateway(gateway);
});

test('work that outlasts SHUTDOWN_SECONDS is given up, and the exit is still an orderly one', async () => {
  const gateway = await startGateway({ ...paced({ speed: 0.5 }), SHUTDOWN_SECONDS: '1', ENGINE_STOP_SECONDS: '0.5' });
  const running = send(gateway, 10, 1).catch((error: Error) => error);
  await sleep(UNDERWAY_MS);
  const startedMs = performance.now();
  const stopped = endGateway(gateway);
  const answer = await running;
  if (!(answer instanceof Error)) expect(answer.status).toBe(503);
  await stopped;
  expect(performance.now() - startedMs).toBeLessThan(5000);
});

test('SIGTERM lets work finish that is still being decoded', async () => {
  // Slow enough to be caught at it: an ffmpeg that first sleeps.
  const slow = join(tmpdir(), `slow-ffmpeg-${process.pid}.sh`);
  await writeFile(slow, '#!/bin/sh\nsleep 1.5\nexec ffmpeg "$@"\n', { mode: 0o755 });
  try {
    const gateway = await startGateway({ ...paced(), FFMPEG_BIN: slow });
    const running = transcribe(gateway.url, formOf([['model', 'whisper-1']], { bytes: speechAs('mp3', '-t', '2') }));
    await sleep(UNDERWAY_MS);
    gateway.child.kill('SIGTERM');
    expect((await running).status).toBe(200);
    await endGateway(gateway);
  } finally {
    await rm(slow);
  }
});

test('a second SIGTERM means now', async () => {
  const gateway = await startGateway(paced({ speed: 0.5 }));
  const running = send(gateway, 10, 1).catch(() => {});
  await sleep(UNDERWAY_MS);
  gateway.child.kill('SIGTERM');
  await sleep(100);
  const startedMs = performance.now();
  gateway.child.kill('SIGTERM');
  expect(await gateway.exited).toEqual({ code: 1, signal: null });
  expect(performance.now() - startedMs).toBeLessThan(1000);
  if (processesAreVisible) await eventually(async () => expect(await gateway.processes()).toEqual([]), 1000);
  await running;
  await rm(gateway.dataDirectory, { recursive: true, force: true });
});

test('SIGTERM lets a stream come to its end', async () => {
  const gateway = await startGateway(paced({ speed: 4 }));
  const form = formOf(
    [
      ['model', 'whisper-1'],
      ['stream', 'true'],
    ],
    { bytes: clip(8) },
  );
  const stream = transcribe(gateway.url, form);
  await sleep(UNDERWAY_MS);
  gateway.child.kill('SIGTERM');
  const records = streamRecords((await stream).text);
  expect(records.at(-1)).toBe('[DONE]');
  expect(JSON.parse(records.at(-2) ?? '')).toMatchObject({ type: 'transcript.text.done' });
  await endGateway(gateway);
});

test('an upload that has not arrived does not hold it up', async () => {
  const gateway = await startGateway(paced());
  const body = wireForm([{ name: 'file', file: clip(2 * ON_DISK_SECONDS) }]);
  const { answer } = openUpload(gateway.url, body.subarray(0, body.length / 2), body.length);
  await eventually(async () => expect(await gateway.spool()).not.toEqual([]), 2000);
  const startedMs = performance.now();
  await endGateway(gateway);
  expect(performance.now() - startedMs).toBeLessThan(4000);
  await answer.catch(() => {});
});

test('an idle gateway ends at once', async () => {
  const gateway = await startGateway();
  // A connection that a client keeps open does not hold it up.
  await fetch(`${gateway.url}/health`);
  const startedMs = performance.now();
  await endGateway(gateway);
  expect(performance.now() - startedMs).toBeLessThan(3000);
});

describe.skipIf(!processesAreVisible)('after SIGKILL of the gateway', () => {
  test('no real engine lives longer than a second, and the next gateway takes over its folder', async () => {
    const first = await startGateway();
    const running = send(first, ON_DISK_SECONDS, 1).catch(() => {});
    await eventually(async () => expect(await first.engines()).not.toEqual([]), 10_000);
    await sleep(UNDERWAY_MS);
    first.child.kill('SIGKILL');
    await first.exited;
    await eventually(async () => expect(await first.processes()).toEqual([]), 1000);
    await running;
    expect(await first.spool()).not.toEqual([]);

    const second = await startGateway({}, { dataDirectory: first.dataDirectory });
    expect(await second.spool()).toEqual([]);
    await endGateway(second);
  });

  test('nor does an engine that is stuck', async () => {
    const gateway = await startGateway(paced({ hangOn: 1 }));
    const running = send(gateway, 5, 1).catch(() => {});
    await eventually(async () => expect(await gateway.engines()).not.toEqual([]), 10_000);
    await sleep(UNDERWAY_MS);
    gateway.child.kill('SIGKILL');
    await eventually(async () => expect(await gateway.processes()).toEqual([]), 1000);
    await running;
    await rm(gateway.dataDirectory, { recursive: true, force: true });
  });
});
