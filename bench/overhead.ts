// What the gateway adds to a request that is not in its cache, before an engine that takes no time: WAV of three sizes beside
// the engine itself, the least that a gateway in Node can do, and Portkey's; compressed audio beside ffmpeg alone.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inMs, inSeconds, median, percentile, table, verdict } from './figures.ts';
import { Load } from './programs.ts';
import { type Measured, measureInTurn, type Side, type Sides, startSides } from './sides.ts';
import { clip, clipBeforeNotes, encode, VOICED_AT } from './speech.ts';

interface Size {
  name: string;
  wav(): Buffer;
  rounds: number;
  requests: number;
  /** Of the whole file, where the sound is only its beginning. */
  padTo?: number;
  /** Milliseconds that may be added beside 1.25 times what the floor adds; where there is no target, nothing. */
  spareMs?: number;
  /** How much less than Portkey adds. */
  belowPortkey?: number;
}

const MB_25 = 25_000_000;
const SIZES: Size[] = [
  { name: '160 kB, 5 s', wav: () => clip(5), rounds: 10, requests: 10, spareMs: 1 },
  { name: '1.9 MB, 60 s', wav: () => clip(60), rounds: 6, requests: 4 },
  { name: '25 MB, 13 min', wav: () => clip(780), rounds: 5, requests: 1, spareMs: 0, belowPortkey: 3 },
  {
    name: '25 MB, 5 s of it sound',
    wav: () => clipBeforeNotes(5, MB_25),
    padTo: MB_25,
    rounds: 8,
    requests: 2,
    spareMs: 0,
    belowPortkey: 3,
  },
];
const ADDED_MAX = 1.25;
const CONNECTIONS = 16;
const RATE_ROUNDS = 3;
const RATE_MS = 2_000;
const RATE_MIN = 0.8;

const FORMATS = {
  opus: ['-c:a', 'libopus', '-b:a', '32k'],
  mp3: ['-c:a', 'libmp3lame', '-b:a', '64k'],
  m4a: ['-c:a', 'aac', '-b:a', '64k'],
};
const DEMUXERS = { opus: 'ogg', mp3: 'mp3', m4a: 'mov' };
const LENGTHS = [
  { name: '10 s', seconds: 10, rounds: 10 },
  { name: '10 min', seconds: 600, rounds: 3 },
  { name: '1 h', seconds: 3_600, rounds: 1 },
];
const DECODED_MAX = 1.15;
const DECODED_SPARE_MS = 5;

export async function measureOverhead(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-overhead-'));
  const load = Load.start();
  const sides = await startSides();
  try {
    return [
      '## bench/overhead: what is added to a request that is a miss, before an engine that takes no time',
      `Time from the first byte sent to the end of the answer, one request at a time, sides in turn. Targets: what the gateway adds to the engine's own time at most ${ADDED_MAX} times what the floor adds, and 1 ms at 160 kB; at 25 MB a third of what Portkey adds. Processor time: a request's, of all threads.`,
      await measureSizes(load, sides, directory),
      `### ${CONNECTIONS} connections, 160 kB\n\nTarget: at least ${RATE_MIN} of the floor's requests per second.`,
      await measureRates(load, sides, directory),
      `### Compressed audio, beside ffmpeg alone\n\nffmpeg with the gateway's arguments, writing the samples into a file. Target: at most ${DECODED_MAX} times its time and ${DECODED_SPARE_MS} ms.`,
      await measureCompressed(load, sides, directory),
    ].join('\n\n');
  } finally {
    await Promise.all([sides.end(), load.end()]);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measureSizes(load: Load, sides: Sides, directory: string): Promise<string> {
  const rows: string[][] = [];
  const { direct, floor, portkey, gateway, byLoudness } = sides;
  for (const size of SIZES) {
    console.error(`overhead: ${size.name}`);
    const path = join(directory, 'recording.wav');
    writeFileSync(path, size.wav());
    const task = {
      path,
      filename: 'recording.wav',
      vary: { samplesAt: VOICED_AT },
      connections: 1,
      count: size.requests,
      ...(size.padTo && { padTo: size.padTo }),
    };
    const measured = await measureInTurn(load, [direct, floor, portkey, gateway, byLoudness], size, task);
    rows.push(...sizeRows(size, sides, (side) => measured.get(side.name) as Measured));
  }
  return table(['', '', 'median', 'p95', 'added, median', "÷ floor's", '', "÷ Portkey's", '', 'processor time'], rows);
}

function sizeRows(size: Size, sides: Sides, of: (side: Side) => Measured): string[][] {
  const { direct, floor, portkey, gateway, byLoudness } = sides;
  const directMs = median(of(direct).ms);
  const added = (side: Side) => median(of(side).ms) - directMs;
  return [direct, floor, portkey, gateway, byLoudness].map((side) => {
    const own = of(side);
    const isOurs = side === gateway || side === byLoudness;
    const judge = (isMet: boolean) => (side === gateway ? verdict(isMet) : isMet ? 'would meet' : 'would miss');
    const { spareMs, belowPortkey } = size;
    return [
      size.name,
      side.name,
      inMs(median(own.ms)),
      inMs(percentile(own.ms, 0.95)),
      side === direct ? 'baseline' : inMs(added(side)),
      side === direct ? '' : (added(side) / added(floor)).toFixed(2),
      isOurs && spareMs !== undefined ? judge(added(side) <= ADDED_MAX * added(floor) + spareMs) : '',
      isOurs ? (added(side) / added(portkey)).toFixed(2) : '',
      isOurs && belowPortkey !== undefined ? judge(added(side) * belowPortkey <= added(portkey)) : '',
      inMs(own.processorMs),
    ];
  });
}

async function measureRates(load: Load, sides: Sides, directory: string): Promise<string> {
  console.error(`overhead: ${CONNECTIONS} connections`);
  const { direct, floor, portkey, gateway, byLoudness } = sides;
  const all = [direct, floor, portkey, gateway, byLoudness];
  const path = join(directory, 'recording.wav');
  writeFileSync(path, clip(5));
  const task = {
    path,
    filename: 'recording.wav',
    vary: { samplesAt: VOICED_AT },
    connections: CONNECTIONS,
    forMs: RATE_MS,
  };
  const measured = await measureInTurn(load, all, { rounds: RATE_ROUNDS }, task);
  const rate = (side: Side) => median((measured.get(side.name) as Measured).rates);
  return table(
    ['', 'requests/s, median', "÷ floor's", '', 'latency, median', 'p95'],
    all.map((side) => {
      const { ms } = measured.get(side.name) as Measured;
      const share = rate(side) / rate(floor);
      return [
        side.name,
        rate(side).toFixed(0),
        share.toFixed(2),
        side === gateway ? verdict(share >= RATE_MIN) : side === floor ? 'baseline' : '',
        inMs(median(ms)),
        inMs(percentile(ms, 0.95)),
      ];
    }),
  );
}

async function measureCompressed(load: Load, { gateway, byLoudness }: Sides, directory: string): Promise<string> {
  const rows: string[][] = [];
  for (const { name, seconds, rounds } of LENGTHS) {
    for (const [format, codec] of Object.entries(FORMATS) as [keyof typeof FORMATS, string[]][]) {
      console.error(`overhead: ${name} of ${format}`);
      const path = join(directory, `recording.${format}`);
      encode(seconds, path, codec);
      const task = { path, filename: `recording.${format}`, vary: 'prompt' as const, connections: 1, count: 1 };
      const alone: number[] = [];
      const times = new Map([gateway, byLoudness].map((side): [Side, number[]] => [side, []]));
      for (let round = 0; round < rounds; round += 1) {
        alone.push(await decode(path, DEMUXERS[format], join(directory, 'samples')));
        const measured = await measureInTurn(load, [...times.keys()], { rounds: 1, warmUps: 0 }, task);
        for (const [side, ms] of times) ms.push(...(measured.get(side.name)?.ms ?? []));
      }
      const limitMs = DECODED_MAX * median(alone) + DECODED_SPARE_MS;
      rows.push([
        `${format}, ${name}`,
        'ffmpeg alone',
        inSeconds(median(alone)),
        inSeconds(percentile(alone, 0.95)),
        '',
        'baseline',
      ]);
      for (const [side, ms] of times) {
        const isMet = median(ms) <= limitMs;
        rows.push([
          `${format}, ${name}`,
          side.name,
          inSeconds(median(ms)),
          inSeconds(percentile(ms, 0.95)),
          (median(ms) / median(alone)).toFixed(2),
          side === gateway ? verdict(isMet) : isMet ? 'would meet' : 'would miss',
        ]);
      }
    }
  }
  return table(['', '', 'time, median', 'p95', "÷ ffmpeg's", ''], rows);
}

/** As `src/ingest/ffmpeg.ts` has it. */
function decode(path: string, demuxer: string, target: string): Promise<number> {
  const startedMs = performance.now();
  const samples = openSync(target, 'w');
  const args = [
    '-hide_banner',
    '-nostdin',
    '-nostats',
    '-loglevel',
    'level+info',
    '-threads',
    '1',
    '-protocol_whitelist',
    'file',
  ];
  if (demuxer === 'mov') args.push('-enable_drefs', '0', '-use_absolute_path', '0');
  args.push(
    '-f',
    demuxer,
    '-i',
    `file:${path}`,
    '-map',
    '0:a:0',
    '-vn',
    '-sn',
    '-dn',
    '-map_metadata',
    '-1',
    '-ac',
    '1',
  );
  args.push('-ar', '16000', '-threads', '1', '-c:a', 'pcm_s16le', '-f', 's16le', '-flush_packets', '0', 'pipe:1');
  const child = spawn('ffmpeg', args, { stdio: ['ignore', samples, 'ignore'] });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      closeSync(samples);
      if (code === 0) resolve(performance.now() - startedMs);
      else reject(new Error(`ffmpeg ended with ${code}.`));
    });
  });
}
