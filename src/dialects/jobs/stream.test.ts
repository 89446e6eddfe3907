import { expect, test } from 'vitest';
import type { Job, JobEvent } from '../../jobs/job.ts';
import { END, jobRecords } from './stream.ts';

const job = {
  ...{ id: 'one', dialect: 'jobs', status: 'done', filename: null, eachChannel: false, webhook: null },
  transcription: {
    ...{ model: 'tiny', cache: 'use', channel: null, raw: null },
    options: { task: 'transcribe', language: null, prompt: null, temperature: 0 },
  },
  ...{ details: { warnings: [] }, source: { sha256: 'aa', bytes: 1 }, model: 'tiny', language: 'en', durationMs: 1000 },
  progress: { percent: 100, chunk: 1, chunksTotal: 1 },
  ...{ error: null, measurements: null, delivery: { state: 'none', atMs: null, error: null } },
  ...{ createdAtMs: 0, startedAtMs: 0, endedAtMs: 1, position: null, estimatedWaitMs: null },
} satisfies Job;

async function* only(event: JobEvent): AsyncGenerator<JobEvent> {
  yield event;
}

test('the end of a job is written once, however many watch it', async () => {
  const event: JobEvent = { type: 'ended', job };
  let readCount = 0;
  const transcriptsOf = () => {
    readCount += 1;
    return [];
  };
  const watchers = Array.from({ length: 3 }, () => jobRecords(only(event), transcriptsOf).next());
  const records = (await Promise.all(watchers)).map(({ value }) => value);
  expect(readCount).toBe(1);
  expect(new Set(records).size).toBe(1);
  expect(records[0]).toMatchObject({ id: END });
});
