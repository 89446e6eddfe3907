// What the process tests share: a pool in a directory of its own, and a look at the processes it started.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import type { Model } from '../models/model.ts';
import type { ChunkEvent, ChunkFinal } from '../transcript/event.ts';
import type { DecodingOptions } from '../transcript/request.ts';
import { createPool, type Pool, type PoolDependencies } from './pool.ts';
import type { Device } from './protocol.ts';
import { poolSettings } from './settings.ts';

export const ROOT = resolve(import.meta.dirname, '../..');
export const options: DecodingOptions = { task: 'transcribe', language: null, prompt: null, temperature: 0 };
export const never = new AbortController().signal;

export const cpu: Device = {
  id: 'cpu',
  kind: 'cpu',
  uuid: null,
  name: 'CPU',
  memoryTotalMb: 1_000,
  slots: 1,
  threads: 2,
};
export const cuda: Device = { ...cpu, id: 'cuda:0', kind: 'cuda', uuid: 'GPU-1', name: 'Card' };

export function modelAt(path: string): Model {
  const facts = { multilingual: true, translates: true, timestamps: true };
  return { name: 'tiny', path, digest: '', bytes: 0, rank: 0, memoryMb: 500, ...facts };
}

/** Pools of one engine program, whose run files and engines are gone after `close`. */
export class PoolBench {
  readonly directory: string;
  readonly #engine: string;
  readonly #pools: Pool[] = [];

  private constructor(directory: string, engine: string) {
    this.directory = directory;
    this.#engine = engine;
  }

  static async open(engine: string): Promise<PoolBench> {
    return new PoolBench(await mkdtemp(join(tmpdir(), 'pool-')), engine);
  }

  get runDirectory(): string {
    return join(this.directory, 'run');
  }

  async pool(
    knobs: Record<string, string> = {},
    settings: Record<string, string> = {},
    of: Partial<PoolDependencies> = {},
  ): Promise<Pool> {
    const pool = await createPool({
      settings: poolSettings.parse({ WHISPER_SERVER_BIN: this.#engine, DEVICES: 'cpu', ...settings }),
      environment: { ...process.env, ...knobs },
      runDirectory: this.runDirectory,
      log: silentLog,
      clock: systemClock,
      ...of,
    });
    this.#pools.push(pool);
    return pool;
  }

  /** What says which engines run: one note each. */
  notes(): { processId: number; requestPath: string }[] {
    if (!existsSync(this.runDirectory)) return [];
    const names = readdirSync(this.runDirectory).filter((name) => name.startsWith('engine-'));
    return names.map((name) => JSON.parse(readFileSync(join(this.runDirectory, name), 'utf8')));
  }

  /** Of the only engine. */
  processId(): number {
    return this.notes()[0]?.processId ?? 0;
  }

  /** A process of its own that starts a pool with one engine and waits. */
  async gateway(model: Model, environment: Record<string, string> = {}): Promise<ChildProcess> {
    const script = `
      import { createPool } from '${ROOT}/src/pool/pool.ts';
      import { poolSettings } from '${ROOT}/src/pool/settings.ts';
      import { systemClock } from '${ROOT}/src/lib/clock.ts';
      import { silentLog } from '${ROOT}/src/lib/log.ts';
      const settings = poolSettings.parse({ WHISPER_SERVER_BIN: '${this.#engine}', DEVICES: 'cpu' });
      const runDirectory = '${this.runDirectory}';
      const pool = await createPool({ settings, environment: process.env, runDirectory, log: silentLog, clock: systemClock });
      await pool.start(${JSON.stringify(cpu)}, ${JSON.stringify(model)}, new AbortController().signal);
      console.log('started');
      setInterval(() => {}, 1000);
    `;
    const gateway = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((done) => gateway.stdout.once('data', done));
    return gateway;
  }

  /** Returns the notes that are left: none, unless an engine outlived its pool. */
  async close(): Promise<unknown[]> {
    await Promise.all(this.#pools.map((pool) => pool.stopAll()));
    const left = this.notes();
    await rm(this.directory, { recursive: true });
    return left;
  }
}

export function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    // A zombie is gone too; it only waits for its parent to look.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${processId}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Listens so that a second server can share the port, as whisper-server does. */
export function portOf(server: Server): Promise<number> {
  return new Promise((done) =>
    server.listen({ host: '127.0.0.1', port: 0, reusePort: true }, () => done((server.address() as AddressInfo).port)),
  );
}

export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await portOf(server);
  await new Promise((done) => server.close(done));
  return port;
}

export async function collect(events: AsyncIterable<ChunkEvent>): Promise<ChunkEvent[]> {
  const all: ChunkEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

export const finalOf = (events: ChunkEvent[]) => events.at(-1) as ChunkFinal;
export const textOf = (final: ChunkFinal) => final.segments.map((segment) => segment.text).join('');
