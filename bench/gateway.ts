// Starts the real gateway on stand-in engines, and knows it from outside: its settings, its log and its memory. What is
// started here is ended here, whatever happens to the bench.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { transcribe } from './client.ts';
import { clip } from './speech.ts';

export const ROOT = join(import.meta.dirname, '..');
export const PACED_ENGINE = join(ROOT, 'backends/paced/server.mjs');
export const BIN = join(ROOT, 'node_modules/.bin');
export const MODEL = 'tiny-q5_1';
/** What `npm start` runs, with the flags that Node is given there. Found by the PATH, like in npm. */
export const START: readonly string[] = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
).scripts.start.split(' ');

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
const POLL_MS = 50;
/** Clips sent at once to make every device start its engines. */
const WARM_UP_CLIPS_PER_ENGINE = 3;
const WARM_UP_CLIP_SECONDS = 10;

export interface GatewayOptions {
  devices: number;
  /** Times real time, of each device, where the engine is paced. */
  speed?: number;
  /** A program instead of the paced engine; null for the one that the gateway finds. */
  engine?: string | null;
  /** How many engines to wait for, where a device runs more than one. */
  engines?: number;
  /** As on a machine where the voice activity model could not be had: speech is told from silence by loudness alone. */
  withoutVoiceModel?: boolean;
  settings?: Record<string, string>;
}

export class Gateway {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #killWithUs: () => void;
  #url: string | undefined;
  #readyCount = 0;
  #complaint = '';

  private constructor(
    { devices, speed, engine = PACED_ENGINE, settings }: GatewayOptions,
    directory: string,
    root: string,
  ) {
    this.#directory = directory;
    const [program = '', ...args] = START;
    this.#child = spawn(program, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        HOME: process.env.HOME,
        // The stand-in engine is a script for this same Node.
        PATH: `${BIN}:${process.env.PATH}`,
        PORT: '0',
        DATA_DIR: join(directory, 'data'),
        MODELS_DIR: resolve(ROOT, process.env.MODELS_DIR ?? 'models'),
        DEFAULT_MODEL: MODEL,
        DEVICES: Array.from({ length: devices }, (_, index) => `cpu:${index}`).join(','),
        ...(engine !== null && { WHISPER_SERVER_BIN: engine }),
        ...(speed !== undefined && { PACED_SPEED: String(speed) }),
        ...settings,
      },
    });
    this.#killWithUs = () => this.#child.kill('SIGKILL');
    process.once('exit', this.#killWithUs);
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint += text;
    });
    if (this.#child.stdout) createInterface(this.#child.stdout).on('line', (line) => this.#read(line));
  }

  /** Ready, with an engine running on every device. */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const directory = await mkdtemp(join(tmpdir(), 'bench-gateway-'));
    const root = options.withoutVoiceModel ? await copyWithoutBuild(join(directory, 'root')) : ROOT;
    const gateway = new Gateway(options, directory, root);
    try {
      await gateway.#until(() => gateway.#url !== undefined);
      await gateway.#until(async () => (await fetch(`${gateway.url}/ready`)).status === 200);
      const engines = options.engines ?? options.devices;
      while (gateway.#readyCount < engines) await gateway.#warmUp(engines);
      return gateway;
    } catch (error) {
      await gateway.end();
      throw error;
    }
  }

  get url(): string {
    if (this.#url === undefined) throw new Error(`The gateway is not listening. ${this.#complaint}`);
    return this.#url;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  async end(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      const isOver = await Promise.race([closed.then(() => true), sleep(STOP_MS_MAX, false, { ref: false })]);
      if (!isOver) {
        this.#child.kill('SIGKILL');
        await closed;
      }
    }
    process.off('exit', this.#killWithUs);
    await rm(this.#directory, { recursive: true, force: true });
  }

  #read(line: string): void {
    if (!line.startsWith('{')) return;
    const { msg, url } = JSON.parse(line) as { msg?: string; url?: string };
    if (msg === 'listening') this.#url = url;
    if (msg === 'backend ready') this.#readyCount += 1;
  }

  async #warmUp(engines: number): Promise<void> {
    const audio = clip(WARM_UP_CLIP_SECONDS);
    const sent = Array.from({ length: engines * WARM_UP_CLIPS_PER_ENGINE }, () => transcribe(this.url, audio));
    await Promise.all(sent);
  }

  async #until(check: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + START_MS_MAX;
    while (!(await check())) {
      if (this.#child.exitCode !== null) throw new Error(`The gateway ended: ${this.#complaint}`);
      if (performance.now() > deadlineMs) throw new Error(`The gateway did not start in time. ${this.#complaint}`);
      await sleep(POLL_MS);
    }
  }
}

/** The gateway where nothing was built or downloaded. */
async function copyWithoutBuild(root: string): Promise<string> {
  for (const name of ['src', 'backends', 'package.json']) {
    await cp(join(ROOT, name), join(root, name), { recursive: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  return root;
}

/** The largest resident memory of a program, above what it began with. */
export class MemoryWatch {
  readonly #pid: number;
  readonly #firstMb: number;
  readonly #timer: NodeJS.Timeout;
  growthMb = 0;

  private constructor(pid: number, firstMb: number) {
    this.#pid = pid;
    this.#firstMb = firstMb;
    this.#timer = setInterval(() => void this.#look(), POLL_MS);
  }

  static async start({ pid }: { pid: number }): Promise<MemoryWatch> {
    return new MemoryWatch(pid, await residentMb(pid));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    this.growthMb = Math.max(this.growthMb, (await residentMb(this.#pid)) - this.#firstMb);
  }
}

export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}
