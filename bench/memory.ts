// How much the gateway's resident memory grows above what it has when warm: one upload of 2 GB, 64 of 25 MB at once, an hour
// of opus, and ten thousand requests. No file of that size is on disk or in memory on the sender's side: behind the sound of a
// WAV file come notes, as editors leave them there, and those are zeros.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inSeconds, table, verdict } from './figures.ts';
import { Gateway, MemoryWatch, residentMb } from './gateway.ts';
import type { LoadTask } from './load.ts';
import { INSTANT_ENGINE, Load, startFloor, startInstantEngine } from './programs.ts';
import { PATH } from './sides.ts';
import { clip, clipBeforeNotes, encode, VOICED_AT } from './speech.ts';

const UPLOAD_BYTES = 2_000_000_000;
const MANY = 64;
const MANY_BYTES = 25_000_000;
const SOUND_SECONDS = 5;
const MANY_SOUND_SECONDS = 30;
const REQUESTS = 10_000;
/** In so many parts; memory is read after each. Before them some more, in which the heap finds its size. */
const PARTS = 10;
const WARM_UP_PARTS = 10;
/** What is left to the heap's ups and downs. */
const NO_GROWTH_MB = 8;
const SETTLE_MS = 1_000;
const UPLOAD_MAX = { UPLOAD_BYTES_MAX: String(UPLOAD_BYTES + 1_000_000) };

type Task = Omit<LoadTask, 'url' | 'fields'>;

export async function measureMemory(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-memory-'));
  const load = Load.start();
  try {
    const opus = join(directory, 'hour.opus');
    encode(3_600, opus, ['-c:a', 'libopus', '-b:a', '32k']);
    const withNotes = (seconds: number, bytes: number): Task => {
      const path = join(directory, `${bytes}.wav`);
      writeFileSync(path, clipBeforeNotes(seconds, bytes));
      return {
        path,
        filename: 'recording.wav',
        vary: { samplesAt: VOICED_AT },
        padTo: bytes,
        connections: 1,
        count: 1,
      };
    };
    const many = { ...withNotes(MANY_SOUND_SECONDS, MANY_BYTES), connections: MANY, count: MANY };
    const one = withNotes(SOUND_SECONDS, UPLOAD_BYTES);
    const rows = [
      await watchFloor('an upload of 2 GB', load, one),
      await watch('an upload of 2 GB', load, one, 64),
      await watchFloor(`${MANY} uploads of 25 MB at once`, load, many),
      await watch(`${MANY} uploads of 25 MB at once`, load, many, 128),
      await watch('an hour of opus', load, { path: opus, filename: 'hour.opus', connections: 1, count: 1 }, 64),
    ];
    return [
      '## bench/memory: resident memory of the gateway',
      'Growth: from a gateway that has warmed up to the highest of looks taken every 50 ms.',
      table(['', '', 'before', 'growth', 'target', '', 'took'], rows),
      await measureManyRequests(load, directory),
    ].join('\n\n');
  } finally {
    await load.end();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function watch(name: string, load: Load, task: Task, limitMb: number): Promise<string[]> {
  console.error(`memory: ${name}`);
  const gateway = await Gateway.start({ devices: 1, engine: INSTANT_ENGINE, settings: UPLOAD_MAX });
  try {
    await sleep(SETTLE_MS);
    const beforeMb = await residentMb(gateway.pid);
    const memory = await MemoryWatch.start(gateway);
    const { tookMs } = await load
      .run({ ...task, url: gateway.url + PATH, fields: { model: 'whisper-1' } })
      .finally(() => memory.stop());
    const { growthMb } = memory;
    return [
      name,
      'gateway',
      `${beforeMb.toFixed(0)} MB`,
      `${growthMb.toFixed(0)} MB`,
      `under ${limitMb} MB`,
      verdict(growthMb < limitMb),
      inSeconds(tookMs),
    ];
  } finally {
    await gateway.end();
  }
}

/** The least that a gateway in Node can take: it pipes the body through and hashes it. */
async function watchFloor(name: string, load: Load, task: Task): Promise<string[]> {
  console.error(`memory: ${name}, floor`);
  const engine = await startInstantEngine();
  const floor = await startFloor('proxy', `${engine.url}${PATH}`);
  try {
    const send = (given: Task) => load.run({ ...given, url: floor.url + PATH, fields: { model: 'whisper-1' } });
    await send({ ...task, connections: 1, count: 1, padTo: 1_000_000 });
    await sleep(SETTLE_MS);
    const beforeMb = await residentMb(floor.pid);
    const memory = await MemoryWatch.start(floor);
    const { tookMs } = await send(task).finally(() => memory.stop());
    const growth = `${memory.growthMb.toFixed(0)} MB`;
    return [name, 'floor: pipe and hash', `${beforeMb.toFixed(0)} MB`, growth, '', 'baseline', inSeconds(tookMs)];
  } finally {
    await Promise.all([floor.end(), engine.end()]);
  }
}

/** Nine of ten are hits; the others are not kept, or the cache would grow as it should. */
async function measureManyRequests(load: Load, directory: string): Promise<string> {
  console.error(`memory: ${REQUESTS} requests`);
  const path = join(directory, 'clip.wav');
  writeFileSync(path, clip(SOUND_SECONDS));
  const gateway = await Gateway.start({ devices: 1, engine: INSTANT_ENGINE });
  try {
    const count = REQUESTS / PARTS;
    const task = { url: gateway.url + PATH, fields: { model: 'whisper-1' }, path, filename: 'clip.wav' };
    const fresh = { vary: { samplesAt: VOICED_AT }, headers: { 'cache-control': 'no-store' } };
    const megabytes: number[] = [];
    for (let part = 0; part < WARM_UP_PARTS + PARTS; part += 1) {
      await load.run({ ...task, connections: 16, count: 0.9 * count });
      await load.run({ ...task, ...fresh, connections: 4, count: 0.1 * count });
      await sleep(SETTLE_MS);
      megabytes.push(await residentMb(gateway.pid));
    }
    const growthMb = (megabytes.at(-1) ?? Number.NaN) - (megabytes[WARM_UP_PARTS - 1] ?? Number.NaN);
    const shown = megabytes.map((mb) => mb.toFixed(0)).join(', ');
    return `${REQUESTS} requests after ${WARM_UP_PARTS * count} to warm up, nine of ten of them hits: ${shown} MB after each ${count}. Growth ${growthMb.toFixed(0)} MB; target: none, within ${NO_GROWTH_MB} MB, ${verdict(growthMb <= NO_GROWTH_MB)}.`;
  } finally {
    await gateway.end();
  }
}
