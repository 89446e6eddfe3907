// Short clips, one a second, while hour-long recordings keep every device busy: how long a clip waits. The same load at the
// same time in three houses: the gateway; the gateway with its queue set to first come, first served; and the engines with
// nothing but a queue of whole recordings before them. Engines that wait need no processor, so the three share the machine.
import { setTimeout as sleep } from 'node:timers/promises';
import { transcribe } from './client.ts';
import { inSeconds, percentile, table, verdict } from './figures.ts';
import { FirstComeFirstServed } from './first-come.ts';
import { Gateway } from './gateway.ts';
import { CHUNK_SECONDS, clip, type Hour } from './speech.ts';

const DEVICES = 2;
/**
 * A chunk takes an engine a second, so that what two busy cores add to it is little. Whole recordings take it 150 s: who
 * waits for one waits longer than the bench, and has its wait so far counted.
 */
const SPEED = 24;
/** In flight at all times, in each house. */
const RECORDINGS = 3;
const CLIP_SECONDS = 5;
const CLIPS = 60;
const CLIP_EVERY_MS = 1_000;
/** The recordings are sent first. */
const HEAD_START_MS = 2_000;
/** For the last clips, once no more are sent. */
const AFTER_MS = 5_000;

const CHUNK_MS = (CHUNK_SECONDS * 1000) / SPEED;
const WAIT_P95_MAX_CHUNKS = 1.5;
/** The stand-in's own pace: a word for every so much of speech. */
const WORD_SECONDS = 0.4;

interface House {
  name: string;
  /** `onText` as the transcript grows. */
  transcribe(audio: 'hour' | 'clip', onText: (text: string) => void, signal: AbortSignal): Promise<unknown>;
  end(): Promise<void>;
}

interface Waits {
  /** Of every clip; of one without an answer, how long it had waited when the bench was over. */
  ms: number[];
  answered: number;
  /** Speech in the recordings that was transcribed meanwhile. */
  loadSeconds: number;
}

export async function measureMixedLoad(hour: Hour): Promise<string> {
  const houses: House[] = [];
  try {
    houses.push(await gatewayHouse('gateway', hour, {}));
    houses.push(await gatewayHouse('gateway, queue first come, first served', hour, { SCHEDULE_AGING_SECONDS: '0' }));
    houses.push(await bareHouse('engines, whole recordings first come, first served', hour));
    // Not at the same moment, so that no house computes for another's clip.
    const shareMs = CLIP_EVERY_MS / houses.length;
    const waits = await Promise.all(houses.map((house, index) => sleep(index * shareMs).then(() => besiege(house))));
    return report(houses.map((house, index) => [house.name, waits[index] as Waits]));
  } finally {
    await Promise.all(houses.map((house) => house.end()));
  }
}

async function besiege(house: House): Promise<Waits> {
  const over = new AbortController();
  const waits: Waits = { ms: [], answered: 0, loadSeconds: 0 };
  const failures: unknown[] = [];
  const fail = (error: unknown) => {
    if (!over.signal.aborted) failures.push(error);
  };
  const keepBusy = async () => {
    while (!over.signal.aborted) {
      await house.transcribe(
        'hour',
        (text) => {
          waits.loadSeconds += text.trim().split(/\s+/).length * WORD_SECONDS;
        },
        over.signal,
      );
    }
  };
  for (let count = 0; count < RECORDINGS; count += 1) keepBusy().catch(fail);
  await sleep(HEAD_START_MS);

  const unanswered = new Set<number>();
  const ownMs = (CLIP_SECONDS * 1000) / SPEED;
  const firstMs = performance.now();
  for (let count = 0; count < CLIPS; count += 1) {
    await sleep(Math.max(0, firstMs + count * CLIP_EVERY_MS - performance.now()));
    const sentMs = performance.now();
    unanswered.add(sentMs);
    house
      .transcribe('clip', () => {}, over.signal)
      .then(() => {
        unanswered.delete(sentMs);
        waits.ms.push(performance.now() - sentMs - ownMs);
      }, fail);
  }
  await sleep(AFTER_MS);
  waits.answered = waits.ms.length;
  waits.ms.push(...[...unanswered].map((sentMs) => performance.now() - sentMs - ownMs));
  over.abort();
  if (failures.length > 0) throw failures[0];
  return waits;
}

function report(measured: [name: string, Waits][]): string {
  const limitMs = WAIT_P95_MAX_CHUNKS * CHUNK_MS;
  const rows = measured.map(([name, { ms, answered, loadSeconds }], index) => {
    const p95Ms = percentile(ms, 0.95);
    const isAtLeast = answered < ms.length ? '≥ ' : '';
    return [
      name,
      `${answered} of ${ms.length}`,
      `${isAtLeast}${inSeconds(percentile(ms, 0.5))}`,
      `${isAtLeast}${inSeconds(p95Ms)}`,
      `${isAtLeast}${(p95Ms / CHUNK_MS).toFixed(2)}`,
      `${isAtLeast}${inSeconds(Math.max(...ms))}`,
      index === 0 ? verdict(p95Ms <= limitMs) : 'baseline',
      `${(loadSeconds / 60).toFixed(0)} min`,
    ];
  });
  return [
    `## bench/mixed-load: ${RECORDINGS} hour-long recordings at all times and a ${CLIP_SECONDS}-s clip every second, on ${DEVICES} engines at ${SPEED} times real time`,
    `Wait: from the first byte sent to the end of the answer, less the ${inSeconds((CLIP_SECONDS * 1000) / SPEED)} that the engine takes for a clip. One chunk of a recording takes ${inSeconds(CHUNK_MS)}. Target: p95 at most ${WAIT_P95_MAX_CHUNKS} chunks, ${inSeconds(limitMs)}. All three in one run, at the same time.`,
    table(
      [
        '',
        'clips answered',
        'wait, median',
        'p95',
        'p95 in chunks',
        'longest',
        '',
        'speech of the recordings, meanwhile',
      ],
      rows,
    ),
  ].join('\n\n');
}

async function gatewayHouse(name: string, hour: Hour, settings: Record<string, string>): Promise<House> {
  const gateway = await Gateway.start({ devices: DEVICES, speed: SPEED, settings });
  const short = clip(CLIP_SECONDS);
  return {
    name,
    transcribe: (audio, onText, signal) =>
      transcribe(gateway.url, audio === 'hour' ? hour.path : short, { onText, signal }),
    end: () => gateway.end(),
  };
}

async function bareHouse(name: string, hour: Hour): Promise<House> {
  const engines = await FirstComeFirstServed.start(DEVICES, SPEED);
  const short = clip(CLIP_SECONDS);
  return {
    name,
    async transcribe(audio, onText) {
      onText(await engines.transcribe(audio === 'hour' ? hour.wav : short));
    },
    end: () => engines.end(),
  };
}
