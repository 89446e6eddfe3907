// Starts the real gateway the way a person does, on a free port and with a data folder of its own, and proves at the end
// that nothing of it is left: exit code 0, no process, an empty spool. Knows it from outside: its settings, its log, its
// answers, its processes and its folder.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { isEngine, processesAreVisible, processesMarked, type SeenProcess } from './processes.ts';

export const ROOT = join(import.meta.dirname, '..');
export const PACED_ENGINE = join(ROOT, 'backends/paced/server.mjs');

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 40_000;
const POLL_MS = 25;

/** A developer may point the run at another engine, models or devices; every other setting is the tests' own. */
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'LD_LIBRARY_PATH', 'WHISPER_SERVER_BIN', 'MODELS_DIR', 'DEVICES'];

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export type LogLine = Record<string, unknown> & { msg?: string };

/** A gateway process, listening or not. */
export class Gateway {
  readonly child: ChildProcess;
  readonly dataDirectory: string;
  readonly mark: string;
  readonly log: LogLine[] = [];
  readonly exited: Promise<Exit>;
  /** What it said to the person at the terminal. */
  complaint = '';
  exit: Exit | undefined;

  constructor(environment: Record<string, string>, dataDirectory: string, mark: string) {
    this.dataDirectory = dataDirectory;
    this.mark = mark;
    const inherited = INHERITED.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []));
    const bin = join(ROOT, 'node_modules/.bin');
    this.child = spawn(join(bin, 'node'), ['src/main.ts'], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...Object.fromEntries(inherited),
        // The stand-in engine is a script for this same Node.
        PATH: `${bin}:${process.env.PATH}`,
        PORT: '0',
        DATA_DIR: dataDirectory,
        DEFAULT_MODEL: 'tiny-q5_1',
        COMPAT_MARK: mark,
        ...environment,
      },
    });
    const { child } = this;
    const killWithUs = () => child.kill('SIGKILL');
    process.once('exit', killWithUs);
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        process.off('exit', killWithUs);
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.complaint += text;
    });
    if (child.stdout) {
      createInterface(child.stdout).on('line', (line) => {
        this.log.push(line.startsWith('{') ? JSON.parse(line) : { line });
      });
    }
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** Where it listens; known once it said so. */
  get url(): string {
    const listening = this.log.find((line) => line.msg === 'listening');
    if (typeof listening?.url !== 'string') throw new Error(`The gateway is not listening.\n${this.complaint}`);
    return listening.url;
  }

  async ready(): Promise<void> {
    await this.#beforeItEnds(async () => {
      const answer = await fetch(`${this.url}/ready`);
      const body = await answer.text();
      if (answer.status !== 200) throw new Error(`Not ready: ${body}`);
    });
  }

  async listening(): Promise<void> {
    await this.#beforeItEnds(async () => void this.url);
  }

  /** Waits for a check to pass, but not for a gateway that has given up. */
  async #beforeItEnds(check: () => Promise<void>): Promise<void> {
    const ended = this.exited.then((exit) => {
      throw new Error(`The gateway ended (${JSON.stringify(exit)}): ${this.complaint}`);
    });
    await Promise.race([eventually(check, START_MS_MAX), ended]);
  }

  /** Every process it started that still lives. */
  async processes(): Promise<SeenProcess[]> {
    return (await processesMarked(this.mark)).filter(({ pid }) => pid !== this.pid);
  }

  async engines(): Promise<SeenProcess[]> {
    return (await this.processes()).filter(isEngine);
  }

  /** Every file in the spool. */
  async spool(): Promise<string[]> {
    const entries = await readdir(join(this.dataDirectory, 'spool'), { recursive: true, withFileTypes: true }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw error;
      },
    );
    return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
  }

  /** Clean-up follows the answer, so it is given a moment. */
  async expectEmptySpool(): Promise<void> {
    await eventually(async () => expect(await this.spool()).toEqual([]), 1000);
  }

  async expectNothingLeft(withinMs = 1000): Promise<void> {
    if (processesAreVisible) await eventually(async () => expect(await this.processes()).toEqual([]), withinMs);
    expect(await this.spool()).toEqual([]);
  }

  /** Asks it to end, as a service manager does. */
  async stop(): Promise<Exit> {
    // A second signal would mean: now.
    if (!this.exit && !this.child.killed) this.child.kill('SIGTERM');
    const exit = await Promise.race([this.exited, sleep(STOP_MS_MAX, undefined, { ref: false })]);
    if (exit) return exit;
    this.child.kill('SIGKILL');
    throw new Error(`SIGTERM did not end the gateway within ${STOP_MS_MAX} ms.`);
  }
}

/** Starts one without waiting for it, for the cases where it should refuse. */
export async function launchGateway(
  environment: Record<string, string> = {},
  { dataDirectory }: { dataDirectory?: string } = {},
): Promise<Gateway> {
  const mark = `compat-${randomUUID()}`;
  return new Gateway(environment, dataDirectory ?? (await mkdtemp(join(tmpdir(), `${mark}-`))), mark);
}

export async function startGateway(
  environment: Record<string, string> = {},
  options: { dataDirectory?: string } = {},
): Promise<Gateway> {
  const gateway = await launchGateway(environment, options);
  try {
    await gateway.ready();
  } catch (error) {
    gateway.child.kill('SIGKILL');
    await gateway.exited;
    if (!options.dataDirectory) await rm(gateway.dataDirectory, { recursive: true, force: true });
    throw error;
  }
  return gateway;
}

/** Ends one and proves that nothing of it is left. */
export async function endGateway(gateway: Gateway): Promise<void> {
  try {
    expect(await gateway.stop()).toEqual({ code: 0, signal: null });
    await gateway.expectNothingLeft();
  } finally {
    await rm(gateway.dataDirectory, { recursive: true, force: true });
  }
}

/** One gateway for all cases of a file or a `describe`. */
export function useGateway(environment: Record<string, string> = {}): () => Gateway {
  let gateway: Gateway | undefined;
  beforeAll(async () => {
    gateway = await startGateway(environment);
  });
  afterAll(async () => {
    if (gateway) await endGateway(gateway);
  });
  return () => {
    if (!gateway) throw new Error('The gateway has not been started.');
    return gateway;
  };
}

/** Settings for the stand-in engine, which takes time in proportion to the audio and fails when told to. */
export function paced(knobs: { speed?: number; crashOn?: number; hangOn?: number } = {}): Record<string, string> {
  return {
    WHISPER_SERVER_BIN: PACED_ENGINE,
    DEVICES: 'cpu',
    PACED_SPEED: String(knobs.speed ?? 20),
    ...(knobs.crashOn ? { PACED_CRASH_ON: String(knobs.crashOn) } : {}),
    ...(knobs.hangOn ? { PACED_HANG_ON: String(knobs.hangOn) } : {}),
  };
}

/** Repeats a check until it passes, and throws its last complaint when time is up. */
export async function eventually<T>(check: () => Promise<T>, withinMs: number): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(POLL_MS);
    }
  }
}
