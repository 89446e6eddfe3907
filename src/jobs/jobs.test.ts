import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../errors.ts';
import { silentLog } from '../lib/log.ts';
import { DIALECT, hang, JobsHouse, RENDERER, START_MS, sha256Of, statusOf } from './job.cases.ts';
import type { DurableJobs } from './jobs.ts';

let house: JobsHouse;
beforeEach(() => {
  house = new JobsHouse();
});
afterEach(async () => {
  await house.close();
});

const ends = (jobs: DurableJobs, id: string, status = 'done') =>
  vi.waitFor(() => expect(statusOf(jobs, id)).toBe(status), { interval: 5 });
const signal = new AbortController().signal;

describe('a job', () => {
  test('is accepted as queued, done in its time, and its receiver is told', async () => {
    const jobs = house.open();
    const { job, isRepeat } = await jobs.accept(house.job('one'));
    expect(isRepeat).toBe(false);
    expect(job).toEqual({
      ...{ id: 'one', dialect: DIALECT, filename: 'a.wav', eachChannel: false, details: { answer: 42 } },
      ...{ webhook: { url: 'http://me:secret@receiver/hook?key=k', method: 'POST' } },
      transcription: expect.objectContaining({ model: 'tiny', cache: 'use' }),
      source: { sha256: sha256Of('sound of one'), bytes: 12 },
      ...{ status: 'queued', model: null, language: null, durationMs: null, error: null, measurements: null },
      progress: { percent: 0, chunk: 0, chunksTotal: null },
      delivery: { state: 'pending', atMs: null, error: null },
      ...{ createdAtMs: START_MS, startedAtMs: null, endedAtMs: null, position: 1, estimatedWaitMs: null },
    });
    await ends(jobs, 'one');
    expect(jobs.find(DIALECT, 'one')).toMatchObject({
      ...{ model: 'tiny', language: 'en', durationMs: 1000, startedAtMs: START_MS, endedAtMs: START_MS },
      ...{ progress: { percent: 100 }, position: null, estimatedWaitMs: null },
    });
    expect(jobs.transcripts(DIALECT, 'one')).toMatchObject([{ segments: [{ text: ' sound of one' }] }]);
    await vi.waitFor(() => expect(house.outbox.sent).toHaveLength(1));
    expect(house.outbox.sent).toEqual([
      {
        ...{ id: 'one', url: 'http://me:secret@receiver/hook?key=k', method: 'POST', quickRetriesMs: [1000, 2000] },
        body: '{"id":"one","status":"done","error":null,"texts":["sound of one"]}',
      },
    ]);
    expect(house.released).toBe(1);
    await vi.waitFor(() => expect(house.audio()).toEqual([]));
  });

  test('is another dialect’s and nobody else’s', async () => {
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await ends(jobs, 'one');
    expect(jobs.find('other', 'one')).toBeUndefined();
    expect(jobs.transcripts('other', 'one')).toBeUndefined();
    expect(jobs.list('other', { limit: 10, offset: 0 })).toEqual({ jobs: [], total: 0 });
    await expect(jobs.cancel('other', 'one')).rejects.toMatchObject({ code: 'job-unknown' });
    await expect(jobs.remove('other', 'one')).rejects.toMatchObject({ code: 'job-unknown' });
    await expect(jobs.watch('other', 'one', { signal }).next()).rejects.toMatchObject({ code: 'job-unknown' });
  });

  test('of each channel has a transcript for each', async () => {
    house.transcriber.story = async function* ({ request }) {
      yield { type: 'progress', fraction: 0.5, chunk: 2, chunksTotal: 4 };
      return `channel ${request.channel}`;
    };
    const jobs = house.open();
    await jobs.accept(house.job('one', { eachChannel: true }));
    await ends(jobs, 'one');
    const texts = jobs.transcripts(DIALECT, 'one')?.map(({ segments }) => segments[0]?.text);
    expect(texts).toEqual([' channel 0', ' channel 1']);
    expect(jobs.find(DIALECT, 'one')?.progress).toEqual({ percent: 100, chunk: 8, chunksTotal: 8 });
  });

  test('one channel that fails ends the others, and the job with its error', async () => {
    house.transcriber.story = async function* (run) {
      if (run.request.channel === 0) throw new GatewayError('audio-undecodable', 'No.', { field: 'file' });
      return hang(run);
    };
    const jobs = house.open();
    await jobs.accept(house.job('one', { eachChannel: true }));
    await ends(jobs, 'one', 'failed');
    const { error } = jobs.find(DIALECT, 'one') ?? {};
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ code: 'audio-undecodable', message: 'No.', field: 'file', status: 400 });
    expect(house.transcriber.recordingsHeld).toBe(0);
    await vi.waitFor(() => expect(house.outbox.sent).toMatchObject([{ body: expect.stringContaining('audio-undec') }]));
  });

  test('without a webhook tells nobody', async () => {
    const jobs = house.open();
    await jobs.accept(house.job('one', { webhook: null }));
    await ends(jobs, 'one');
    expect(jobs.find(DIALECT, 'one')?.delivery).toEqual({ state: 'none', atMs: null, error: null });
    await jobs.stop();
    expect(house.outbox.sent).toEqual([]);
  });

  test('is measured by its dialect, whose bugs cost it nothing', async () => {
    let end = () => ({ gpu: 7 }) as unknown;
    house.renderer = { ...RENDERER, measure: () => () => end() };
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await ends(jobs, 'one');
    expect(jobs.find(DIALECT, 'one')?.measurements).toEqual({ gpu: 7 });
    end = () => {
      throw new TypeError('oops');
    };
    await jobs.accept(house.job('two'));
    await ends(jobs, 'two');
    expect(jobs.find(DIALECT, 'two')?.measurements).toBeNull();
  });

  test('a bug fails it as one, and is logged', async () => {
    const logged = vi.spyOn(silentLog, 'error');
    house.transcriber.story = async function* () {
      throw new TypeError('secret');
    };
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await ends(jobs, 'one', 'failed');
    expect(jobs.find(DIALECT, 'one')?.error).toMatchObject({ code: 'internal' });
    expect(jobs.find(DIALECT, 'one')?.error?.message).not.toContain('secret');
    expect(logged).toHaveBeenCalledWith(expect.objectContaining({ job: 'one' }), 'bug');
    logged.mockRestore();
  });
});
