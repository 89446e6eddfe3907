// A rush of requests for five models on 1 to 8 devices whose memory does not hold them all: how long devices stand idle while
// work waits, how often models are swapped, and who waits for how long. The same rush, sent at the same moments, to the
// gateway as it is and to the gateway with its queue first come, first served; then the price of one decision.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { EngineNote } from './engine-watch.ts';
import { inSeconds, median, percentile, table, verdict } from './figures.ts';
import { BIN, Gateway, PACED_ENGINE, ROOT } from './gateway.ts';
import { clip } from './speech.ts';

/**
 * Each device has ten seconds of work, sent at three times the pace at which it can be done. A clip takes an engine of many
 * twice as long, so that a small machine can keep up with them.
 */
const HOUSES = [
  { devices: 1, requests: 20, runMs: 500 },
  { devices: 2, requests: 40, runMs: 500 },
  { devices: 4, requests: 40, runMs: 1000 },
  { devices: 8, requests: 80, runMs: 1000 },
];
type House = (typeof HOUSES)[number];
const CLIP_SECONDS = 5;
const WAV_HEADER_BYTES = 44;
const RUSH_MS = 3_000;
/** Less than usual, so that swaps and ageing are seen within seconds; in the usual proportion to each other and to a run. */
const AGING_MS = 4_500;
const RESIDENCY_MS = 1_500;
const SETTINGS = {
  MODEL_RESIDENCY_SECONDS: String(RESIDENCY_MS / 1000),
  MODEL_SPREAD_SECONDS: '9',
  MODEL_IDLE_SECONDS: '0',
  PACED_START_MS: '200',
};
const SIDES = [
  { name: 'gateway', agingMs: AGING_MS },
  { name: 'first come, first served', agingMs: 0 },
] as const;
const IDLE_MAX = 0.02;
const DECISION_MAX_US = 10;
/** Between two looks at who is busy. */
const STEP_MS = 2;

/** Room for the small ones together, for medium and small, or for large alone; see `writeModels` for what each takes. */
const DEVICE_MEMORY_MB = 2_000;
const MODELS = [
  { name: 'bench-tiny', rank: 0, share: 0.4, state: 384, layers: 4 },
  { name: 'bench-base', rank: 1, share: 0.25, state: 512, layers: 6 },
  { name: 'bench-small', rank: 2, share: 0.15, state: 768, layers: 12 },
  { name: 'bench-medium', rank: 3, share: 0.1, state: 1024, layers: 24 },
  { name: 'bench-large', rank: 4, share: 0.1, state: 1280, layers: 32 },
] as const;
type ModelName = (typeof MODELS)[number]['name'];

interface Asked {
  model: ModelName;
  rank: number;
  /** Of this machine's clock. */
  sentAt: number;
  answeredAt: number;
}

interface Measured {
  house: House;
  rushes: Rush[];
}

interface Rush {
  asked: Asked[];
  /** When all of them waited for a device and for nothing else. */
  queuedAt: number;
  notes: EngineNote[];
}

export async function measureScheduling(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-scheduling-'));
  try {
    await writeModels(directory);
    const measured: Measured[] = [];
    for (const [index, house] of HOUSES.entries()) {
      await writeMachine(directory, house.devices);
      // By turns first, so that neither side always has the quieter machine.
      const order = index % 2 === 0 ? [0, 1] : [1, 0];
      const both: Rush[] = [];
      for (const side of order) both[side] = await rush(directory, house, SIDES[side]?.agingMs ?? 0);
      measured.push({ house, rushes: both });
    }
    return [...report(measured), await reportDecisions()].join('\n\n');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function rush(directory: string, { devices, requests, runMs }: House, agingMs: number): Promise<Rush> {
  const watched = join(directory, `${devices}-${agingMs}.jsonl`);
  await writeFile(watched, '');
  const gateway = await Gateway.start({
    devices,
    speed: (CLIP_SECONDS * 1000) / runMs,
    engine: join(directory, 'engine.sh'),
    settings: {
      ...SETTINGS,
      SCHEDULE_AGING_SECONDS: String(agingMs / 1000),
      PATH: `${directory}:${BIN}:${process.env.PATH}`,
      DEVICES: Array.from({ length: devices }, (_, index) => `cuda:${index}`).join(','),
      MODELS_DIR: directory,
      DEFAULT_MODEL: MODELS[0].name,
      ENGINE_WATCH: watched,
    },
  });
  try {
    const random = randomFrom(devices);
    const wav = clip(CLIP_SECONDS);
    const audio = new Blob([new Uint8Array(wav)]);
    const silence = new Blob([new Uint8Array(wav).fill(0, WAV_HEADER_BYTES)]);
    const planned = Array.from({ length: requests }, () => ({
      model: pick(random()),
      afterMs: random() * RUSH_MS,
    }));
    const startedMs = performance.now();
    const all = Promise.all(
      planned.map(async ({ model, afterMs }) => {
        await sleep(Math.max(0, startedMs + afterMs - performance.now()));
        return ask(gateway.url, model, audio);
      }),
    );
    await sleep(RUSH_MS);
    // Nobody speaks in it, so it is answered without a device as soon as it was decoded, and those before it were too.
    await ask(gateway.url, MODELS[0], silence);
    const queuedAt = now();
    const asked = await all;
    const lines = (await readFile(watched, 'utf8')).trim().split('\n');
    return { asked, queuedAt, notes: lines.map((line) => JSON.parse(line) as EngineNote) };
  } finally {
    await gateway.end();
  }
}

async function ask(url: string, { name, rank }: (typeof MODELS)[number], audio: Blob): Promise<Asked> {
  const form = new FormData();
  form.append('model', name);
  form.append('language', 'en');
  form.append('file', audio, 'audio.wav');
  const sentAt = now();
  const answer = await fetch(`${url}/v1/audio/transcriptions`, {
    method: 'POST',
    body: form,
    headers: { 'cache-control': 'no-store' },
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`The gateway answered ${answer.status}: ${text}`);
  return { model: name, rank, sentAt, answeredAt: now() };
}

/** Shares of the devices' time from when all requests have come to the last start of a run. */
interface Use {
  /** While work waited. */
  idle: number;
  swapping: number;
  running: number;
  /** On a device whose model stays, until the next run. */
  pauseMs: number;
  swaps: number;
}

/** Looks at all devices every few milliseconds: is any engine on it running, loading or leaving, and does anybody wait? */
function useOf({ asked, queuedAt, notes }: Rush, devices: number): Use {
  const runs = intervals(notes, 'run', ['ran', 'end']);
  const swaps = [...intervals(notes, 'begin', ['ready', 'end']), ...replacements(notes)];
  const lastAt = Math.max(...runs.map(({ from }) => from));
  const use = { idle: 0, swapping: 0, running: 0 };
  let waitingSteps = 0;
  for (let at = queuedAt; at < lastAt; at += STEP_MS) {
    const isAt = ({ from, to }: Interval) => from <= at && at < to;
    const running = new Set(runs.filter(isAt).map(({ device }) => device));
    const swapping = new Set(swaps.filter(isAt).map(({ device }) => device));
    const outstanding = asked.filter(({ sentAt, answeredAt }) => sentAt <= at && at < answeredAt).length;
    // As many again may be on their way out; beyond those, somebody waits for a device.
    if (outstanding <= 2 * devices) continue;
    waitingSteps += devices;
    const isSwapping = [...swapping].filter((device) => !running.has(device)).length;
    use.running += running.size;
    use.swapping += isSwapping;
    use.idle += devices - running.size - isSwapping;
  }
  const swapped = notes.filter(({ what, at }) => what === 'stop' && at <= lastAt).length;
  return {
    idle: use.idle / waitingSteps,
    swapping: use.swapping / waitingSteps,
    running: use.running / waitingSteps,
    pauseMs: median(pauses(runs, swaps)),
    swaps: swapped,
  };
}

function pauses(runs: Interval[], swaps: Interval[]): number[] {
  return runs.flatMap(({ device, to }) => {
    const next = Math.min(...runs.filter((run) => run.device === device && run.from >= to).map(({ from }) => from));
    const isSwapped = swaps.some((swap) => swap.device === device && swap.from >= to && swap.from < next);
    return isSwapped || next === Number.POSITIVE_INFINITY ? [] : [next - to];
  });
}

interface Interval {
  device: string;
  from: number;
  to: number;
}

/** From each note of the one kind to the same engine's next of the others. */
function intervals(notes: EngineNote[], begins: EngineNote['what'], ends: EngineNote['what'][]): Interval[] {
  return notes
    .filter(({ what }) => what === begins)
    .map(({ at, engine, device }) => {
      const end = notes.find((note) => note.engine === engine && note.at >= at && ends.includes(note.what));
      return { device, from: at, to: end?.at ?? Number.POSITIVE_INFINITY };
    });
}

/** From the moment an engine is asked to leave until another is ready on its device. */
function replacements(notes: EngineNote[]): Interval[] {
  return notes
    .filter(({ what }) => what === 'stop')
    .map(({ at, device }) => {
      const next = notes.find((note) => note.device === device && note.at >= at && note.what === 'ready');
      const end = notes.find((note) => note.device === device && note.at >= at && note.what === 'end');
      return { device, from: at, to: next?.at ?? end?.at ?? at };
    });
}

/** What DESIGN.md of the scheduler proves: R·A + n·(Q + S + 2T). S, T and n as measured. */
function boundsOf({ asked, notes }: Rush, house: House, agingMs: number): { waitMs: number; boundMs: number }[] {
  const longest = (of: Interval[]) => Math.max(0, ...of.map(({ from, to }) => to - from).filter(Number.isFinite));
  const runMs = longest(intervals(notes, 'run', ['ran', 'end']));
  const startMs = longest([...intervals(notes, 'begin', ['ready']), ...replacements(notes)]);
  const turnMs = RESIDENCY_MS + runMs + 2 * startMs;
  return asked.map((one) => {
    const agedAt = one.sentAt + one.rank * agingMs;
    const others = asked.filter((other) => other !== one && other.sentAt <= agedAt && other.answeredAt > agedAt);
    return { waitMs: waitOf(one, house), boundMs: one.rank * agingMs + (others.length + 1) * turnMs };
  });
}

const waitOf = ({ sentAt, answeredAt }: Asked, { runMs }: House) => answeredAt - sentAt - runMs;

function report(measured: Measured[]): string[] {
  const rows = measured.flatMap(({ house, rushes }) =>
    rushes.map((rush, side) => {
      const { idle, swapping, running, pauseMs, swaps } = useOf(rush, house.devices);
      const tookMs =
        Math.max(...rush.asked.map(({ answeredAt }) => answeredAt)) -
        Math.min(...rush.asked.map(({ sentAt }) => sentAt));
      return [
        String(house.devices),
        SIDES[side]?.name ?? '',
        String(rush.asked.length),
        inSeconds(tookMs),
        percent(running),
        percent(swapping),
        percent(idle),
        side === 0 ? verdict(idle <= IDLE_MAX) : 'baseline',
        `${pauseMs.toFixed(0)} ms`,
        ((1000 * swaps) / rush.asked.length).toFixed(0),
      ];
    }),
  );
  const waits = measured.flatMap(({ house, rushes }) =>
    rushes.map((rush, side) => [
      String(house.devices),
      SIDES[side]?.name ?? '',
      ...MODELS.map(({ name }) => {
        const ms = rush.asked.filter(({ model }) => model === name).map((one) => waitOf(one, house));
        return ms.length === 0 ? '–' : `${inSeconds(median(ms))} / ${inSeconds(percentile(ms, 0.95))}`;
      }),
      inSeconds(median(rush.asked.map((one) => waitOf(one, house)))),
    ]),
  );
  const bounds = measured.flatMap(({ house, rushes }) =>
    rushes.map((rush, side) => {
      const all = boundsOf(rush, house, SIDES[side]?.agingMs ?? 0);
      const [closest] = all.toSorted((a, b) => b.waitMs / b.boundMs - a.waitMs / a.boundMs);
      const worstMs = Math.max(...all.map(({ waitMs }) => waitMs));
      const { waitMs, boundMs } = closest ?? { waitMs: 0, boundMs: 1 };
      return [
        String(house.devices),
        SIDES[side]?.name ?? '',
        inSeconds(worstMs),
        `${inSeconds(waitMs)} of ${inSeconds(boundMs)}`,
        percent(waitMs / boundMs),
        side === 0 ? verdict(waitMs <= boundMs) : 'baseline',
      ];
    }),
  );
  return [
    `## bench/scheduling: a rush of requests for ${MODELS.length} models on devices that do not hold them all`,
    `Ten seconds of work for each device within ${inSeconds(RUSH_MS)}, in clips of 0.5 s of an engine's time on 1 and 2 devices and of 1 s on 4 and 8: ${MODELS.map(({ name, share }) => `${(100 * share).toFixed(0)} % ${name.replace('bench-', '')}`).join(', ')}. Ageing ${inSeconds(AGING_MS)}, residency ${inSeconds(RESIDENCY_MS)}. Both sides one after the other, by turns first, with the same requests at the same moments. Shares: of the devices' time from when all requests have come, while any waits. Target: idle at most ${percent(IDLE_MAX)}.`,
    table(
      [
        'devices',
        '',
        'requests',
        'took',
        'running',
        'swapping',
        'idle',
        '',
        'pause after a run, median',
        'swaps per 1,000',
      ],
      rows,
    ),
    'Wait, median / p95: from the first byte sent to the end of the answer, less the own time on the engine.',
    table(['devices', '', ...MODELS.map(({ name }) => name.replace('bench-', '')), 'all, median'], waits),
    'The wait that came closest to its bound, R·A + n·(Q + S + 2T) of `src/schedule/DESIGN.md`, with S, T and n as they were. Target: within it.',
    table(['devices', '', 'longest wait', 'closest to its bound', 'share', ''], bounds),
  ];
}

interface DecisionCosts {
  waiting: number;
  models: number;
  devices: number;
  sides: { name: string; medianUs: number; p95Us: number }[];
}

/** Measured inside, where no network is: one program runs the scheduler and a plain queue by turns. */
async function reportDecisions(): Promise<string> {
  const { stdout } = await promisify(execFile)(join(BIN, 'node'), ['src/schedule/decision-cost.ts'], { cwd: ROOT });
  const { waiting, models, devices, sides } = JSON.parse(stdout) as DecisionCosts;
  const baselineUs = sides.at(-1)?.medianUs ?? Number.NaN;
  const rows = sides.map(({ name, medianUs, p95Us }, index) => [
    name,
    `${medianUs.toFixed(2)} µs`,
    `${p95Us.toFixed(2)} µs`,
    (medianUs / baselineUs).toFixed(1),
    index < sides.length - 1 ? verdict(medianUs <= DECISION_MAX_US) : 'baseline',
  ]);
  return [
    `Who is next, with ${waiting.toLocaleString('en')} requests waiting for ${models} models on ${devices} devices: the time from one release to the next, all that it sets off included, on average over the whole queue. Median and p95 of repetitions by turns. Target: at most ${DECISION_MAX_US} µs.`,
    table(['', 'per decision, median', 'p95', 'times the array', ''], rows),
  ].join('\n\n');
}

/** True headers and no weights: a file takes the memory that the dimensions say, less the weights that are not there. */
async function writeModels(directory: string): Promise<void> {
  for (const { name, state, layers } of MODELS) {
    const header = [0x67676d6c, 51_865, 1500, state, state / 64, layers, 448, state, state / 64, layers, 80, 1];
    await writeFile(join(directory, `ggml-${name}.bin`), Buffer.from(Int32Array.from(header).buffer));
  }
}

/** A machine that has so many graphics cards, as `nvidia-smi` would tell, and the engine under watch. */
async function writeMachine(directory: string, devices: number): Promise<void> {
  const cards = Array.from(
    { length: devices },
    (_, index) => `${index}, GPU-${index}, Card, ${DEVICE_MEMORY_MB}, 0, ${DEVICE_MEMORY_MB}, 0`,
  );
  const scripts = {
    'nvidia-smi': `cat <<END\n${cards.join('\n')}\nEND`,
    'engine.sh': `exec node --import ${join(ROOT, 'bench/engine-watch.ts')} ${PACED_ENGINE} "$@"`,
  };
  for (const [name, body] of Object.entries(scripts)) {
    await writeFile(join(directory, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
}

function pick(dice: number): (typeof MODELS)[number] {
  let left = dice;
  for (const model of MODELS) {
    left -= model.share;
    if (left < 0) return model;
  }
  return MODELS[0];
}

/** Mulberry32: the same requests on both sides and on every machine. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const now = () => performance.timeOrigin + performance.now();
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
