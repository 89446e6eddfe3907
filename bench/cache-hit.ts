// A request whose transcript is in the cache: requests per second and latency, beside a server that only reads, hashes and
// answers. autocannon makes the load, from its own process.
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { median, table, verdict } from './figures.ts';
import { Gateway } from './gateway.ts';
import { INSTANT_ENGINE, Load, processorMs, startFloor } from './programs.ts';
import { PATH } from './sides.ts';
import { clip, encode } from './speech.ts';

const AUTOCANNON = join(import.meta.dirname, 'node_modules/autocannon/autocannon.js');
const SIZES = [
  { name: '160 kB', seconds: 5 },
  { name: '1.9 MB', seconds: 60 },
];
const CONNECTIONS = [1, 16, 64];
const ROUNDS = 3;
const ROUND_SECONDS = 2;
/** The target is for this many connections. */
const JUDGED_CONNECTIONS = 16;
const RATE_MIN = 0.8;
const UNTOUCHED_REQUESTS = 500;

interface Side {
  name: string;
  url: string;
  pid: number;
}

interface Measured {
  rates: number[];
  p50Ms: number[];
  p99Ms: number[];
  processorMs: number[];
}

export async function measureCacheHit(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-cache-hit-'));
  const counts = { engine: join(directory, 'engine-runs'), ffmpeg: join(directory, 'ffmpeg-runs') };
  const floor = await startFloor('answer');
  try {
    const gateway = await Gateway.start({
      devices: 1,
      engine: INSTANT_ENGINE,
      settings: { INSTANT_COUNT_FILE: counts.engine, FFMPEG_BIN: countingFfmpeg(directory, counts.ffmpeg) },
    });
    try {
      const sides = [
        { name: 'floor: read, hash, answer', url: floor.url, pid: floor.pid },
        { name: 'gateway', url: gateway.url, pid: gateway.pid },
      ];
      return [
        '## bench/cache-hit: the transcript is known',
        `Target: at ${JUDGED_CONNECTIONS} connections at least ${RATE_MIN} of the floor's requests per second. ${ROUNDS} rounds of ${ROUND_SECONDS} s for each side, in turn; medians of the rounds.`,
        await measureSizes(sides, directory),
        await proveUntouched(gateway, directory, counts),
      ].join('\n\n');
    } finally {
      await gateway.end();
    }
  } finally {
    await floor.end();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measureSizes(sides: Side[], directory: string): Promise<string> {
  const rows: string[][] = [];
  for (const { name, seconds } of SIZES) {
    const path = join(directory, `${seconds}.wav`);
    writeFileSync(path, clip(seconds));
    for (const connections of CONNECTIONS) {
      console.error(`cache-hit: ${name}, ${connections} connections`);
      const measured = sides.map((): Measured => ({ rates: [], p50Ms: [], p99Ms: [], processorMs: [] }));
      for (let round = 0; round <= ROUNDS; round += 1) {
        for (const [index, side] of sides.entries()) {
          const one = await besiege(side, path, connections, round === 0 ? 1 : ROUND_SECONDS);
          if (round > 0)
            for (const key of Object.keys(one) as (keyof Measured)[]) measured[index]?.[key].push(one[key]);
        }
      }
      const floorRate = median(measured[0]?.rates ?? []);
      for (const [index, { rates, p50Ms, p99Ms, processorMs }] of measured.entries()) {
        const share = median(rates) / floorRate;
        const isJudged = index > 0 && connections === JUDGED_CONNECTIONS;
        rows.push([
          name,
          String(connections),
          sides[index]?.name ?? '',
          median(rates).toFixed(0),
          index === 0 ? '' : share.toFixed(2),
          index === 0 ? 'baseline' : isJudged ? verdict(share >= RATE_MIN) : '',
          `${median(p50Ms).toFixed(0)} ms`,
          `${median(p99Ms).toFixed(0)} ms`,
          `${median(processorMs).toFixed(2)} ms`,
        ]);
      }
    }
  }
  return table(
    ['', 'connections', '', 'requests/s', "÷ floor's", '', 'latency, median', 'p99', 'processor time a request'],
    rows,
  );
}

async function besiege(side: Side, path: string, connections: number, seconds: number) {
  const form = JSON.stringify({ model: { type: 'text', value: 'whisper-1' }, file: { type: 'file', path } });
  const before = processorMs(side.pid);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [AUTOCANNON, '-c', connections, '-d', seconds, '-m', 'POST', '-F', form, '-j', '-n', side.url + PATH].map(String),
  );
  const report = JSON.parse(stdout) as {
    '2xx': number;
    non2xx: number;
    errors: number;
    duration: number;
    latency: { p50: number; p99: number };
  };
  if (report.non2xx + report.errors > 0)
    throw new Error(`${side.name}: ${report.non2xx + report.errors} requests failed.`);
  return {
    rates: report['2xx'] / report.duration,
    p50Ms: report.latency.p50,
    p99Ms: report.latency.p99,
    processorMs: (processorMs(side.pid) - before) / report['2xx'],
  };
}

/** Counts, from outside, how often the engine and ffmpeg were run for one recording that needs both. */
async function proveUntouched(
  gateway: Gateway,
  directory: string,
  counts: { engine: string; ffmpeg: string },
): Promise<string> {
  const path = join(directory, 'recording.mp3');
  encode(10, path, ['-c:a', 'libmp3lame', '-b:a', '64k']);
  const load = Load.start();
  const runs = () => Object.values(counts).map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0);
  try {
    const send = (count: number) =>
      load.run({
        ...{ url: gateway.url + PATH, fields: { model: 'whisper-1' }, path, filename: 'recording.mp3' },
        ...{ connections: 4, count },
      });
    const before = runs();
    await send(1);
    const afterMiss = runs();
    const { lastHeaders } = await send(UNTOUCHED_REQUESTS);
    const afterHits = runs();
    const added = (from: number[], to: number[]) => to.map((count, index) => count - (from[index] ?? 0));
    const [engineMiss, ffmpegMiss] = added(before, afterMiss);
    const [engineHits, ffmpegHits] = added(afterMiss, afterHits);
    const isUntouched = engineHits === 0 && ffmpegHits === 0 && engineMiss === 1 && lastHeaders['x-cache'] === 'hit';
    return `An mp3 that was not known: ${engineMiss} run of the engine, ${ffmpegMiss} of ffmpeg. ${UNTOUCHED_REQUESTS} times more: ${engineHits} and ${ffmpegHits}. Target: 0 and 0, ${verdict(isUntouched)}.`;
  } finally {
    await load.end();
  }
}

function countingFfmpeg(directory: string, countPath: string): string {
  const path = join(directory, 'ffmpeg');
  writeFileSync(path, `#!/bin/sh\nprintf . >> ${countPath}\nexec ffmpeg "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}
