// Real inference: what the gateway adds to the engine's own time, and how many engines of how many threads a device should run.
// On a machine with an NVIDIA GPU also what it does with published models, one to eight engines on a GPU and one to 32 clients.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inMs, inSeconds, median, percentile, table, verdict } from './figures.ts';
import { Gateway, ROOT } from './gateway.ts';
import { answers, ENGINE, freePort, Load, Program, until } from './programs.ts';
import { PATH } from './sides.ts';
import { clip, VOICED_AT } from './speech.ts';

const CLIP_SECONDS = 11;
const MODELS = ['tiny', 'base.en'];
const ROUNDS = 15;
const RATIO_MAX = 1.02;
const CLIENTS = 4;

const GPU = {
  models: ['tiny', 'base', 'large-v3-turbo', 'large-v3'],
  clients: [1, 2, 4, 8, 16, 32],
  processes: [1, 2, 4, 8],
  forMs: 5_000,
};

export async function measureEngines(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-engines-'));
  const path = join(directory, 'clip.wav');
  writeFileSync(path, clip(CLIP_SECONDS));
  const load = Load.start();
  try {
    return [
      `## bench/engines: real inference of a clip of ${CLIP_SECONDS} s`,
      `Gateway and whisper-server in turn, the same fields and flags, ${ROUNDS} rounds. The ratio is the median of the rounds' own. Target: at most ${RATIO_MAX}.`,
      await compareWithDirect(load, path),
      await sweep(load, path),
      await measureGpu(load, path, directory),
    ].join('\n\n');
  } finally {
    await load.end();
    rmSync(directory, { recursive: true, force: true });
  }
}

const modelPath = (model: string) => join(resolve(ROOT, process.env.MODELS_DIR ?? 'models'), `ggml-${model}.bin`);
const present = (models: string[]) => models.filter((model) => existsSync(modelPath(model)));
const onCpu = (settings: Record<string, string>) => ({
  devices: 1,
  engine: ENGINE,
  settings: { ...settings, DEVICES: 'cpu' },
});

/** As the gateway sends them (`src/pool/client.ts`). */
const FIELDS = {
  response_format: 'verbose_json',
  language: 'en',
  translate: 'false',
  temperature: '0',
  temperature_inc: '0.2',
  beam_size: '5',
  best_of: '5',
  entropy_thold: '2.4',
  logprob_thold: '-1',
  no_speech_thold: '0.6',
  suppress_nst: 'true',
  max_len: '-1',
  no_language_probabilities: 'true',
};

async function compareWithDirect(load: Load, path: string): Promise<string> {
  const rows: string[][] = [];
  for (const model of present(MODELS)) {
    console.error(`engines: ${model} beside whisper-server`);
    const threads = availableParallelism();
    const direct = await startEngine(model, threads);
    const gateway = await Gateway.start(onCpu({ DEFAULT_MODEL: model, THREADS_PER_ENGINE: String(threads) }));
    try {
      const task = { path, filename: 'clip.wav', vary: { samplesAt: VOICED_AT }, connections: 1, count: 1 };
      const send = {
        direct: () => load.run({ ...task, url: `${direct.url}/inference`, fields: FIELDS }),
        gateway: () => load.run({ ...task, url: gateway.url + PATH, fields: { model, language: 'en' } }),
      };
      const ms = { direct: [] as number[], gateway: [] as number[] };
      for (let round = 0; round <= ROUNDS; round += 1) {
        for (const side of round % 2 ? (['direct', 'gateway'] as const) : (['gateway', 'direct'] as const)) {
          const result = await send[side]();
          if (round > 0) ms[side].push(...result.ms);
        }
      }
      console.error(
        `engines: ${model}: ${inMs(median(ms.direct))} direct, ${inMs(median(ms.gateway))} through the gateway`,
      );
      const ratio = median(ms.gateway.map((value, round) => value / (ms.direct[round] ?? Number.NaN)));
      rows.push(
        [model, 'whisper-server direct', inMs(median(ms.direct)), inMs(percentile(ms.direct, 0.95)), '', 'baseline'],
        [
          ...[model, 'gateway', inMs(median(ms.gateway)), inMs(percentile(ms.gateway, 0.95))],
          ...[ratio.toFixed(3), verdict(ratio <= RATIO_MAX)],
        ],
      );
    } finally {
      await Promise.all([direct.end(), gateway.end()]);
    }
  }
  return table(['model', '', 'median', 'p95', 'ratio', ''], rows);
}

async function startEngine(model: string, threads: number): Promise<Program> {
  const port = await freePort();
  const flags = ['-t', String(threads), '-l', 'auto', '-nlp', '-bs', '5', '-bo', '5', '-ml', '-1', '-sns', '-ng'];
  const child = spawn(ENGINE, ['-m', modelPath(model), '--port', String(port), ...flags], {
    stdio: 'ignore',
    env: { ...process.env, OMP_WAIT_POLICY: 'passive' }, // as the gateway starts it
  });
  const program = new Program(child, `http://127.0.0.1:${port}`);
  await until(() => answers(`${program.url}/health`), 'whisper-server');
  return program;
}

/** Every sensible split of this machine's processors, each by itself: one client's latency, and what several get done. */
async function sweep(load: Load, path: string): Promise<string> {
  const processors = availableParallelism();
  const counts = [...new Set([1, 2, Math.ceil(processors / 2), processors, 2 * processors])].sort((a, b) => a - b);
  const splits = counts
    .flatMap((processes) => counts.map((threads) => ({ processes, threads })))
    .filter(({ processes, threads }) => processes * threads <= 2 * processors && processes <= processors);
  const rows: string[][] = [];
  for (const model of present(MODELS)) {
    const measured: { processes: number; threads: number; oneMs: number; rate: number }[] = [];
    for (const split of splits) {
      console.error(`engines: ${model}, ${split.processes} × ${split.threads} threads`);
      const settings = { SLOTS_PER_DEVICE: String(split.processes), THREADS_PER_ENGINE: String(split.threads) };
      const gateway = await Gateway.start({
        ...onCpu({ ...settings, DEFAULT_MODEL: model }),
        engines: split.processes,
      });
      try {
        const task = { url: gateway.url + PATH, fields: { model, language: 'en' }, path, filename: 'clip.wav' };
        const fresh = { ...task, vary: { samplesAt: VOICED_AT } };
        const one = await load.run({ ...fresh, connections: 1, count: 2 });
        const many = await load.run({ ...fresh, connections: CLIENTS, count: CLIENTS });
        console.error(`engines: ${inSeconds(median(one.ms))} alone, ${CLIENTS} in ${inSeconds(many.tookMs)}`);
        measured.push({ ...split, oneMs: median(one.ms), rate: many.ms.length / (many.tookMs / 1000) });
      } finally {
        await gateway.end();
      }
    }
    const best = measured.toSorted((a, b) => b.rate - a.rate)[0];
    for (const one of measured) {
      const isDefault = one.processes === 1 && one.threads === processors;
      rows.push([
        model,
        `${one.processes} × ${one.threads}`,
        inSeconds(one.oneMs),
        one.rate.toFixed(2),
        (one.rate * CLIP_SECONDS).toFixed(1),
        [isDefault && 'default', one === best && 'most requests'].filter(Boolean).join(', '),
      ]);
    }
  }
  return [
    `### Engines and threads on this machine's ${processors} processors`,
    table(['model', 'engines × threads', 'one client', `requests/s, ${CLIENTS} clients`, 'times real time', ''], rows),
  ].join('\n\n');
}

async function measureGpu(load: Load, path: string, directory: string): Promise<string> {
  const head = '### On a GPU';
  const name = gpuName();
  if (name === undefined) {
    console.error('engines: no NVIDIA GPU here; its part is skipped.');
    return `${head}\n\nSkipped: nvidia-smi found no GPU on this machine.`;
  }
  const rows: string[][] = [];
  const models = present(GPU.models);
  for (const model of models) {
    for (const hasFlash of [true, false]) {
      for (const processes of GPU.processes) {
        console.error(`engines: ${model} on ${name}, ${processes} engines, flash attention ${hasFlash ? 'on' : 'off'}`);
        const engine = hasFlash ? ENGINE : withoutFlashAttention(directory);
        const settings = { DEVICES: 'cuda:0', DEFAULT_MODEL: model, SLOTS_PER_DEVICE: String(processes) };
        const gateway = await Gateway.start({ devices: 1, engine, settings, engines: processes });
        try {
          for (const connections of GPU.clients) {
            const { ms, tookMs } = await load.run({
              ...{ url: gateway.url + PATH, fields: { model, language: 'en' }, path, filename: 'clip.wav' },
              ...{ vary: { samplesAt: VOICED_AT }, connections, forMs: GPU.forMs },
            });
            const rate = ms.length / (tookMs / 1000);
            rows.push([
              ...[model, hasFlash ? 'on' : 'off', String(processes), String(connections)],
              ...[rate.toFixed(1), (rate * CLIP_SECONDS).toFixed(0), inMs(median(ms)), inMs(percentile(ms, 0.95))],
            ]);
          }
        } finally {
          await gateway.end();
        }
      }
    }
  }
  const missing = GPU.models.filter((model) => !models.includes(model));
  return [
    head,
    `${name}. Published figures to hold them against: \`PUBLISHED.md\`.${missing.length > 0 ? ` Not on this machine: ${missing.join(', ')}.` : ''}`,
    table(
      ['model', 'flash attention', 'engines', 'clients', 'requests/s', 'times real time', 'latency, median', 'p95'],
      rows,
    ),
  ].join('\n\n');
}

function gpuName(): string | undefined {
  try {
    const said = execFileSync('nvidia-smi', ['--query-gpu=name', '--format=csv,noheader'], { encoding: 'utf8' });
    return said.split('\n')[0]?.trim() || undefined;
  } catch {
    return undefined;
  }
}

/** The gateway has no setting for it, so the engine is given the flag on its way. */
function withoutFlashAttention(directory: string): string {
  const path = join(directory, 'engine-without-flash-attention');
  writeFileSync(path, `#!/bin/sh\nexec '${ENGINE}' "$@" -nfa\n`);
  chmodSync(path, 0o755);
  return path;
}
