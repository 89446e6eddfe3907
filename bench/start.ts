// How long `npm start` takes, where everything is set up, to the first request that is accepted and to the first transcript of
// a real engine. Beside them npm starting a server that does nothing else than listen, and the engine started by hand.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inSeconds, median, percentile, table, verdict } from './figures.ts';
import { MODEL, ROOT, START } from './gateway.ts';
import { ENGINE, freePort } from './programs.ts';
import { PATH } from './sides.ts';
import { clip } from './speech.ts';

const ROUNDS = 5;
const ACCEPTED_MS_MAX = 1_000;
const POLL_MS = 5;
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;
const CLIP_SECONDS = 5;

interface Started {
  acceptedMs: number;
  transcriptMs?: number;
}

export async function measureStart(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-start-'));
  const bare = join(directory, 'bare');
  mkdirSync(bare);
  const listens = "require('http').createServer((_, answer) => answer.end()).listen(process.env.PORT, '127.0.0.1')";
  writeFileSync(
    join(bare, 'package.json'),
    JSON.stringify({ name: 'bare', scripts: { start: `node -e "${listens}"` } }),
  );
  try {
    const times = {
      bare: [] as Started[],
      source: [] as Started[],
      npm: [] as Started[],
      engine: [] as Started[],
    };
    const [program = '', ...args] = START;
    for (let round = 0; round < ROUNDS; round += 1) {
      console.error(`start: round ${round + 1} of ${ROUNDS}`);
      const data = join(directory, `data-${round}`);
      times.bare.push(await start('npm', ['start', '--silent'], bare, {}));
      times.source.push(await start(program, args, ROOT, { DATA_DIR: `${data}-source` }));
      times.npm.push(await start('npm', ['start'], ROOT, { DATA_DIR: data }, PATH));
      times.engine.push(await start(ENGINE, await engineArguments(), ROOT, {}, '/inference'));
    }
    return report(times);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function report(times: Record<'bare' | 'source' | 'npm' | 'engine', Started[]>): string {
  const accepted = (name: keyof typeof times) => times[name].map(({ acceptedMs }) => acceptedMs);
  const transcript = (name: keyof typeof times) => times[name].map(({ transcriptMs }) => transcriptMs ?? Number.NaN);
  const row = (name: string, ms: number[], judged: string) => [
    name,
    inSeconds(median(ms)),
    inSeconds(percentile(ms, 0.95)),
    judged,
  ];
  return [
    '## bench/start',
    `Target: from \`npm start\` to the first accepted request under ${inSeconds(ACCEPTED_MS_MAX)} with set-up done; to the first transcript, of ${CLIP_SECONDS} s of speech by ${MODEL}, what the model's loading and the transcription take besides. ${ROUNDS} rounds, in turn.`,
    table(
      ['', 'median', 'p95', ''],
      [
        row('npm start of a server that only listens: accepted', accepted('bare'), 'baseline'),
        row(`${START.join(' ')}: accepted`, accepted('source'), ''),
        row('npm start: accepted', accepted('npm'), verdict(median(accepted('npm')) < ACCEPTED_MS_MAX)),
        row('whisper-server: first transcript', transcript('engine'), 'baseline'),
        row('npm start: first transcript', transcript('npm'), ''),
      ],
    ),
  ].join('\n\n');
}

async function engineArguments(): Promise<string[]> {
  const model = join(resolve(ROOT, process.env.MODELS_DIR ?? 'models'), `ggml-${MODEL}.bin`);
  return ['-m', model, '-l', 'auto', '-nlp', '-bs', '5', '-bo', '5', '-ng'];
}

/** Starts a server, waits for its first answer and, where a route is named, for the first transcript from it. */
async function start(
  command: string,
  args: string[],
  cwd: string,
  settings: Record<string, string>,
  route?: string,
): Promise<Started> {
  const port = String(await freePort());
  const url = `http://127.0.0.1:${port}`;
  const startedMs = performance.now();
  const environment = { PORT: port, DEFAULT_MODEL: MODEL, DEVICES: 'cpu', LOG_LEVEL: 'warn' };
  const child = spawn(command, command === ENGINE ? [...args, '--port', port] : args, {
    cwd,
    detached: true, // npm's children are to be ended with it
    stdio: 'ignore',
    env: { ...process.env, ...environment, ...settings },
  });
  const killWithUs = () => signal(child, 'SIGKILL');
  process.once('exit', killWithUs);
  try {
    await poll(() => fetch(`${url}/health`).then(({ status }) => status < 500));
    const acceptedMs = performance.now() - startedMs;
    if (!route) return { acceptedMs };
    await poll(() => transcribe(url + route));
    return { acceptedMs, transcriptMs: performance.now() - startedMs };
  } finally {
    await end(child);
    process.off('exit', killWithUs);
  }
}

async function transcribe(url: string): Promise<boolean> {
  const form = new FormData();
  form.append('model', 'whisper-1');
  form.append('file', new Blob([new Uint8Array(clip(CLIP_SECONDS))]), 'clip.wav');
  const answer = await fetch(url, { method: 'POST', body: form });
  return answer.status === 200 && (await answer.text()).includes('text');
}

async function poll(check: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + START_MS_MAX;
  while (!(await check().catch(() => false))) {
    if (performance.now() > deadlineMs) throw new Error('The server did not answer in time.');
    await sleep(POLL_MS);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.once('close', resolve));
  signal(child, 'SIGTERM');
  const isOver = await Promise.race([closed.then(() => true), sleep(STOP_MS_MAX, false, { ref: false })]);
  if (!isOver) signal(child, 'SIGKILL');
  await closed;
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  try {
    if (child.pid) process.kill(-child.pid, name);
  } catch {
    // It ended meanwhile.
  }
}
