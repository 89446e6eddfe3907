// What a client of the whisper-cuda service does, with curl, and what it may expect of a body, key by key.
import { expect } from 'vitest';
import { type CurlAnswer, curl } from '../curl.ts';
import { eventually } from '../gateway.ts';

export const BASE = '/compat/whisper-cuda';
export const MODEL = 'tiny-q5_1';

export interface JobBody {
  job_id: string;
  status: 'queued' | 'running' | 'completed' | 'failed';
  model: string;
  language: string;
  queue_time_s: number | null;
  processing_time_s: number | null;
  result: {
    text: string;
    segments: { start: number; end: number; text: string }[];
    queue_time_s: number;
    processing_time_s: number;
    gpu: Record<string, number> | null;
    token_count: number;
  } | null;
  error: string | null;
  callback: { delivered: boolean; delivered_at_ms: number | null; error: string | null };
}

/** The form as `-F` options; a field that is undefined is left out. */
export function upload(
  gatewayUrl: string,
  file: string | undefined,
  fields: Record<string, string | undefined>,
): Promise<CurlAnswer> {
  const given = Object.entries({ model: MODEL, ...fields }).filter(([, value]) => value !== undefined);
  return curl(
    `${gatewayUrl}${BASE}/transcribe`,
    ...(file === undefined ? [] : ['-F', `file=@${file}`]),
    ...given.flatMap(([name, value]) => ['-F', `${name}=${value}`]),
    // So that a form without anything is still a form.
    ...['-F', 'unknown_field=1'],
  );
}

export async function submit(...args: Parameters<typeof upload>): Promise<string> {
  const { status, body } = await upload(...args);
  expect({ status, body }).toMatchObject({ status: 200 });
  const { job_id: id } = JSON.parse(body);
  expect(body).toBe(`{"job_id":"${id}"}`);
  return id;
}

export async function statusOf(gatewayUrl: string, id: string): Promise<JobBody> {
  const { status, body } = await curl(`${gatewayUrl}${BASE}/status?job_id=${id}`);
  expect(status).toBe(200);
  return JSON.parse(body);
}

export function detailOf({ body }: CurlAnswer): string {
  const parsed = JSON.parse(body);
  expect(parsed).toEqual({ detail: expect.stringMatching(/./) });
  return parsed.detail;
}

export async function untilStatus(gatewayUrl: string, id: string, check: (job: JobBody) => void): Promise<JobBody> {
  return eventually(async () => {
    const job = await statusOf(gatewayUrl, id);
    check(job);
    return job;
  }, 30_000);
}

const JOB_KEYS = ['job_id', 'status', 'model', 'language', 'queue_time_s', 'processing_time_s', 'result'];

/** In the order of the service, with every number in its place. */
export function expectCompleted(text: string): JobBody & { result: NonNullable<JobBody['result']> } {
  const body = JSON.parse(text) as JobBody;
  expect(Object.keys(body)).toEqual([...JOB_KEYS, 'error', 'callback']);
  expect(body).toMatchObject({ status: 'completed', error: null });
  const { result } = body;
  if (!result) throw new Error('A completed job has a result.');
  expect(Object.keys(result)).toEqual([
    ...['text', 'segments', 'queue_time_s', 'processing_time_s', 'gpu', 'token_count'],
  ]);
  for (const of of [body, result]) {
    expect(of.queue_time_s).toBeGreaterThanOrEqual(0);
    expect(of.processing_time_s).toBeGreaterThanOrEqual(0);
  }
  expect([result.queue_time_s, result.processing_time_s]).toEqual([body.queue_time_s, body.processing_time_s]);
  expect(result.segments.map((segment) => segment.text).join(' ')).toBe(result.text);
  if (result.gpu) {
    expect(Object.keys(result.gpu)).toEqual([
      ...['index', 'util_avg_percent', 'util_max_percent', 'vram_total_mb', 'vram_used_avg_mb', 'vram_used_max_mb'],
      ...['vram_used_percent', 'vram_used_percent_max'],
    ]);
  }
  return { ...body, result };
}
