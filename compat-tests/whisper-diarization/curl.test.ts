// The whisper-diarization API as its documentation has people type it: curl, with the real engine.
import { describe, expect, test } from 'vitest';
import { expectSpeech, ffmpeg, SPEECH_PATH, SPEECH_SECONDS } from '../audio.ts';
import { type CurlAnswer, curl } from '../curl.ts';
import { eventually, paced, useGateway } from '../gateway.ts';

const BASE = '/compat/whisper-diarization';
/** Generous: includes an inference, on whatever else the machine does. */
const ENDED_MS_MAX = 30_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const json = ({ status, body }: CurlAnswer) => ({ status, body: JSON.parse(body) });

describe('with the real engine', () => {
  const gateway = useGateway();
  const ask = async (path: string, ...options: string[]) =>
    json(await curl(`${gateway().url}${BASE}${path}`, ...options));
  const submit = (...fields: string[]) =>
    ask('/jobs', ...[`file=@${SPEECH_PATH}`, ...fields].flatMap((field) => ['-F', field]));
  const ended = (id: string, status: string) =>
    eventually(async () => {
      const answer = await ask(`/jobs/${id}`);
      expect(answer.body.status).toBe(status);
      return answer.body;
    }, ENDED_MS_MAX);

  test('a job from the form to the result', async () => {
    const { status, body } = await submit('whisper_model=tiny-q5_1', 'language=en', 'stemming=true', 'batch_size=8');
    expect(status).toBe(201);
    const { job_id: id } = body;
    const warnings = [/^speakers: /, /^stemming: /, /^batch_size: /].map((pattern) => expect.stringMatching(pattern));
    expect(body).toEqual({ job_id: expect.stringMatching(UUID), status: 'queued', position: 0, warnings });
    const waiting = await ask(`/jobs/${id}/result`);
    expect(waiting).toEqual({
      status: 202,
      body: { detail: expect.stringMatching(/^Job is still (queued|processing)$/) },
    });
    expect(await ended(id, 'completed')).toEqual({ job_id: id, status: 'completed', warnings });

    const result = await ask(`/jobs/${id}/result`);
    expect(result.status).toBe(200);
    expect(result.body.warnings).toEqual(warnings);
    expect(result.body.metadata).toMatchObject({ request_id: id, duration: SPEECH_SECONDS, channels: 1 });
    const [alternative] = result.body.results.channels[0].alternatives;
    expectSpeech(alternative.transcript);
    expect(alternative.words[0]).toMatchObject({ word: 'and', punctuated_word: 'And', start: expect.any(Number) });
    const { utterances } = result.body.results;
    expectSpeech(utterances.map(({ transcript }: { transcript: string }) => transcript).join(' '));
    expect(utterances[0]).toMatchObject({ channel: 0, id: expect.stringMatching(UUID), words: expect.any(Array) });

    expect(await ask(`/jobs/${id}`, '-X', 'DELETE')).toEqual({ status: 200, body: { message: 'Job deleted' } });
    expect(await ask(`/jobs/${id}`)).toEqual({ status: 404, body: { detail: 'Job not found' } });
  });

  test('a file by itself is enough, whatever models there are', async () => {
    const { status, body } = await submit();
    expect(status).toBe(201);
    await ended(body.job_id, 'completed');
  });

  test('what cannot be decoded fails', async () => {
    const { body } = await ask('/jobs', '-F', 'file=@package.json');
    const failed = await ended(body.job_id, 'failed');
    expect(failed.error).toMatch(/\S/);
    expect(await ask(`/jobs/${body.job_id}/result`)).toEqual({
      status: 500,
      body: { detail: `Job failed: ${failed.error}` },
    });
  });

  test('refusals are FastAPI’s', async () => {
    const missing = { type: 'missing', loc: ['body', 'file'], msg: 'Field required', input: null };
    expect(await ask('/jobs', '-F', 'language=en')).toEqual({ status: 422, body: { detail: [missing] } });
    const invalid = await submit('batch_size=many');
    expect(invalid).toMatchObject({ status: 422, body: { detail: [{ loc: ['body', 'batch_size'] }] } });
    expect(await submit('whisper_model=none')).toEqual({
      status: 400,
      body: { detail: expect.stringContaining('none') },
    });
    expect(await ask('/none')).toEqual({ status: 404, body: { detail: 'Not Found' } });
    expect(await ask('/jobs')).toEqual({ status: 405, body: { detail: 'Method Not Allowed' } });
  });
});

describe('with an engine that takes its time, and one job at a time', () => {
  const gateway = useGateway({ ...paced({ speed: 8 }), JOBS_RUNNING_MAX: '1' });
  const url = () => `${gateway().url}${BASE}`;
  const get = async (path: string) => json(await curl(`${url()}${path}`)).body;
  const submit = async (variant: number) => {
    const audio = ffmpeg(['-stream_loop', '7', '-i', SPEECH_PATH, '-af', `volume=${1 - variant / 10}`], 'wav');
    const form = new FormData();
    form.append('file', new Blob([audio]), 'recording.wav');
    const answer = await fetch(`${url()}/jobs`, { method: 'POST', body: form });
    return (await answer.json()) as { job_id: string; position: number };
  };

  test('places in the queue, stages, and deletion at any time', async () => {
    const [first, second, third] = [await submit(1), await submit(2), await submit(3)];
    await eventually(
      async () => expect(await get(`/jobs/${first.job_id}`)).toMatchObject({ status: 'processing' }),
      5000,
    );
    expect(await get('/health')).toEqual({ status: 'healthy', queued_jobs: 2, processing_jobs: 1 });
    expect(await get(`/jobs/${second.job_id}`)).toMatchObject({ status: 'queued', position: 0 });
    expect(await get(`/jobs/${third.job_id}`)).toMatchObject({ status: 'queued', position: 1 });
    await eventually(async () => {
      const { progress, percent } = await get(`/jobs/${first.job_id}`);
      expect(progress).toBe('transcribing');
      expect(percent).toBeGreaterThan(0);
    }, ENDED_MS_MAX);
    for (const { job_id } of [second, first, third]) {
      const deleted = json(await curl(`${url()}/jobs/${job_id}`, '-X', 'DELETE'));
      expect(deleted).toEqual({ status: 200, body: { message: 'Job deleted' } });
    }
    expect(await get('/health')).toEqual({ status: 'healthy', queued_jobs: 0, processing_jobs: 0 });
  });
});
