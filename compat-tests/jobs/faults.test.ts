// Jobs that are cancelled, connections and servers that break under those who watch, models that are not there yet, and
// disks without room: the stand-in engine makes each happen on time.
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clip } from '../audio.ts';
import { endGateway, eventually, paced, startGateway, useGateway } from '../gateway.ts';
import { processesAreVisible } from '../processes.ts';
import { formOf, transcribe } from '../requests.ts';
import { type JobEvent, JobsClient, type Progress } from './client.ts';

const wav = (seconds: number, variant: number) => new Blob([clip(seconds, variant)], { type: 'audio/wav' });

async function rest(events: AsyncGenerator<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('a job that is cancelled', () => {
  const gateway = useGateway(paced({ speed: 1 }));
  const client = () => new JobsClient(gateway().url);

  test('while it runs frees its engine within a second, and whoever watches is told', async () => {
    const { job_id: id } = await client().submit(wav(20, 1));
    const watching = rest(client().stream(id));
    await eventually(async () => expect((await client().job(id)).status).toBe('running'), 10_000);
    await sleep(1000);
    const startedMs = performance.now();
    const job = await client().cancel(id);
    expect(job).toMatchObject({ id, status: 'cancelled', error: null, completed_at: expect.stringMatching(/Z$/) });
    // The one engine is busy for another 18 seconds, unless it has been freed.
    const next = await transcribe(gateway().url, formOf([['model', 'whisper-1']], { bytes: clip(0.4, 2) }));
    expect(next.status).toBe(200);
    expect(performance.now() - startedMs).toBeLessThan(1500);
    expect((await watching).at(-1)).toEqual({ type: 'error', message: 'job cancelled' });
    expect(await rest(client().stream(id))).toEqual([{ type: 'error', message: 'job cancelled' }]);
    await expect(client().cancel(id)).rejects.toMatchObject({
      status: 409,
      body: { error: `job ${id} is already in terminal state cancelled` },
    });
    await expect(client().result(id)).rejects.toMatchObject({
      status: 409,
      body: { error: `job ${id} was cancelled` },
    });
  });

  test('while it waits is gone at once', async () => {
    const running = await Promise.all([3, 4, 5, 6].map((variant) => client().submit(wav(20, variant))));
    const { job_id: id, position } = await client().submit(wav(20, 7));
    expect(position).toBeGreaterThan(0);
    const startedMs = performance.now();
    expect(await client().cancel(id)).toMatchObject({ status: 'cancelled', position: null });
    expect(performance.now() - startedMs).toBeLessThan(500);
    for (const { job_id } of running) await client().cancel(job_id);
    await gateway().expectEmptySpool();
  });
});

/** Stands between a client and the gateway, and cuts every connection when told to. */
function useBreakableWire(target: () => string): () => { url: string; cut(): void } {
  const sockets = new Set<Socket>();
  const server = createTcpServer((near) => {
    const { hostname, port } = new URL(target());
    const far = connectTcp(Number(port), hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.once('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  afterAll(() => {
    server.close();
    cut();
  });
  return () => ({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut });
}

describe('a stream', () => {
  const gateway = useGateway(paced({ speed: 20 }));
  const wire = useBreakableWire(() => gateway().url);

  test('that breaks goes on from where it broke, and tells nothing twice', async () => {
    const client = new JobsClient(wire().url);
    // Six chunks of more than a second each; EventSource takes three seconds to come back.
    const { job_id: id } = await client.submit(wav(150, 1));
    const events = client.stream(id);
    const before: Progress[] = [];
    while ((before.at(-1)?.chunk ?? 0) < 1) before.push((await events.next()).value);
    wire().cut();
    const after = await rest(events);
    expect(client.resumedFrom).toEqual([null, expect.stringMatching(/^\d+$/)]);
    expect(after.at(-1)).toMatchObject({ type: 'done', job: { id, progress: 100 } });
    const told = [...before, ...after].flatMap((event) => (event.type === 'progress' ? [JSON.stringify(event)] : []));
    expect(new Set(told).size).toBe(told.length);
    const chunks = [...before, ...after].flatMap((event) => (event.type === 'progress' ? [event.chunk] : []));
    expect(chunks).toEqual(chunks.toSorted((one, other) => one - other));
  });

  test('that is opened again after its end is told that there is no more', async () => {
    const client = new JobsClient(gateway().url);
    const { job_id: id } = await client.submit(wav(1, 2));
    await client.finished(id);
    const headers = { 'last-event-id': 'end' };
    expect((await fetch(`${gateway().url}/jobs/${id}/stream`, { headers })).status).toBe(204);
  });
});

test('a stream outlives the server: killed and started again, it brings the job to its end', async () => {
  const first = await startGateway(paced({ speed: 20 }));
  const { port } = new URL(first.url);
  const client = new JobsClient(first.url);
  const { job_id: id } = await client.submit(wav(120, 1));
  const events = client.stream(id);
  let chunk = 0;
  while (chunk < 1) chunk = ((await events.next()).value as Progress).chunk;
  first.child.kill('SIGKILL');
  await first.exited;
  const second = await startGateway({ ...paced({ speed: 20 }), PORT: port }, { dataDirectory: first.dataDirectory });
  const after = await rest(events);
  expect(client.resumedFrom.length).toBeGreaterThan(1);
  expect(after.at(-1)).toMatchObject({ type: 'done', job: { id, status: 'done', duration_secs: 120 } });
  await endGateway(second);
});

describe('in the strict mode', () => {
  const gateway = useGateway({ ...paced(), PACED_START_MS: '1500', STRICT_MODEL_READY: 'true' });
  const client = () => new JobsClient(gateway().url);

  test('a job is refused until its model is in memory, and asking loads it', async () => {
    expect(await client().unload()).toBe('unload_requested');
    await eventually(async () => expect((await client().modelStatus()).state).toBe('unloaded'), 5000);
    if (processesAreVisible) expect(await gateway().engines()).toEqual([]);
    for (const [state, seconds] of [
      ['unloaded', 30],
      ['loading', 10],
    ] as const) {
      const refusal = await client()
        .submit(wav(1, 1))
        .catch((error: unknown) => error);
      expect(refusal).toMatchObject({
        status: 503,
        body: { error: 'model_not_ready', state, retry_after_secs: seconds },
      });
      expect((refusal as { headers: Headers }).headers.get('retry-after')).toBe(String(seconds));
    }
    await eventually(async () => expect((await client().modelStatus()).state).toBe('ready'), 10_000);
    const { job_id: id } = await client().submit(wav(1, 1));
    expect(await client().finished(id)).toMatchObject({ status: 'done' });
  });
});

describe('without room', () => {
  const gateway = useGateway({ ...paced({ speed: 1 }), SPOOL_BYTES_MAX: '400000' });
  const client = () => new JobsClient(gateway().url);

  test('on the disk a job is a 507 that says so, and the next that fits is taken', async () => {
    await expect(client().submit(wav(20, 1))).rejects.toMatchObject({
      status: 507,
      body: { error: expect.stringMatching(/\S/) },
    });
    await gateway().expectEmptySpool();
    const { job_id: id } = await client().submit(wav(1, 2));
    expect(await client().finished(id)).toMatchObject({ status: 'done' });
  });
});

describe('with keys', () => {
  const gateway = useGateway({ ...paced(), API_KEYS: 'mine,yours' });

  test('each way to show one opens every route, a stream too', async () => {
    const client = new JobsClient(gateway().url, 'mine');
    const { job_id: id } = await client.submit(wav(1, 1), { idempotencyKey: 'same' });
    expect(await client.finished(id)).toMatchObject({ id });
    for (const authorization of ['Bearer mine', 'Token mine']) {
      expect((await fetch(`${gateway().url}/jobs/${id}`, { headers: { authorization } })).status).toBe(200);
    }
    const other = await new JobsClient(gateway().url, 'yours').submit(wav(1, 1), { idempotencyKey: 'same' });
    expect(other).toMatchObject({ replayed: false });
    expect(other.job_id).not.toBe(id);
  });

  test('none, or a wrong one, is a 401', async () => {
    for (const key of [undefined, 'wrong']) {
      const refused = new JobsClient(gateway().url, key).submit(wav(1, 1));
      await expect(refused).rejects.toMatchObject({ status: 401, body: { error: expect.stringMatching(/key/) } });
    }
  });
});
