// What waits, what runs and what is cancelled, with an engine that takes its time.
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { clip } from '../audio.ts';
import { useWebServer } from '../deepgram/web-server.ts';
import { eventually, paced, useGateway } from '../gateway.ts';
import { endpointAt } from './endpoint.ts';

beforeEach(() => {
  vi.spyOn(console, 'log').mockImplementation(() => {});
  return () => void vi.restoreAllMocks();
});
/** Every path is another recording of so many seconds: `/12/3.wav`. */
const web = useWebServer((request, response) => {
  const [, seconds, variant] = /^\/(\d+)\/(\d+)/.exec(request.url ?? '') ?? [];
  response.end(clip(Number(seconds), Number(variant)));
});

describe('with one job at a time', () => {
  const gateway = useGateway({ ...paced({ speed: 4 }), ALLOW_PRIVATE_URLS: 'true', JOBS_RUNNING_MAX: '1' });
  const endpoint = () => endpointAt(gateway().url);
  const run = async (seconds: number, variant: number) =>
    (await endpoint().run({ input: { audio_file: `${web().url}/${seconds}/${variant}.wav` } })).id;
  const jobs = async () => (await endpoint().health()).jobs;

  test('jobs are counted, cancelled in the queue and while they run, and purged', async () => {
    const ids = [await run(24, 1), await run(12, 2), await run(12, 3), await run(12, 4)] as const;
    await eventually(async () => expect(await jobs()).toMatchObject({ inProgress: 1, inQueue: 3 }), 5000);
    expect((await endpoint().health()).workers).toMatchObject({ idle: 0, ready: 1, running: 1 });
    expect(await endpoint().status(ids[0])).toMatchObject({ status: 'IN_PROGRESS', delayTime: expect.any(Number) });
    expect(await endpoint().cancel(ids[1])).toMatchObject({ id: ids[1], status: 'CANCELLED', executionTime: 0 });
    expect(await endpoint().purgeQueue()).toEqual({ removed: 2, status: 'completed' });
    expect(await endpoint().status(ids[3])).toMatchObject({ status: 'CANCELLED', completed: true, succeeded: false });
    expect(await endpoint().cancel(ids[0])).toMatchObject({ status: 'CANCELLED' });
    // The engine is free at once: a short job does not wait for the long one's end.
    const next = await endpoint().runSync({ input: { audio_file: `${web().url}/1/5.wav` } });
    expect(next).toMatchObject({ status: 'COMPLETED' });
    expect(next.delayTime).toBeLessThan(3000);
    expect(await jobs()).toEqual({ completed: 1, failed: 0, inProgress: 0, inQueue: 0, retried: 0 });
  });

  test('a wait that is too short answers with what there is, and runSync of the SDK goes on asking', async () => {
    const input = { audio_file: `${web().url}/12/6.wav` };
    const body = JSON.stringify({ input });
    const init = { method: 'POST', body, headers: { 'content-type': 'application/json' } };
    const early = await fetch(`${gateway().url}/v2/whisper/runsync?wait=200`, init);
    expect(early.status).toBe(200);
    const { id, status } = (await early.json()) as { id: string; status: string };
    expect(['IN_QUEUE', 'IN_PROGRESS']).toContain(status);
    // At most a second of waiting at a time: several rounds of /status-sync.
    const job = await endpoint().runSync({ input: { audio_file: `${web().url}/12/7.wav` } }, 30_000);
    expect(job).toMatchObject({ status: 'COMPLETED', completed: true });
    expect(await endpoint().status(id)).toMatchObject({ status: 'COMPLETED' });
  });
});
