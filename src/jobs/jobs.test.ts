import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../errors.ts';
import { settle } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { DIALECT, FakeTranscriber, hang, JobsHouse, RENDERER, START_MS, sha256Of, statusOf } from './job.cases.ts';
import type { JobEvent } from './job.ts';
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
    house.transcriber.story = async ({ request, progress }) => {
      progress(0.5, 2, 4);
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
    house.transcriber.story = async (run) => {
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
    house.transcriber.story = async () => {
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

describe('what a caller asks twice', () => {
  const key = { idempotencyKey: 'k', audio: 'sound' };

  test('under one key is one job, before its end and after it', async () => {
    const jobs = house.open();
    await jobs.accept(house.job('one', key));
    const again = await jobs.accept(house.job('two', key));
    expect(again).toMatchObject({ isRepeat: true, job: { id: 'one' } });
    await ends(jobs, 'one');
    expect(await jobs.accept(house.job('three', key))).toMatchObject({ isRepeat: true, job: { status: 'done' } });
    expect(jobs.counts(DIALECT)).toEqual({ queued: 0, running: 0, done: 1, failed: 0, cancelled: 0 });
    expect(house.released).toBe(3);
    expect(house.transcriber.runs).toHaveLength(1);
  });

  test('at the same time is one job, too', async () => {
    const jobs = house.open();
    const both = await Promise.all([jobs.accept(house.job('one', key)), jobs.accept(house.job('two', key))]);
    expect(both.map(({ isRepeat }) => isRepeat).toSorted()).toEqual([false, true]);
    expect(both[0]?.job.id).toBe(both[1]?.job.id);
    await ends(jobs, both[0]?.job.id ?? '');
    await vi.waitFor(() => expect(house.audio()).toEqual([]));
  });

  test('is found after a restart, and even where there is no room', async () => {
    house.transcriber.story = hang;
    const first = house.open();
    await first.accept(house.job('one', key));
    await first.stop();
    const second = house.open({ JOBS_WAITING_MAX: '1' });
    expect(await second.accept(house.job('two', key))).toMatchObject({ isRepeat: true, job: { id: 'one' } });
    await expect(second.accept(house.job('two'))).rejects.toMatchObject({ code: 'queue-full' });
  });

  test('with another key, of another caller, or of another dialect is another job', async () => {
    const jobs = house.open();
    const one = house.job('one', key);
    await jobs.accept(one);
    const transcription = { ...one.transcription, caller: 'another' };
    for (const other of [
      house.job('two', { ...key, idempotencyKey: 'l' }),
      house.job('three', { ...key, idempotencyKey: null }),
      house.job('four', { ...key, transcription }),
      house.job('five', { ...key, dialect: 'other' }),
    ])
      expect(await jobs.accept(other)).toMatchObject({ isRepeat: false });
  });

  test.each([
    ['audio', { audio: 'another sound' }],
    ['URL', { url: 'http://media/' }],
    ['model', { model: 'large' }],
    ['details', { details: { answer: 43 } }],
    ['channels', { eachChannel: true }],
    ['webhook', { webhook: null }],
  ])('under one key with another %s is refused', async (_what, change) => {
    house.transcriber.story = hang;
    const jobs = house.open();
    await jobs.accept(house.job('one', key));
    await expect(jobs.accept(house.job('two', { ...key, ...change }))).rejects.toMatchObject({
      code: 'idempotency-key-reused',
    });
    expect(jobs.find(DIALECT, 'two')).toBeUndefined();
    expect(house.audio()).toEqual([sha256Of('sound')]);
  });

  test('is another job once the first is forgotten', async () => {
    const jobs = house.open({ JOB_RETENTION_SECONDS: '100' });
    await jobs.accept(house.job('one', key));
    await vi.waitFor(() => expect(house.outbox.sent).toHaveLength(1));
    await house.clock.advance(100_000);
    expect(await jobs.accept(house.job('two', key))).toMatchObject({ isRepeat: false });
  });
});

describe('order', () => {
  const order = () => house.transcriber.runs.map(({ audio }) => audio.replace('sound of ', ''));

  test('is by age and rank: a large model’s job waits for small ones, but not for ever', async () => {
    const jobs = house.openIdle();
    await jobs.accept(house.job('large', { model: 'large' }));
    await jobs.accept(house.job('small'));
    // Four ranks at 30 s each.
    await house.clock.advance(119_999);
    await jobs.accept(house.job('in-time'));
    await house.clock.advance(2);
    await jobs.accept(house.job('too-late'));
    const positions = ['small', 'in-time', 'large', 'too-late'].map((id) => jobs.find(DIALECT, id)?.position);
    expect(positions).toEqual([1, 2, 3, 4]);
    await jobs.stop();
    await ends(house.open({ JOBS_RUNNING_MAX: '1' }), 'too-late');
    expect(order()).toEqual(['small', 'in-time', 'large', 'too-late']);
  });

  test('of equals is first come, first served, over a restart too', async () => {
    const first = house.openIdle();
    for (const id of ['a', 'c', 'b']) await first.accept(house.job(id));
    await first.stop();
    const second = house.open({ JOBS_RUNNING_MAX: '1' });
    await ends(second, 'b');
    expect(order()).toEqual(['a', 'c', 'b']);
  });

  test('does not hold against a job that it was accepted before the time was set back', async () => {
    const first = house.openIdle();
    for (const id of ['a', 'b']) await first.accept(house.job(id));
    await first.stop();
    house.passWhileDown(-86_400_000);
    const second = house.openIdle();
    second.resume();
    await house.clock.advance(1);
    await second.accept(house.job('c'));
    expect(['a', 'b', 'c'].map((id) => second.find(DIALECT, id)?.position)).toEqual([1, 2, 3]);
  });

  test('lets so many run at a time, and says when the others will', async () => {
    const running: (() => void)[] = [];
    house.transcriber.story = (run) => {
      const over = new Promise<string>((resolve) => running.push(() => resolve(run.audio)));
      return Promise.race([over, hang(run)]);
    };
    const jobs = house.open({ JOBS_RUNNING_MAX: '2' });
    for (const id of ['a', 'b', 'c', 'd', 'e']) await jobs.accept(house.job(id));
    await vi.waitFor(() => expect(running).toHaveLength(2));
    expect(jobs.find(DIALECT, 'e')).toMatchObject({ status: 'queued', position: 3, estimatedWaitMs: null });
    await house.clock.advance(8000);
    running[0]?.();
    await vi.waitFor(() => expect(running).toHaveLength(3));
    expect(jobs.list(DIALECT, { limit: 9, offset: 0 }).jobs.map(({ estimatedWaitMs }) => estimatedWaitMs)).toEqual([
      ...[8000, 8000, null, null, null],
    ]);
    expect(jobs.counts(DIALECT)).toEqual({ queued: 2, running: 2, done: 1, failed: 0, cancelled: 0 });
    // How long jobs take is known at the next start.
    await jobs.stop();
    const next = house.openIdle({ JOBS_RUNNING_MAX: '1' });
    await next.accept(house.job('f'));
    await next.accept(house.job('g'));
    expect(next.find(DIALECT, 'g')?.estimatedWaitMs).toBe(8000);
  });
});

describe('looking', () => {
  test('lists the latest first, in pages, by status', async () => {
    house.transcriber.story = async ({ audio }) => {
      if (audio === 'bad') throw new GatewayError('audio-undecodable', 'No.');
      return audio;
    };
    const jobs = house.open();
    for (let index = 0; index < 5; index += 1) {
      await jobs.accept(house.job(`j${index}`, index % 2 === 0 ? { audio: 'bad' } : {}));
    }
    await ends(jobs, 'j4', 'failed');
    await ends(jobs, 'j3');
    const ids = (filter: Parameters<DurableJobs['list']>[1]) => {
      const { jobs: page, total } = jobs.list(DIALECT, filter);
      return [total, ...page.map(({ id }) => id)];
    };
    expect(ids({ limit: 2, offset: 0 })).toEqual([5, 'j4', 'j3']);
    expect(ids({ limit: 2, offset: 4 })).toEqual([5, 'j0']);
    expect(ids({ limit: 9, offset: 1, status: 'failed' })).toEqual([3, 'j2', 'j0']);
    expect(ids({ limit: 9, offset: 0, status: 'queued' })).toEqual([0]);
  });
});

describe('watching', () => {
  const watch = (jobs: DurableJobs, id: string, afterSequence?: number, until: AbortSignal = signal) =>
    jobs.watch(DIALECT, id, { signal: until, ...(afterSequence !== undefined && { afterSequence }) });
  const next = async (events: AsyncGenerator<JobEvent>) => (await events.next()).value as JobEvent;

  test('tells the state, every change, and the end', async () => {
    let progress: (fraction: number, chunk: number, chunksTotal: number) => void = () => {};
    const over = Promise.withResolvers<string>();
    house.transcriber.story = (run) => {
      progress = run.progress;
      return over.promise;
    };
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    const events = watch(jobs, 'one');
    const first = await next(events);
    expect(first).toMatchObject({ type: 'progress', percent: 0, chunk: 0, chunksTotal: null });
    await vi.waitFor(() => expect(house.transcriber.runs).toHaveLength(1));
    progress(0.259, 1, 4);
    const second = await next(events);
    expect(second).toMatchObject({ type: 'progress', percent: 25, chunk: 1, chunksTotal: 4 });
    expect(second.type === 'progress' && first.type === 'progress' && second.sequence > first.sequence).toBe(true);
    expect(jobs.find(DIALECT, 'one')?.progress).toEqual({ percent: 25, chunk: 1, chunksTotal: 4 });
    const end = next(events);
    over.resolve('text');
    expect(await end).toMatchObject({ type: 'ended', job: { id: 'one', status: 'done' } });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  test('opened late tells the end at once', async () => {
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await ends(jobs, 'one');
    expect(await next(watch(jobs, 'one', 10 ** 9))).toMatchObject({ type: 'ended' });
  });

  test('leaves out what was known before, over runs and restarts', async () => {
    house.transcriber.story = async (run) => {
      run.progress(0.5, 1, 2);
      run.chunk('a');
      return hang(run);
    };
    const first = house.open();
    await first.accept(house.job('one'));
    await vi.waitFor(() => expect(first.find(DIALECT, 'one')?.progress.percent).toBe(50));
    const seen = await next(watch(first, 'one'));
    const sequence = seen.type === 'progress' ? seen.sequence : 0;
    const again = watch(first, 'one', sequence);
    const nothing = again.next();
    await first.stop();
    expect(await nothing).toEqual({ done: true, value: undefined });

    house.transcriber.story = async (run) => {
      run.progress(0.1, 0, 2);
      run.progress(0.75, 2, 2);
      return hang(run);
    };
    const second = house.open();
    const more = await next(watch(second, 'one', sequence));
    // Never less than before.
    expect(more).toMatchObject({ percent: expect.toSatisfy((percent: number) => percent >= 50) });
    expect(more.type === 'progress' && more.sequence > sequence).toBe(true);
  });

  test('a slow reader misses progress, never the end', async () => {
    house.transcriber.story = async ({ progress, audio }) => {
      for (let done = 1; done <= 50; done += 1) progress(done / 50, done, 50);
      return audio;
    };
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    const events = watch(jobs, 'one');
    await next(events);
    await ends(jobs, 'one');
    expect(await next(events)).toMatchObject({ type: 'ended' });
  });

  test('ends without an end when its reader leaves, or the job is removed', async () => {
    house.transcriber.story = hang;
    const jobs = house.open();
    await jobs.accept(house.job('one', { webhook: null }));
    const reader = new AbortController();
    const left = watch(jobs, 'one', undefined, reader.signal);
    await next(left);
    const leaving = left.next();
    reader.abort();
    expect(await leaving).toEqual({ done: true, value: undefined });
    expect(await watch(jobs, 'one', undefined, reader.signal).next()).toEqual({ done: true, value: undefined });

    const stays = watch(jobs, 'one');
    await next(stays);
    const end = next(stays);
    await jobs.remove(DIALECT, 'one');
    expect(await end).toMatchObject({ type: 'ended', job: { status: 'cancelled' } });
    await expect(watch(jobs, 'one').next()).rejects.toMatchObject({ code: 'job-unknown' });
  });
});

describe('cancelling', () => {
  test('a job that waits ends it at once, and its receiver is told', async () => {
    house.transcriber.story = hang;
    const jobs = house.open({ JOBS_RUNNING_MAX: '1' });
    await jobs.accept(house.job('one'));
    await jobs.accept(house.job('two'));
    expect(await jobs.cancel(DIALECT, 'two')).toMatchObject({ status: 'cancelled', startedAtMs: null, position: null });
    await vi.waitFor(() => expect(house.audio()).toEqual([sha256Of('sound of one')]));
    await vi.waitFor(() => expect(house.outbox.sent).toMatchObject([{ id: 'two' }]));
    expect(JSON.parse(house.outbox.sent[0]?.body ?? '')).toMatchObject({ status: 'cancelled', texts: [] });
    await expect(jobs.cancel(DIALECT, 'two')).rejects.toMatchObject({ code: 'job-ended' });
  });

  test('one that runs resolves when the run has let go, and makes room for the next', async () => {
    const letGo = Promise.withResolvers<void>();
    house.transcriber.story = async (run) => {
      if (run.audio !== 'sound of one') return run.audio;
      await hang(run).catch(() => letGo.promise);
      throw run.signal.reason;
    };
    const jobs = house.open({ JOBS_RUNNING_MAX: '1' });
    await jobs.accept(house.job('one'));
    await jobs.accept(house.job('two'));
    await vi.waitFor(() => expect(house.transcriber.runs).toHaveLength(1));
    let isCancelled = false;
    const cancelled = jobs.cancel(DIALECT, 'one').then(() => (isCancelled = true));
    expect(statusOf(jobs, 'one')).toBe('cancelled');
    await house.clock.advance(0);
    expect(isCancelled).toBe(false);
    // The run may still read it.
    expect(house.audio()).toContain(sha256Of('sound of one'));
    letGo.resolve();
    await cancelled;
    await ends(jobs, 'two');
    expect(statusOf(jobs, 'one')).toBe('cancelled');
    expect(house.transcriber.recordingsHeld).toBe(0);
    await vi.waitFor(() => expect(house.audio()).toEqual([]));
  });

  test('one that finishes at that moment leaves one end of the two', async () => {
    const finish = Promise.withResolvers<string>();
    house.transcriber.story = () => finish.promise;
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await vi.waitFor(() => expect(house.transcriber.runs).toHaveLength(1));
    finish.resolve('text');
    const cancelled = jobs.cancel(DIALECT, 'one');
    expect(await cancelled).toMatchObject({ status: 'cancelled' });
    expect(jobs.transcripts(DIALECT, 'one')).toBeUndefined();
    expect(house.outbox.sent.filter(({ id }) => id === 'one').length).toBeLessThanOrEqual(1);
  });

  test('while its recording is fetched keeps nothing of it', async () => {
    const fetching = Promise.withResolvers<void>();
    house.transcriber.fetch = async () => {
      await fetching.promise;
      return house.recording('remote');
    };
    const jobs = house.open();
    await jobs.accept(house.job('one', { url: 'http://media/' }));
    const cancelled = jobs.cancel(DIALECT, 'one');
    fetching.resolve();
    await cancelled;
    expect(house.released).toBe(1);
    await vi.waitFor(() => expect(house.audio()).toEqual([]));
    expect(house.transcriber.runs).toEqual([]);
  });

  test('and forgetting is one call; what is forgotten is gone', async () => {
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await ends(jobs, 'one');
    await jobs.remove(DIALECT, 'one');
    expect(jobs.find(DIALECT, 'one')).toBeUndefined();
    expect(jobs.transcripts(DIALECT, 'one')).toBeUndefined();
    expect(house.outbox.sent).toHaveLength(1);
    house.transcriber.story = hang;
    await jobs.accept(house.job('two'));
    await jobs.remove(DIALECT, 'two');
    expect(house.outbox.sent).toMatchObject([{}, { id: 'two', body: expect.stringContaining('cancelled') }]);
    await expect(jobs.remove(DIALECT, 'two')).rejects.toMatchObject({ code: 'job-unknown' });
  });
});

describe('a failure', () => {
  const fails = (times: number, error: () => Error) => {
    let left = times;
    house.transcriber.story = async ({ audio }) => {
      if (left-- > 0) throw error();
      return audio;
    };
  };
  const rests = (jobs: DurableJobs, id: string, runs: number) =>
    vi.waitFor(() => {
      expect(house.transcriber.runs).toHaveLength(runs);
      expect(statusOf(jobs, id)).toBe('queued');
    });

  test('that may pass is waited out, while others go on', async () => {
    house.transcriber.story = async ({ audio }) => {
      if (audio === 'bad' && house.transcriber.runs.length === 1) {
        throw new GatewayError('model-not-ready', 'Fetching.', { retryAfterSeconds: 7 });
      }
      return audio;
    };
    const jobs = house.open({ JOBS_RUNNING_MAX: '1' });
    await jobs.accept(house.job('one', { audio: 'bad' }));
    await rests(jobs, 'one', 1);
    expect(jobs.find(DIALECT, 'one')).toMatchObject({ position: 1, startedAtMs: null });
    await jobs.accept(house.job('two'));
    await ends(jobs, 'two');
    await house.clock.advance(6999);
    expect(statusOf(jobs, 'one')).toBe('queued');
    await house.clock.advance(1);
    await ends(jobs, 'one');
  });

  test.each(['model-not-ready', 'gpu-memory-short', 'queue-full', 'disk-full'] as const)(
    '%s is waited out for JOB_SECONDS_MAX, and then is the end',
    async (code) => {
      fails(Number.POSITIVE_INFINITY, () => new GatewayError(code, 'Not yet.'));
      const jobs = house.open({ JOB_SECONDS_MAX: '3600' });
      await jobs.accept(house.job('one'));
      await rests(jobs, 'one', 1);
      await vi.waitFor(
        async () => {
          await house.clock.advance(60_000);
          expect(statusOf(jobs, 'one')).toBe('failed');
        },
        { interval: 1, timeout: 5000 },
      );
      const { error, createdAtMs, endedAtMs } = jobs.find(DIALECT, 'one') ?? expect.fail();
      expect(error?.code).toBe(code);
      expect((endedAtMs ?? 0) - createdAtMs).toBeGreaterThanOrEqual(3_600_000);
      expect(house.transcriber.runs.length).toBeGreaterThan(20);
    },
  );

  test.each([
    ['of the engine', new GatewayError('engine-failed', 'Down.')],
    ['of the engine’s time', new GatewayError('engine-timeout', 'Late.')],
    [
      'of the server of a URL',
      new GatewayError('url-unreachable', 'No.', { remoteFault: { kind: 'server-error', status: '503 x' } }),
    ],
  ])('%s is tried a few times', async (_what, error) => {
    fails(Number.POSITIVE_INFINITY, () => error);
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await vi.waitFor(
      async () => {
        await house.clock.advance(60_000);
        expect(statusOf(jobs, 'one')).toBe('failed');
      },
      { interval: 1 },
    );
    expect(house.transcriber.runs).toHaveLength(6);
    expect(jobs.find(DIALECT, 'one')?.error).toMatchObject({ code: error.code, remoteFault: error.remoteFault });
  });

  test('of an engine that still gets further each time is not counted', async () => {
    house.transcriber.story = async ({ chunk, audio }) => {
      for (let index = 0; index < 10; index += 1) {
        if (chunk(`c${index}`)) throw new GatewayError('engine-failed', 'Down.');
      }
      return audio;
    };
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await vi.waitFor(
      async () => {
        await house.clock.advance(60_000);
        expect(statusOf(jobs, 'one')).toBe('done');
      },
      { interval: 1 },
    );
    expect(house.transcriber.chunksRun).toHaveLength(10);
  });

  test('is counted over restarts', async () => {
    fails(Number.POSITIVE_INFINITY, () => new GatewayError('engine-failed', 'Down.'));
    let jobs = house.open();
    await jobs.accept(house.job('one'));
    for (let start = 1; start <= 5; start += 1) {
      await rests(jobs, 'one', start);
      await jobs.stop();
      jobs = house.open();
    }
    await ends(jobs, 'one', 'failed');
  });

  test.each([
    new GatewayError('audio-undecodable', 'No.'),
    new GatewayError('model-unknown', 'No.', { field: 'model' }),
    new GatewayError('url-unreachable', 'No.', { remoteFault: { kind: 'client-error', status: '404 Not Found' } }),
  ])('$code ends it at once, with all that was said', async (error) => {
    fails(1, () => error);
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await ends(jobs, 'one', 'failed');
    const kept = jobs.find(DIALECT, 'one')?.error;
    expect(kept).toBeInstanceOf(GatewayError);
    expect({ ...kept, message: kept?.message }).toEqual({ ...error, message: error.message });
  });
});

describe('a URL', () => {
  test('is fetched when its turn comes, and once', async () => {
    house.transcriber.fetch = async (url) => {
      house.transcriber.fetched.push(url);
      return house.recording('remote');
    };
    house.transcriber.story = hang;
    const idle = house.openIdle();
    await idle.accept(house.job('one', { url: 'http://media/' }));
    expect(house.transcriber.fetched).toEqual([]);
    await idle.stop();
    const first = house.open();
    await vi.waitFor(() => expect(house.transcriber.runs).toHaveLength(1));
    expect(first.find(DIALECT, 'one')?.source).toEqual({ url: 'http://media/', sha256: sha256Of('remote') });
    expect(house.released).toBe(1);
    await first.stop();

    house.transcriber.story = async ({ audio }) => audio;
    const second = house.open();
    await ends(second, 'one');
    expect(house.transcriber.fetched).toEqual(['http://media/']);
    expect(second.transcripts(DIALECT, 'one')).toMatchObject([{ segments: [{ text: ' remote' }] }]);
    await vi.waitFor(() => expect(house.audio()).toEqual([]));
  });

  test('that cannot be fetched is told of as what it is', async () => {
    house.transcriber.fetch = async () => {
      throw new GatewayError('url-forbidden', 'No.');
    };
    const jobs = house.open();
    await jobs.accept(house.job('one', { url: 'http://media/' }));
    await ends(jobs, 'one', 'failed');
    expect(jobs.find(DIALECT, 'one')?.error?.code).toBe('url-forbidden');
  });
});

describe('the recordings', () => {
  test('of one content are one file, until the last job that needs it', async () => {
    const running: (() => void)[] = [];
    house.transcriber.story = (run) => {
      const over = new Promise<string>((resolve) => running.push(() => resolve(run.audio)));
      return Promise.race([over, hang(run)]);
    };
    const jobs = house.open();
    for (const id of ['one', 'two']) await jobs.accept(house.job(id, { audio: 'same' }));
    await vi.waitFor(() => expect(running).toHaveLength(2));
    expect(house.audio()).toEqual([sha256Of('same')]);
    running[0]?.();
    await ends(jobs, 'one');
    expect(house.audio()).toEqual([sha256Of('same')]);
    running[1]?.();
    await ends(jobs, 'two');
    await vi.waitFor(() => expect(house.audio()).toEqual([]));
  });

  test('that come again while the last job with them ends are there', async () => {
    const jobs = house.open();
    for (let round = 0; round < 20; round += 1) {
      const accepted = [0, 1].map((index) => jobs.accept(house.job(`j${round}-${index}`, { audio: 'same' })));
      await Promise.all(accepted);
    }
    for (let round = 0; round < 20; round += 1) for (const index of [0, 1]) await ends(jobs, `j${round}-${index}`);
    await vi.waitFor(() => expect(house.audio()).toEqual([]));
  });

  test('that are gone at the start end their jobs; what a URL held is fetched again', async () => {
    house.transcriber.story = hang;
    house.transcriber.fetch = async () => house.recording('remote');
    const first = house.open();
    await first.accept(house.job('one'));
    await first.accept(house.job('two', { url: 'http://media/' }));
    await vi.waitFor(() => expect(house.transcriber.runs).toHaveLength(2));
    await first.stop();
    for (const name of house.audio()) rmSync(join(house.directory, 'jobs', 'audio', name));
    house.transcriber.story = async ({ audio }) => audio;
    const second = house.open();
    expect(second.find(DIALECT, 'one')).toMatchObject({ status: 'failed', error: { code: 'internal' } });
    await ends(second, 'two');
    await vi.waitFor(() => expect(house.outbox.sent).toHaveLength(2));
  });
});

describe('a webhook', () => {
  const delivery = (jobs: DurableJobs, id: string) => jobs.find(DIALECT, id)?.delivery;

  test('is followed to its delivery, or to its failure', async () => {
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await jobs.accept(house.job('two'));
    await vi.waitFor(() => expect(house.outbox.sent).toHaveLength(2));
    expect(delivery(jobs, 'one')).toEqual({ state: 'pending', atMs: null, error: null });
    house.outbox.kept.set('one', { failedAtMs: null, lastError: 'The receiver answered 503.' });
    expect(delivery(jobs, 'one')).toEqual({ state: 'pending', atMs: null, error: 'The receiver answered 503.' });
    house.outbox.tell({ id: 'one', atMs: START_MS + 5, error: null });
    house.outbox.tell({ id: 'two', atMs: START_MS + 6, error: 'The receiver answered 410 Gone.' });
    expect(delivery(jobs, 'one')).toEqual({ state: 'delivered', atMs: START_MS + 5, error: null });
    expect(delivery(jobs, 'two')).toEqual({
      state: 'failed',
      atMs: START_MS + 6,
      error: 'The receiver answered 410 Gone.',
    });
    house.outbox.tell({ id: 'not a job', atMs: START_MS, error: null });
  });

  test('whose outcome nobody was there to note is known at the next start', async () => {
    const first = house.open();
    for (const id of ['delivered', 'failed', 'pending']) await first.accept(house.job(id));
    await vi.waitFor(() => expect(house.outbox.sent).toHaveLength(3));
    await first.stop();
    house.outbox.kept.delete('delivered');
    house.outbox.kept.set('failed', { failedAtMs: START_MS + 9, lastError: 'No.' });
    const second = house.open();
    expect(delivery(second, 'delivered')).toMatchObject({ state: 'delivered' });
    expect(delivery(second, 'failed')).toEqual({ state: 'failed', atMs: START_MS + 9, error: 'No.' });
    expect(delivery(second, 'pending')).toMatchObject({ state: 'pending' });
    expect(house.outbox.sent).toHaveLength(3);
  });

  test('waits for an outbox that is full', async () => {
    house.outbox.failure = () => new GatewayError('queue-full', 'Full.');
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await ends(jobs, 'one');
    await house.clock.advance(30_000);
    expect(jobs.webhookStatus()).toMatchObject({ pending: 1, failed: 0 });
    house.outbox.failure = () => undefined;
    await house.clock.advance(30_000);
    await vi.waitFor(() => expect(house.outbox.sent).toHaveLength(1));
    expect(jobs.webhookStatus()).toMatchObject({ pending: 0, failed: 0 });
  });

  test('that waits for the end of its job is counted, those of running jobs among them', async () => {
    house.transcriber.story = hang;
    const jobs = house.open({ JOBS_RUNNING_MAX: '2' });
    await jobs.accept(house.job('quiet', { webhook: null }));
    for (const id of ['one', 'two']) await jobs.accept(house.job(id));
    expect(jobs.webhookStatus()).toEqual({ pending: 2, running: 1, failed: 0, failures: [] });
  });

  test('of many jobs, each after a turn of everything else', async () => {
    house.outbox.failure = () => new GatewayError('queue-full', 'Full.');
    const ids = ['one', 'two', 'three'];
    const first = house.open();
    for (const id of ids) await first.accept(house.job(id));
    for (const id of ids) await ends(first, id);
    await first.stop();
    house.outbox.failure = () => undefined;
    house.open();
    const sentByTurn = [];
    for (let turn = 0; turn < 3; turn += 1) {
      await settle();
      sentByTurn.push(house.outbox.sent.length);
    }
    expect(sentByTurn[1]).toBeLessThan(3);
    await vi.waitFor(() => expect(house.outbox.sent).toHaveLength(3));
  });

  test('that the outbox cannot take yet keeps its job from being forgotten', async () => {
    house.outbox.failure = () => new GatewayError('disk-full', 'Full.');
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await ends(jobs, 'one');
    await jobs.remove(DIALECT, 'one');
    house.outbox.failure = () => undefined;
    await house.clock.advance(30_000);
    await vi.waitFor(() => expect(house.outbox.sent).toHaveLength(1));
    await jobs.remove(DIALECT, 'one');
    expect(statusOf(jobs, 'one')).toBeUndefined();
  });

  test('that would be too large says so', async () => {
    house.outbox.failure = (body) =>
      body.includes('sound') ? new GatewayError('body-too-large', 'Too large.') : undefined;
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await vi.waitFor(() => expect(house.outbox.sent).toHaveLength(1));
    expect(JSON.parse(house.outbox.sent[0]?.body ?? '')).toMatchObject({ status: 'failed', error: 'body-too-large' });
    expect(statusOf(jobs, 'one')).toBe('done');
  });

  test('whose URL is forbidden by now, or that nobody can write, is given up and can be seen', async () => {
    house.outbox.failure = () => new GatewayError('url-forbidden', 'Not there.');
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await jobs.accept(house.job('two', { dialect: 'gone' }));
    await vi.waitFor(() => expect(jobs.webhookStatus().failed).toBe(2));
    expect(delivery(jobs, 'one')).toMatchObject({ state: 'failed', error: 'Not there.' });
    expect(jobs.webhookStatus()).toMatchObject({
      pending: 0,
      failures: [
        { id: 'two', url: 'http://receiver/hook', reason: "Nobody answers for 'gone'." },
        { id: 'one', url: 'http://receiver/hook', reason: 'Not there.' },
      ],
    });
  });

  test('that is forbidden is refused at once where one asks', () => {
    expect(() => house.open().checkWebhook('http://10.0.0.1/')).toThrow(
      expect.objectContaining({ code: 'url-forbidden' }),
    );
  });

  test('of every job that is kept may be told other news', async () => {
    const jobs = house.open();
    const at = (url: string) => ({ webhook: { url, method: 'POST' as const } });
    await jobs.accept(house.job('one', at('http://a/')));
    await jobs.accept(house.job('two', at('http://a/')));
    await jobs.accept(house.job('three', at('http://b/')));
    await jobs.accept(house.job('four', { ...at('http://c/'), dialect: 'other' }));
    await jobs.accept(house.job('five', { webhook: null }));
    expect(jobs.webhookUrls(DIALECT).toSorted()).toEqual(['http://a/', 'http://b/']);
  });
});

describe('bounds', () => {
  const full = { code: 'queue-full', retryAfterSeconds: 5 };

  test('of the number, those that run and those that arrive included', async () => {
    house.transcriber.story = hang;
    const jobs = house.open({ JOBS_WAITING_MAX: '2', JOBS_RUNNING_MAX: '1' });
    const arriving = ['one', 'two', 'three'].map((id) => jobs.accept(house.job(id)));
    const outcomes = await Promise.allSettled(arriving);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(outcomes[2]).toMatchObject({ reason: full });
    expect(house.released).toBe(3);
    expect(house.audio()).toHaveLength(2);
  });

  test('of the bytes, over restarts; what ends makes room', async () => {
    house.transcriber.story = hang;
    const settings = { JOB_BYTES_MAX: '20' };
    const first = house.open(settings);
    await first.accept(house.job('one', { audio: 'x'.repeat(15) }));
    await expect(first.accept(house.job('two', { audio: 'y'.repeat(6) }))).rejects.toMatchObject(full);
    await first.accept(house.job('same', { audio: 'x'.repeat(15) }));
    await expect(first.accept(house.job('never', { audio: 'z'.repeat(21) }))).rejects.toMatchObject({
      code: 'body-too-large',
    });
    await first.stop();
    const second = house.open(settings);
    await expect(second.accept(house.job('two', { audio: 'y'.repeat(6) }))).rejects.toMatchObject(full);
    await second.cancel(DIALECT, 'one');
    await second.cancel(DIALECT, 'same');
    await second.accept(house.job('two', { audio: 'y'.repeat(6) }));
  });

  test('of what ended: by time, and by number, the oldest first', async () => {
    const jobs = house.open({ JOB_RETENTION_SECONDS: '1000', JOBS_KEPT_MAX: '2' });
    for (const id of ['one', 'two', 'three']) {
      await jobs.accept(house.job(id, { webhook: null }));
      await ends(jobs, id);
      await house.clock.advance(1000);
    }
    expect(statusOf(jobs, 'one')).toBeUndefined();
    expect(jobs.counts(DIALECT).done).toBe(2);
    await house.clock.advance(1_000_000 - 2001);
    expect(jobs.counts(DIALECT).done).toBe(2);
    await house.clock.advance(1);
    expect(statusOf(jobs, 'two')).toBeUndefined();
    await house.clock.advance(1000);
    expect(jobs.counts(DIALECT).done).toBe(0);
    expect(house.clock.pendingCount).toBe(0);
  });

  test('of no time at all: whoever watches has the transcript', async () => {
    const jobs = house.open({ JOB_RETENTION_SECONDS: '0' });
    const go = Promise.withResolvers<void>();
    house.transcriber.story = ({ audio }) => go.promise.then(() => audio);
    await jobs.accept(house.job('one', { webhook: null }));
    const read = async () => {
      for await (const event of jobs.watch(DIALECT, 'one', { signal })) {
        if (event.type === 'ended') return jobs.transcripts(DIALECT, 'one');
      }
    };
    const reading = read();
    go.resolve();
    expect(await reading).toHaveLength(1);
    await house.clock.advance(0);
    expect(statusOf(jobs, 'one')).toBeUndefined();
  });

  test('of time count while the server is down, and a receiver that was not told is', async () => {
    const first = house.open({ JOB_RETENTION_SECONDS: '1000' });
    house.outbox.failure = () => new GatewayError('queue-full', 'Full.');
    await first.accept(house.job('untold'));
    await ends(first, 'untold');
    await first.accept(house.job('quiet', { webhook: null }));
    await ends(first, 'quiet');
    await first.stop();
    house.passWhileDown(1_000_000);
    const second = house.open({ JOB_RETENTION_SECONDS: '1000' });
    expect(statusOf(second, 'quiet')).toBeUndefined();
    expect(statusOf(second, 'untold')).toBe('done');
    house.outbox.failure = () => undefined;
    await house.clock.advance(30_000);
    await vi.waitFor(() => expect(house.outbox.sent).toMatchObject([{ id: 'untold' }]));
  });
});

describe('stopping', () => {
  test('leaves what runs for the next start, with its chunks, and takes nothing more', async () => {
    house.transcriber.story = async (run) => {
      run.chunk('a');
      run.chunk('b');
      return hang(run);
    };
    const first = house.open();
    await first.accept(house.job('one'));
    await vi.waitFor(() => expect(house.transcriber.chunksRun).toEqual(['a', 'b']));
    await first.stop();
    expect(first.find(DIALECT, 'one')).toMatchObject({ status: 'queued', startedAtMs: null });
    expect(house.transcriber.recordingsHeld).toBe(0);
    await expect(first.accept(house.job('two'))).rejects.toMatchObject({ code: 'shutting-down' });
    expect(house.released).toBe(2);

    house.transcriber.story = async ({ chunk, audio }) => {
      for (const key of ['a', 'b', 'c']) chunk(key);
      return audio;
    };
    const second = house.open();
    await ends(second, 'one');
    expect(house.transcriber.chunksRun).toEqual(['a', 'b', 'c']);
  });

  test('however often, it is no reason to doubt a job', async () => {
    house.transcriber.story = hang;
    for (let start = 1; start <= 5; start += 1) {
      const jobs = house.open();
      if (start === 1) await jobs.accept(house.job('one'));
      await vi.waitFor(() => expect(house.transcriber.runs).toHaveLength(start));
      await jobs.stop();
    }
    house.transcriber.story = async ({ audio }) => audio;
    await ends(house.open(), 'one');
  });
});

describe('a run that ends the process', () => {
  /** A process that is killed says nothing more: its jobs are left as they stand. */
  const crashed = async (ids: string[], settings: Record<string, string> = {}) => {
    house.transcriber = new FakeTranscriber();
    house.transcriber.story = hang;
    const jobs = house.open(settings);
    for (const id of ids) await jobs.accept(house.job(id));
    await vi.waitFor(() => expect(house.transcriber.runs.length).toBeGreaterThan(0));
    await house.clock.advance(0);
    return house.transcriber.runs.map(({ audio }) => audio.replace('sound of ', '')).toSorted();
  };

  test('is made three times, and then the job fails', async () => {
    await crashed(['one']);
    await crashed([]);
    await crashed([]);
    house.transcriber = new FakeTranscriber();
    const jobs = house.open();
    await ends(jobs, 'one', 'failed');
    expect(house.transcriber.runs).toEqual([]);
    expect(jobs.find(DIALECT, 'one')?.error).toMatchObject({
      code: 'internal',
      message: 'The server broke down on this job each time.',
    });
    await vi.waitFor(() => expect(house.outbox.sent).toHaveLength(1));
  });

  test('is none where the server ended before it began to work, however often', async () => {
    const first = house.openIdle();
    first.resume();
    await first.accept(house.job('one'));
    for (let start = 0; start < 5; start += 1) house.openIdle().resume();
    const last = house.openIdle();
    last.resume();
    expect(house.transcriber.runs).toEqual([]);
    last.start();
    await ends(last, 'one');
  });

  test('is made alone the next time, after all that cannot have been it', async () => {
    expect(await crashed(['one', 'two'])).toEqual(['one', 'two']);
    expect(await crashed(['new'])).toEqual(['one']);
    // `one` was there twice, `two` once, `new` waited.
    const runs: string[] = [];
    let together = 0;
    house.transcriber = new FakeTranscriber();
    house.transcriber.story = async ({ audio }) => {
      together += 1;
      expect(together).toBe(1);
      await house.clock.advance(0);
      together -= 1;
      runs.push(audio.replace('sound of ', ''));
      return audio;
    };
    const jobs = house.open();
    await ends(jobs, 'one');
    expect(runs).toEqual(['new', 'two', 'one']);
  });

  test('does not count when it finished another chunk', async () => {
    for (let crash = 0; crash < 5; crash += 1) {
      house.transcriber = new FakeTranscriber();
      house.transcriber.story = async (run) => {
        for (let index = 0; index <= crash; index += 1) run.chunk(`c${index}`);
        return hang(run);
      };
      const jobs = house.open();
      if (crash === 0) await jobs.accept(house.job('one'));
      await vi.waitFor(() => expect(house.transcriber.chunksRun).toEqual([`c${crash}`]));
    }
    house.transcriber = new FakeTranscriber();
    await ends(house.open(), 'one');
  });
});

test('a file that cannot be read stops the start, and stays', async () => {
  mkdirSync(join(house.directory, 'jobs'));
  const path = join(house.directory, 'jobs', 'jobs.sqlite');
  writeFileSync(path, 'this is no database, however long it may be');
  expect(() => house.open()).toThrow(expect.objectContaining({ code: 'setup-incomplete' }));
  expect(readFileSync(path, 'utf8')).toMatch(/^this is no database/);
});
