// A job on a long recording while the gateway, its engine or both are killed: it ends, nothing that was finished is run again,
// and whoever waits for it is told under one id.
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clip } from '../audio.ts';
import { useWebServer } from '../deepgram/web-server.ts';
import { endGateway, eventually, type Gateway, paced, startGateway } from '../gateway.ts';
import { processesAreVisible } from '../processes.ts';

const ENGINE = join(import.meta.dirname, 'counted-engine.ts');
/** In seven chunks or so, each of one to two seconds for this engine. */
const SECONDS = 170;
const ENDS_MS_MAX = 60_000;
/** Of each kill: what is in the hands of the engine, and what it has answered that is not kept yet. */
const UNDER_WAY = 2;

interface Job {
  id: string;
  status: string;
  progress: number;
  error: string | null;
  segments: { text: string }[] | null;
}

let folder: string;
let gateway: Gateway;
let received: { id: string; job: Job }[] = [];
const receiver = useWebServer(async (request, response) => {
  const text = (await request.setEncoding('utf8').toArray()).join('');
  const job = JSON.parse(text);
  // News of models go to the same URL.
  if ('id' in job) received.push({ id: String(request.headers['webhook-id']), job });
  response.writeHead(200).end();
});

const environment = () => ({
  ...paced({ speed: 20 }),
  ...{ WHISPER_SERVER_BIN: ENGINE, COUNTED_FILE: join(folder, 'counted'), ALLOW_PRIVATE_URLS: 'true' },
});

function counted(what: 'asked' | 'answered'): string[] {
  const lines = readFileSync(join(folder, 'counted'), { encoding: 'utf8', flag: 'a+' }).trim().split('\n');
  return lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.slice(what.length + 1));
}

async function submit(variant: number): Promise<string> {
  const form = new FormData();
  form.append('audio', new Blob([clip(SECONDS, variant)]), 'long.wav');
  form.append('webhook_url', `${receiver().url}/hook`);
  const answer = await fetch(`${gateway.url}/jobs`, { method: 'POST', body: form });
  const body = (await answer.json()) as { job_id: string };
  expect({ status: answer.status, body }).toMatchObject({ status: 202 });
  return body.job_id;
}

async function jobOf(id: string): Promise<Job> {
  return (await (await fetch(`${gateway.url}/jobs/${id}`)).json()) as Job;
}

const answered = (count: number) =>
  eventually(async () => expect(counted('answered').length).toBeGreaterThanOrEqual(count), ENDS_MS_MAX);

async function killGateway(): Promise<void> {
  gateway.child.kill('SIGKILL');
  await gateway.exited;
}

async function killEngine(): Promise<void> {
  const [engine] = await gateway.engines();
  process.kill(engine?.pid ?? expect.fail('no engine'), 'SIGKILL');
}

async function restart(): Promise<void> {
  gateway = await startGateway(environment(), { dataDirectory: gateway.dataDirectory });
}

/** Its end, and how often a chunk that had been answered was asked for again. */
async function ends(id: string): Promise<number> {
  const job = await eventually(async () => {
    const now = await jobOf(id);
    expect(now.status).not.toMatch(/queued|running/);
    return now;
  }, ENDS_MS_MAX);
  expect(job).toMatchObject({ status: 'done', progress: 100, error: null });
  await eventually(async () => expect(received.length).toBeGreaterThan(0), ENDS_MS_MAX);
  expect(new Set(received.map((message) => message.id)).size).toBe(1);
  expect(received[0]?.job).toMatchObject({ id, status: 'done' });
  await eventually(async () => expect(await readdir(join(gateway.dataDirectory, 'jobs', 'audio'))).toEqual([]), 2000);
  const asked = counted('asked');
  return asked.length - new Set(asked).size;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'compat-jobs-'));
  received = [];
  gateway = await startGateway(environment());
});
afterEach(async () => {
  await endGateway(gateway);
  await rm(folder, { recursive: true });
});

describe.skipIf(!processesAreVisible)('a job on a long recording', () => {
  test('whose gateway is killed half-way goes on with the next chunk', async () => {
    const id = await submit(1);
    await answered(3);
    await killGateway();
    const before = counted('answered').length;
    await restart();
    expect(await ends(id)).toBeLessThanOrEqual(UNDER_WAY);
    expect(counted('answered').length).toBeGreaterThan(before);
    expect(new Set(counted('answered')).size).toBeGreaterThanOrEqual(6);
  });

  test('whose engine is killed half-way ends, and nobody hears of it', async () => {
    const id = await submit(2);
    await answered(2);
    await killEngine();
    await answered(4);
    await killEngine();
    expect(await ends(id)).toBeLessThanOrEqual(2 * UNDER_WAY);
  });

  test('whose gateway and engine are killed, again and again, ends', async () => {
    const id = await submit(3);
    for (const count of [1, 3, 5]) {
      await answered(count);
      await killEngine();
      await killGateway();
      await restart();
    }
    expect(await ends(id)).toBeLessThanOrEqual(3 * UNDER_WAY);
    // The same words as without any of this.
    const words = (text: string) => text.match(/\w+/g);
    const job = await jobOf(id);
    const undisturbed = await eventually(async () => {
      const again = new FormData();
      again.append('file', new Blob([clip(SECONDS, 3)]), 'long.wav');
      again.append('model', 'whisper-1');
      const answer = await fetch(`${gateway.url}/v1/audio/transcriptions`, {
        ...{ method: 'POST', body: again, headers: { 'cache-control': 'no-store' } },
      });
      return ((await answer.json()) as { text: string }).text;
    }, ENDS_MS_MAX);
    expect(words(job.segments?.map((segment) => segment.text).join(' ') ?? '')).toEqual(words(undisturbed));
  });
});
