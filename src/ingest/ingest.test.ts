import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { createIngest } from './ingest.ts';
import { ingestSettings } from './settings.ts';

const settings = ingestSettings.parse({ UPLOAD_SECONDS_MAX: '60', UPLOADS_MAX: '2', UPLOAD_BYTES_MAX: '10' });
const forever = new AbortController().signal;

let directory: string;
let clock: FakeClock;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ingest-'));
  clock = new FakeClock();
});
afterEach(async () => {
  expect(await readdir(directory)).toEqual([]);
  expect(clock.pendingCount).toBe(0);
  await rm(directory, { recursive: true });
});
const open = () => createIngest({ settings, directory, log: silentLog, clock });

test('an upload becomes a recording known by its hash', async () => {
  const recording = await (await open()).receive(Readable.from([Buffer.from('a'), Buffer.from('bc')]), forever);
  expect(recording).toMatchObject({
    bytes: 3,
    sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  });
  await recording.release();
});

test.each([
  ['empty', [], 'audio-too-short'],
  ['too large', [Buffer.alloc(11)], 'body-too-large'],
])('one that is %s is refused', async (_, parts, code) => {
  await expect((await open()).receive(Readable.from(parts), forever)).rejects.toMatchObject({ code });
});

test('one that trickles is given up when its time is over', async () => {
  const upload = new PassThrough();
  const receiving = (await open()).receive(upload, forever).catch((error: unknown) => error);
  for (let seconds = 0; seconds < 60; seconds += 10) {
    upload.write('x');
    await clock.advance(10_000);
  }
  expect(await receiving).toMatchObject({ code: 'upload-stalled' });
  expect(upload.destroyed).toBe(true);
});

test('only so many may be arriving at a time', async () => {
  const ingest = await open();
  const uploads = [new PassThrough(), new PassThrough()];
  const receiving = uploads.map((upload) => ingest.receive(upload, forever));
  await expect(ingest.receive(new PassThrough(), forever)).rejects.toMatchObject({ code: 'queue-full' });
  for (const upload of uploads) upload.end('x');
  for (const recording of await Promise.all(receiving)) await recording.release();
  const recording = await ingest.receive(Readable.from([Buffer.from('x')]), forever);
  await recording.release();
});

test('closing gives up what is arriving', async () => {
  const ingest = await open();
  const receiving = ingest.receive(new PassThrough(), forever).catch((error: unknown) => error);
  await ingest.close();
  expect(await receiving).toMatchObject({ code: 'shutting-down' });
});
