// Jobs on a disk that is full for a while: a small file system in memory, which only root may mount.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { GatewayError } from '../errors.ts';
import { DIALECT, JobsHouse, sha256Of, statusOf } from './job.cases.ts';
import type { DurableJobs } from './jobs.ts';

const canMount = (() => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const probe = mkdtempSync(join(tmpdir(), 'jobs-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe], { stdio: 'ignore' });
    execFileSync('umount', [probe]);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(probe);
  }
})();
if (!canMount) console.warn('Not root, or not allowed to mount: jobs on a full disk are not tested.');

let disk: string;
let house: JobsHouse;
beforeEach(() => {
  disk = mkdtempSync(join(tmpdir(), 'jobs-disk-'));
  if (canMount) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', disk]);
  house = new JobsHouse(join(disk, 'jobs'));
});
afterEach(async () => {
  await house.close();
  if (canMount) execFileSync('umount', [disk]);
  rmdirSync(disk);
});

/** To the last byte. */
function fill(): void {
  const file = openSync(join(disk, 'filler'), 'a');
  for (const bytes of [65_536, 4096, 1]) {
    try {
      while (writeSync(file, Buffer.alloc(bytes)) === bytes);
    } catch {
      // Now it is.
    }
  }
  closeSync(file);
}
const makeRoom = () => rmSync(join(disk, 'filler'));
const ends = (jobs: DurableJobs, id: string, status = 'done') =>
  vi.waitFor(() => expect(statusOf(jobs, id)).toBe(status), { interval: 5 });

describe.skipIf(!canMount)('a disk that is full', () => {
  test('takes no job, keeps nothing of it, and takes the next once there is room', async () => {
    const jobs = house.open();
    fill();
    await expect(jobs.accept(house.job('audio', { audio: 'x'.repeat(100_000) }))).rejects.toMatchObject({
      ...{ code: 'disk-full', status: 507 },
    });
    // The log of the database may have some room of its own.
    const refused: GatewayError[] = [];
    for (let index = 0; index < 200 && refused.length < 3; index += 1) {
      const job = house.job(`url${index}`, { url: 'http://media/', webhook: null });
      await jobs.accept(job).catch((error: GatewayError) => {
        refused.push(error);
        expect(jobs.find(DIALECT, job.id)).toBeUndefined();
      });
    }
    expect(refused.map(({ code }) => code)).toEqual(['disk-full', 'disk-full', 'disk-full']);
    expect(jobs.find(DIALECT, 'audio')).toBeUndefined();
    expect(readdirSync(join(disk, 'jobs', 'audio'))).toEqual([]);
    makeRoom();
    await jobs.accept(house.job('late', { audio: 'x'.repeat(100_000) }));
    await ends(jobs, 'late');
  });

  test('lets a job that runs rest, and go on with its chunks once there is room, without a restart', async () => {
    let isFilled = false;
    house.transcriber.story = async ({ chunk, audio }) => {
      for (let index = 0; index < 400; index += 1) {
        if (index === 3 && !isFilled) {
          isFilled = true;
          fill();
        }
        chunk(`chunk ${index} ${'x'.repeat(2000)}`);
      }
      return audio;
    };
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await vi.waitFor(() => expect(house.clock.pendingCount).toBeGreaterThan(0));
    expect(jobs.find(DIALECT, 'one')).toMatchObject({ error: null, endedAtMs: null });
    const before = house.transcriber.chunksRun.length;
    expect(before).toBeLessThan(400);
    // Still full: it rests again.
    await house.clock.advance(5000);
    await vi.waitFor(() => expect(house.clock.pendingCount).toBeGreaterThan(0));
    expect(statusOf(jobs, 'one')).not.toBe('done');
    makeRoom();
    await house.clock.advance(60_000);
    await ends(jobs, 'one');
    // Run again was only the one that could not be kept, each time.
    const again = house.transcriber.chunksRun.length - new Set(house.transcriber.chunksRun).size;
    expect(again).toBeLessThanOrEqual(3);
    expect(house.transcriber.runs.length).toBeGreaterThan(1);
  });

  test('keeps no job from its end for good, and its receiver is told', async () => {
    const long = 'x'.repeat(300_000);
    house.transcriber.story = async () => {
      if (house.transcriber.runs.length === 1) fill();
      return long;
    };
    const jobs = house.open();
    await jobs.accept(house.job('one'));
    await vi.waitFor(() => expect(house.clock.pendingCount).toBeGreaterThan(0));
    expect(statusOf(jobs, 'one')).not.toBe('done');
    expect(house.outbox.sent).toEqual([]);
    makeRoom();
    await house.clock.advance(5000);
    await ends(jobs, 'one');
    await vi.waitFor(() => expect(house.outbox.sent).toHaveLength(1));
    expect(jobs.transcripts(DIALECT, 'one')?.[0]?.segments[0]?.text).toBe(` ${long}`);
  });

  test('damages nothing that a next start would need', async () => {
    let isFilled = false;
    house.transcriber.story = async (run) => {
      if (!isFilled) fill();
      isFilled = true;
      for (let index = 0; index < 400; index += 1) run.chunk(`chunk ${index} ${'x'.repeat(2000)}`);
      return run.audio;
    };
    const first = house.open();
    await first.accept(house.job('one', { audio: 'kept' }));
    await vi.waitFor(() => expect(house.clock.pendingCount).toBeGreaterThan(0));
    // Killed: nothing is said any more.
    makeRoom();
    expect(house.audio()).toEqual([sha256Of('kept')]);
    const second = house.open();
    await ends(second, 'one');
    expect(second.transcripts(DIALECT, 'one')).toMatchObject([{ segments: [{ text: ' kept' }] }]);
  });
});
