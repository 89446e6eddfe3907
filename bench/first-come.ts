// The baseline: the same engines with nothing before them but a queue. Whole recordings, one at a time on each device, first
// come, first served, as whisper-server does alone and as proxies in front of it do.
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BIN, MODEL, PACED_ENGINE, ROOT } from './gateway.ts';

const START_MS_MAX = 20_000;
const POLL_MS = 50;

interface Job {
  wav: Buffer;
  resolve: (text: string) => void;
  reject: (error: unknown) => void;
}

export class FirstComeFirstServed {
  readonly #engines: Engine[];
  readonly #free: Engine[];
  readonly #queue: Job[] = [];

  private constructor(engines: Engine[]) {
    this.#engines = engines;
    this.#free = [...engines];
  }

  static async start(devices: number, speed: number): Promise<FirstComeFirstServed> {
    const ports = await Promise.all(Array.from({ length: devices }, freePort));
    const engines = ports.map((port) => new Engine(port, speed));
    const started = new FirstComeFirstServed(engines);
    try {
      await Promise.all(engines.map((engine) => engine.ready()));
      return started;
    } catch (error) {
      await started.end();
      throw error;
    }
  }

  transcribe(wav: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ wav, resolve, reject });
      this.#next();
    });
  }

  async end(): Promise<void> {
    this.#queue.length = 0;
    await Promise.all(this.#engines.map((engine) => engine.end()));
  }

  #next(): void {
    if (this.#queue.length === 0) return;
    const engine = this.#free.shift();
    if (!engine) return;
    const job = this.#queue.shift();
    if (!job) return;
    engine
      .transcribe(job.wav)
      .then(job.resolve, job.reject)
      .finally(() => {
        this.#free.push(engine);
        this.#next();
      });
  }
}

class Engine {
  readonly #url: string;
  readonly #child: ChildProcess;
  readonly #killWithUs: () => void;

  constructor(port: number, speed: number) {
    this.#url = `http://127.0.0.1:${port}`;
    const model = join(ROOT, process.env.MODELS_DIR ?? 'models', `ggml-${MODEL}.bin`);
    this.#child = spawn(join(BIN, 'node'), [PACED_ENGINE, '-m', model, '--port', String(port)], {
      stdio: 'ignore',
      env: { PATH: process.env.PATH, PACED_SPEED: String(speed) },
    });
    this.#killWithUs = () => this.#child.kill('SIGKILL');
    process.once('exit', this.#killWithUs);
  }

  async ready(): Promise<void> {
    const deadlineMs = performance.now() + START_MS_MAX;
    for (;;) {
      const isUp = await fetch(`${this.#url}/health`).then(
        ({ status }) => status === 200,
        () => false,
      );
      if (isUp) return;
      if (performance.now() > deadlineMs) throw new Error('The stand-in engine did not start in time.');
      await sleep(POLL_MS);
    }
  }

  async transcribe(wav: Buffer): Promise<string> {
    const form = new FormData();
    form.append('response_format', 'verbose_json');
    form.append('file', new Blob([new Uint8Array(wav)]), 'audio.wav');
    const answer = await fetch(`${this.#url}/inference`, { method: 'POST', body: form });
    const { text } = (await answer.json()) as { text: string };
    return text;
  }

  async end(): Promise<void> {
    process.off('exit', this.#killWithUs);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGKILL'); // it may be in the middle of an hour, and has nothing to put in order
    await closed;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
