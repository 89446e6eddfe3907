// What ten thousand jobs that wait cost those that come and go.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { DIALECT, hang, JobsHouse } from './job.cases.ts';
import type { DurableJobs } from './jobs.ts';

test('ten thousand jobs that wait make accepting and ending no slower', async () => {
  const house = new JobsHouse();
  house.transcriber.story = async ({ audio }) => audio;
  const median = (times: number[]) => times.sort((one, other) => one - other)[times.length >> 1] ?? 0;
  const measure = async (jobs: DurableJobs, name: string) => {
    const accepting: number[] = [];
    const ending: number[] = [];
    for (let index = 0; index < 40; index += 1) {
      const id = `${name}${index}`;
      const job = house.job(id, { webhook: null });
      const startedMs = performance.now();
      await jobs.accept(job);
      accepting.push(performance.now() - startedMs);
      await jobs.cancel(DIALECT, id);
      ending.push(performance.now() - startedMs);
    }
    return { acceptMs: median(accepting), endMs: median(ending) };
  };
  try {
    // Nothing is taken up, so everything waits.
    const empty = house.openIdle();
    const alone = await measure(empty, 'alone');
    await empty.accept(house.job('template', { url: 'http://media/' }));
    await empty.stop();
    const database = new DatabaseSync(join(house.jobsDirectory, 'jobs.sqlite'));
    database.exec(`INSERT INTO jobs (id, dialect, status, request, url, caller, fingerprint, order_ms, webhook, webhook_url,
        created_at_ms)
      WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 10000)
      SELECT 'filler-' || number, dialect, status, request, url, caller, fingerprint, order_ms + number, webhook,
        webhook_url, created_at_ms FROM numbers JOIN jobs ON id = 'template'`);
    database.close();
    house.transcriber.fetch = (_url, signal) => hang({ signal });
    const full = house.open({ JOBS_WAITING_MAX: '20000', JOBS_RUNNING_MAX: '1' });
    expect(full.counts(DIALECT)).toMatchObject({ queued: 10_000, running: 1 });
    const crowded = await measure(full, 'crowded');
    // A disk has moments of its own; a look at every row would cost ten times this.
    expect(crowded.acceptMs).toBeLessThan(3 * alone.acceptMs + 5);
    expect(crowded.endMs).toBeLessThan(3 * alone.endMs + 5);
  } finally {
    await house.close();
  }
}, 60_000);
