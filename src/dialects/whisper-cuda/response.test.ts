import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../errors.ts';
import type { Delivery, Job } from '../../jobs/job.ts';
import { type Transcript, transcriptText } from '../../transcript/transcript.ts';
import jfkTwice from './fixtures/jfk-twice.json' with { type: 'json' };
import { writeCallbackBody, writeJob } from './response.ts';

// Recorded from the real engine (whisper.cpp 1.9.1, tiny).
const twice = jfkTwice as Transcript;
const GPU = {
  index: 0,
  util_avg_percent: 63.5,
  util_max_percent: 98,
  vram_total_mb: 24_576,
  vram_used_avg_mb: 4200,
  vram_used_max_mb: 6100,
  vram_used_percent: 17,
  vram_used_percent_max: 24.8,
};
const DELIVERY: Delivery = { state: 'pending', atMs: null, error: null };
const CREATED_AT_MS = 1_700_000_000_000;

const jobOf = (rest: Partial<Job> = {}): Job => ({
  id: 'a1',
  dialect: 'whisper-cuda',
  filename: null,
  transcription: {
    ...{ model: 'base', cache: 'use', channel: null, raw: null },
    options: { task: 'transcribe', language: 'ru', prompt: null, temperature: 0 },
  },
  eachChannel: false,
  webhook: { url: 'https://example.com/', method: 'POST' },
  details: { language: 'Russian' },
  status: 'done',
  source: { sha256: 'x', bytes: 1 },
  model: 'base',
  language: 'ru',
  durationMs: 25_000,
  progress: { percent: 100, chunk: 1, chunksTotal: 1 },
  error: null,
  measurements: GPU,
  delivery: DELIVERY,
  createdAtMs: CREATED_AT_MS,
  startedAtMs: CREATED_AT_MS + 200,
  endedAtMs: CREATED_AT_MS + 12_600,
  position: null,
  estimatedWaitMs: null,
  ...rest,
});
const failed = jobOf({ status: 'failed', error: new GatewayError('engine-failed', 'The engine stopped.') });

describe('the callback', () => {
  test('of a completed job, key by key', () => {
    const body = JSON.parse(JSON.stringify(writeCallbackBody(jobOf(), [twice])));
    expect(Object.keys(body)).toEqual([
      ...['job_id', 'status', 'model', 'language', 'queue_time_s', 'processing_time_s'],
      ...['result', 'error', 'callback'],
    ]);
    expect(Object.keys(body.result)).toEqual([
      ...['text', 'segments', 'queue_time_s', 'processing_time_s', 'gpu', 'token_count'],
    ]);
    expect(Object.keys(body.result.gpu)).toEqual(Object.keys(GPU));
    expect(body).toEqual({
      job_id: 'a1',
      status: 'completed',
      model: 'base',
      language: 'Russian',
      queue_time_s: 0.2,
      processing_time_s: 12.4,
      result: {
        text: transcriptText(twice),
        segments: twice.segments.map(({ startMs, endMs, text }) => ({
          start: startMs / 1000,
          end: endMs / 1000,
          text: text.trim(),
        })),
        queue_time_s: 0.2,
        processing_time_s: 12.4,
        gpu: GPU,
        token_count: twice.segments.flatMap(({ tokenIds }) => tokenIds).length,
      },
      error: null,
      callback: { delivered: false, delivered_at_ms: null, error: null },
    });
    expect(body.result.segments).toHaveLength(2);
    expect(Object.keys(body.result.segments[0])).toEqual(['start', 'end', 'text']);
  });

  test('of a failed job is four keys', () => {
    expect(JSON.stringify(writeCallbackBody(failed, []))).toBe(
      '{"job_id":"a1","status":"failed","result":null,"error":"The engine stopped."}',
    );
    expect(writeCallbackBody(jobOf({ status: 'cancelled' }), [])).toMatchObject({
      status: 'failed',
      error: expect.stringMatching(/./),
    });
  });

  test('says nothing of its own delivery, whatever became of an earlier one', () => {
    const delivery: Delivery = { state: 'delivered', atMs: 5, error: null };
    expect(writeCallbackBody(jobOf({ delivery }), [twice])).toMatchObject({
      callback: { delivered: false, delivered_at_ms: null, error: null },
    });
  });

  test('of silence is an empty text', () => {
    expect(writeCallbackBody(jobOf(), [{ ...twice, segments: [] }])).toMatchObject({
      status: 'completed',
      result: { text: '', segments: [], token_count: 0 },
    });
  });
});

describe('the GPU', () => {
  test.each([[null], [undefined], [{ other: 1 }], [{ ...GPU, index: 'a' }]])('is null for %j', (measurements) => {
    expect(writeJob(jobOf({ measurements }), [twice]).result?.gpu).toBeNull();
  });
});

describe('the status', () => {
  test('of a queued job has no times and no result', () => {
    const job = jobOf({ status: 'queued', startedAtMs: null, endedAtMs: null, measurements: null, position: 1 });
    expect(writeJob(job, undefined)).toEqual({
      job_id: 'a1',
      status: 'queued',
      model: 'base',
      language: 'Russian',
      queue_time_s: null,
      processing_time_s: null,
      result: null,
      error: null,
      callback: { delivered: false, delivered_at_ms: null, error: null },
    });
  });

  test('of a running job says how long it waited', () => {
    expect(writeJob(jobOf({ status: 'running', endedAtMs: null }), undefined)).toMatchObject({
      ...{ status: 'running', queue_time_s: 0.2, processing_time_s: null, result: null },
    });
  });

  test('of a job that failed says why; one that failed before it ran has no times', () => {
    expect(writeJob({ ...failed, startedAtMs: null }, undefined)).toMatchObject({
      ...{ status: 'failed', result: null, error: 'The engine stopped.' },
      ...{ queue_time_s: null, processing_time_s: null },
    });
  });

  test.each<[Delivery, object]>([
    [
      { state: 'delivered', atMs: 1_700_000_000_000, error: null },
      { delivered: true, delivered_at_ms: 1_700_000_000_000, error: null },
    ],
    [DELIVERY, { delivered: false, delivered_at_ms: null, error: null }],
    [
      { state: 'failed', atMs: 5, error: 'HTTP 410' },
      { delivered: false, delivered_at_ms: null, error: 'HTTP 410' },
    ],
  ])('tells of the callback: %j', (delivery, callback) => {
    expect(writeJob(jobOf({ delivery }), [twice]).callback).toEqual(callback);
  });
});
