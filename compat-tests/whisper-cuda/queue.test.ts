// What waits and what runs, with an engine that takes its time; and which models a database enables.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clip, SPEECH_PATH } from '../audio.ts';
import { curl } from '../curl.ts';
import { useWebServer } from '../deepgram/web-server.ts';
import { endGateway, eventually, type Gateway, paced, startGateway, useGateway } from '../gateway.ts';
import { createPostgres, findPostgres, type Postgres } from '../postgres.ts';
import { BASE, detailOf, MODEL, statusOf, upload } from './client.ts';

const receiver = useWebServer((request, response) => {
  request.resume();
  response.writeHead(200).end();
});

describe('the queue', () => {
  const gateway = useGateway({ ...paced({ speed: 4 }), ALLOW_PRIVATE_URLS: 'true', JOBS_RUNNING_MAX: '1' });

  test('names what runs and what waits, in turn', async () => {
    const queue = async () => JSON.parse((await curl(`${gateway().url}${BASE}/queue`)).body);
    const submit = async (variant: number) => {
      const form = new FormData();
      form.append('model', MODEL);
      form.append('callback_url', `${receiver().url}/done`);
      form.append('file', new Blob([clip(12, variant)]), 'clip.wav');
      const answer = await fetch(`${gateway().url}${BASE}/transcribe`, { method: 'POST', body: form });
      return ((await answer.json()) as { job_id: string }).job_id;
    };
    const ids = [await submit(1), await submit(2), await submit(3)];
    const [first, second, third] = ids;
    await eventually(
      async () => expect(await queue()).toEqual({ status: 'busy', queued: [second, third], running: [first] }),
      5000,
    );
    expect(await statusOf(gateway().url, String(first))).toMatchObject({ status: 'running', result: null });
    expect(await statusOf(gateway().url, String(third))).toMatchObject({ status: 'queued', queue_time_s: null });
    await eventually(async () => expect(await queue()).toEqual({ status: 'idle', queued: [], running: [] }), 30_000);
    for (const id of ids) expect(await statusOf(gateway().url, id)).toMatchObject({ status: 'completed' });
  });
});

const programs = await findPostgres();

describe.runIf(programs)('a database of models', () => {
  let postgres: Postgres;
  let gateway: Gateway;
  beforeAll(async () => {
    postgres = await createPostgres(programs ?? '');
    await postgres.start();
    await postgres.run(`
      create table whisper_models (id_model serial primary key, name text, source text);
      create table model_settings (id_model int references whisper_models, enabled boolean);
      insert into whisper_models (name, source) values ('${MODEL}', 'whisper'), ('base', 'whisper');
      insert into model_settings values (1, true), (2, false)`);
    gateway = await startGateway({ ALLOW_PRIVATE_URLS: 'true', MODELS_DATABASE_URL: postgres.url });
  });
  afterAll(async () => {
    if (gateway) await endGateway(gateway);
    await postgres?.remove();
  });
  const ask = (model: string) => upload(gateway.url, SPEECH_PATH, { model, callback_url: `${receiver().url}/done` });

  test('enables some, and a change is known after a while', async () => {
    expect((await ask(MODEL)).status).toBe(200);
    const refused = await ask('base');
    expect([refused.status, detailOf(refused)]).toEqual([400, `The model 'base' is not enabled. Enabled: ${MODEL}.`]);
    await postgres.run('update model_settings set enabled = false');
    await eventually(async () => expect(detailOf(await ask(MODEL))).toContain('Enabled: none.'), 10_000);
  });

  test('that is down is said, disturbs nobody else, and is found again by itself', async () => {
    await postgres.run('update model_settings set enabled = true');
    await postgres.stop();
    const down = await eventually(async () => {
      const answer = await ask(MODEL);
      expect(answer.status).toBe(503);
      return answer;
    }, 10_000);
    expect(detailOf(down)).toContain('database');
    expect(down.headers.get('retry-after')).toBe('5');
    expect((await curl(`${gateway.url}/ready`)).status).toBe(200);
    expect((await curl(`${gateway.url}${BASE}/queue`)).status).toBe(200);
    await postgres.start();
    expect((await ask(MODEL)).status).toBe(200);
  });
});
