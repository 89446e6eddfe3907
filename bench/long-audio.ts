// An hour of speech on more and more devices: how much sooner it is done than on one, when its first words arrive, and what
// it costs in memory. Beside it the same engine given the whole hour in one piece.

import { type Timed, transcribe } from './client.ts';
import { inSeconds, median, percentile, table, verdict } from './figures.ts';
import { FirstComeFirstServed } from './first-come.ts';
import { Gateway, MemoryWatch } from './gateway.ts';
import { HOUR_SECONDS, type Hour } from './speech.ts';

/**
 * An engine that takes four minutes for the hour: slow enough that two busy cores can listen ahead of eight of them, which
 * is what one process does for one recording after the other.
 */
const SPEED = 15;
/** Chunks are at most this long, by default. */
const CHUNK_SECONDS_MAX = 28;

const SPEED_UP_MIN = 0.9;
const FIRST_TEXT_MS_MAX = (2 * CHUNK_SECONDS_MAX * 1000) / SPEED;
const GROWTH_MB_MAX = 64;

interface Measured extends Timed {
  growthMb: MemoryWatch['growthMb'];
}

export async function measureLongAudio(hour: Hour): Promise<string> {
  const measured = new Map<number, Measured[]>();
  // Engines that wait need no processor, so the shorter runs take place while the two long ones wait.
  const isUnderWay = Promise.withResolvers<void>();
  const [, singlePassMs] = await Promise.all([
    measure(1, 1, hour, isUnderWay.resolve).then((runs) => measured.set(1, runs)),
    isUnderWay.promise.then(() => singlePass(hour)),
    isUnderWay.promise.then(async () => {
      for (const devices of [2, 4]) measured.set(devices, await measure(devices, 1, hour));
    }),
  ]);
  measured.set(8, await measure(8, 2, hour));

  const texts = new Set([...measured.values()].flat().map(({ text }) => text));
  if (texts.size > 1) throw new Error('The same recording has different transcripts on different numbers of devices.');
  const oneMs = median((measured.get(1) ?? []).map(({ totalMs }) => totalMs));
  const rows = [...measured].sort(([a], [b]) => a - b).map(([devices, runs]) => row(devices, runs, oneMs));
  return [
    `## bench/long-audio: ${HOUR_SECONDS} s of speech, engines at ${SPEED} times real time`,
    `Targets: speed-up at least ${SPEED_UP_MIN} N; first text within two chunks, ${inSeconds(FIRST_TEXT_MS_MAX)} (worst run); memory growth of the gateway below ${GROWTH_MB_MAX} MB (worst run). Times from the first byte of the upload.`,
    table(
      [
        'devices',
        'runs',
        'time, median',
        'time, p95',
        'speed-up',
        '',
        'uploaded',
        'first text, median',
        'p95',
        '',
        'memory',
        '',
      ],
      [
        [
          '1, single pass',
          '1',
          inSeconds(singlePassMs),
          '',
          (oneMs / singlePassMs).toFixed(2),
          'baseline',
          '',
          inSeconds(singlePassMs),
          '',
          'baseline',
          '',
          '',
        ],
        ...rows,
      ],
    ),
  ].join('\n\n');
}

function row(devices: number, runs: Measured[], oneMs: number): string[] {
  const totals = runs.map(({ totalMs }) => totalMs);
  const firsts = runs.map(({ firstTextMs }) => firstTextMs);
  const speedUp = oneMs / median(totals);
  const growthMb = Math.max(...runs.map((run) => run.growthMb));
  return [
    String(devices),
    String(runs.length),
    inSeconds(median(totals)),
    inSeconds(percentile(totals, 0.95)),
    speedUp.toFixed(2),
    verdict(speedUp >= SPEED_UP_MIN * devices),
    inSeconds(median(runs.map(({ uploadedMs }) => uploadedMs))),
    inSeconds(median(firsts)),
    inSeconds(percentile(firsts, 0.95)),
    verdict(Math.max(...firsts) <= FIRST_TEXT_MS_MAX),
    `${growthMb.toFixed(0)} MB`,
    verdict(growthMb < GROWTH_MB_MAX),
  ];
}

async function measure(devices: number, count: number, hour: Hour, onText?: () => void): Promise<Measured[]> {
  const gateway = await Gateway.start({ devices, speed: SPEED });
  try {
    const runs: Measured[] = [];
    while (runs.length < count) {
      const memory = await MemoryWatch.start(gateway);
      const timed = await transcribe(gateway.url, hour.path, { ...(onText && { onText }) }).finally(() =>
        memory.stop(),
      );
      runs.push({ ...timed, growthMb: memory.growthMb });
      console.error(
        `${devices} devices: ${inSeconds(timed.totalMs)}, first text after ${inSeconds(timed.firstTextMs)}`,
      );
    }
    return runs;
  } finally {
    await gateway.end();
  }
}

async function singlePass(hour: Hour): Promise<number> {
  const engine = await FirstComeFirstServed.start(1, SPEED);
  try {
    const startedMs = performance.now();
    await engine.transcribe(hour.wav);
    return performance.now() - startedMs;
  } finally {
    await engine.end();
  }
}
