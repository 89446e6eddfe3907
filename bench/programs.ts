// The other programs of a bench: the one that makes the load and those the gateway is compared with. What is started here is
// ended here, whatever happens to the bench.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { locateEngine } from '../backends/whisper-server/locate.mjs';
import { BIN, ROOT } from './gateway.ts';
import type { LoadResult, LoadTask } from './load.ts';

/** The real one, as set-up finds it. */
export const ENGINE = locateEngine(ROOT, process.env)?.path ?? 'whisper-server';
export const INSTANT_ENGINE = join(import.meta.dirname, 'instant-engine.mjs');
const PORTKEY = join(import.meta.dirname, 'node_modules/@portkey-ai/gateway/build/start-server.js');
const START_MS_MAX = 20_000;
const POLL_MS = 50;

/** A program that serves one URL. */
export class Program {
  readonly child: ChildProcess;
  readonly url: string;
  readonly #killWithUs: () => void;

  constructor(child: ChildProcess, url: string) {
    this.child = child;
    this.url = url;
    this.#killWithUs = () => child.kill('SIGKILL');
    process.once('exit', this.#killWithUs);
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  async end(): Promise<void> {
    process.off('exit', this.#killWithUs);
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill('SIGKILL'); // none of them has anything to put in order
    await closed;
  }
}

export async function startFloor(mode: 'answer' | 'proxy', engineUrl = ''): Promise<Program> {
  const child = fork(join(import.meta.dirname, 'floor.ts'), [mode, engineUrl], { execPath: join(BIN, 'node') });
  const [{ port }] = (await heard(child)) as [{ port: number }];
  return new Program(child, `http://127.0.0.1:${port}`);
}

export async function startInstantEngine(): Promise<Program> {
  const port = await freePort();
  const child = fork(INSTANT_ENGINE, ['--port', String(port)], { execPath: join(BIN, 'node') });
  await heard(child);
  return new Program(child, `http://127.0.0.1:${port}`);
}

/** Portkey's gateway, as its own start script starts it. Which engine it passes a request to is said in the request. */
export async function startPortkey(): Promise<Program> {
  const port = await freePort();
  const child = spawn(join(BIN, 'node'), [PORTKEY, `--port=${port}`, '--headless'], { stdio: 'ignore', cwd: ROOT });
  const program = new Program(child, `http://127.0.0.1:${port}`);
  await until(() => answers(`${program.url}/`), 'Portkey');
  return program;
}

export const portkeyHeaders = (engine: Program) => ({
  authorization: 'Bearer none',
  'x-portkey-provider': 'openai',
  'x-portkey-custom-host': `${engine.url}/v1`,
});

/** The process that makes the load. */
export class Load {
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
  }

  static start(): Load {
    return new Load(new Program(fork(join(import.meta.dirname, 'load.ts'), { execPath: join(BIN, 'node') }), ''));
  }

  async run(task: LoadTask): Promise<LoadResult> {
    const { child } = this.#program;
    child.send(task);
    const [{ result, failure }] = (await heard(child)) as [{ result?: LoadResult; failure?: string }];
    if (!result) throw new Error(failure ?? 'The load ended without a result.');
    return result;
  }

  end(): Promise<void> {
    return this.#program.end();
  }
}

/** Processor time of a process so far, all its threads, in milliseconds; the system counts in hundredths of a second. */
export function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

export async function until(check: () => Promise<boolean>, name: string): Promise<void> {
  const deadlineMs = performance.now() + START_MS_MAX;
  while (!(await check())) {
    if (performance.now() > deadlineMs) throw new Error(`${name} did not start in time.`);
    await sleep(POLL_MS);
  }
}

export function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  );
}

/** The next message of a child. */
function heard(child: ChildProcess): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const onEnd = () => reject(new Error(`${child.spawnargs[1]} ended unasked.`));
    child.once('close', onEnd);
    child.once('message', (...message) => {
      child.off('close', onEnd);
      resolve(message);
    });
  });
}
