// Owns one engine process from spawn to exit: its pipes, its last words, its end. Knows nothing of HTTP.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../lib/clock.ts';
import { lineSplitter, type OutputEvent, readStderrLine, readStdoutLine } from './engine-output.ts';
import type { Launch } from './launch.ts';
import type { BackendExit } from './protocol.ts';

/** Kept for the reason of an exit; what came before is dropped, so a chatty engine costs no memory. */
const LINES_KEPT_MAX = 40;
const LINES_IN_REASON = 6;
/** A broken engine gets this long to write down why before it is killed. */
const LAST_WORDS_MS = 200;
/** A second SIGTERM makes the engine exit at once (30 ms measured). */
const SECOND_SIGNAL_MS = 1_000;

export class EngineProcess {
  readonly launch: Launch;
  /** Resolves when the process is gone and its pipes are read to the end. Never rejects. */
  readonly exited: Promise<BackendExit>;
  #child: ChildProcess;
  #clock: Clock;
  #lines: string[] = [];
  #listeners = new Set<(event: OutputEvent) => void>();
  #isAlive = true;
  #backend: 'cuda' | 'cpu' | null = null;
  #isMemoryShort = false;
  /** Why we are ending it; the first reason stands. */
  #ending: { isExpected: boolean; reason: string } | null = null;

  constructor(launch: Launch, clock: Clock) {
    this.launch = launch;
    this.#clock = clock;
    const { command, environment } = launch;
    // Not detached: the engine shares our terminal's Ctrl-C. Both pipes are read always: a full pipe stops the engine for good.
    this.#child = spawn(command, launch.arguments, { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
    this.#read(this.#child.stdout, readStdoutLine);
    this.#read(this.#child.stderr, readStderrLine);
    this.exited = new Promise((resolve) => {
      // `close`, not `exit`: only then have the last lines been read.
      this.#child.once('close', (code, signal) => resolve(this.#describeExit(code, signal)));
      this.#child.once('error', (error) => {
        // Where spawning itself failed no `close` follows.
        if (this.#child.pid === undefined)
          resolve({ expected: false, reason: `could not be started: ${error.message}` });
      });
    });
    void this.exited.then(() => {
      this.#isAlive = false;
    });
  }

  get processId(): number | undefined {
    return this.#child.pid;
  }

  /** False as soon as it is being ended: nothing new may be sent to it. */
  get isUsable(): boolean {
    return this.#isAlive && this.#ending === null;
  }

  /** The kind of backend it said it uses; null until it has said so. */
  get backend(): 'cuda' | 'cpu' | null {
    return this.#backend;
  }

  get isMemoryShort(): boolean {
    return this.#isMemoryShort;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.launch.port}${this.launch.requestPath}`;
  }

  /** Calls `listener` for every event of its output until the returned function is called. */
  onOutput(listener: (event: OutputEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The last lines it wrote, as one. */
  get lastWords(): string {
    return this.#lines
      .filter((line) => line.trim() !== '')
      .slice(-LINES_IN_REASON)
      .join(' | ');
  }

  /**
   * Asks it to end, insists, then kills; resolves when it is gone, its memory with it. The first signal lets a running
   * inference finish.
   */
  async end(graceMs: number, reason: string, isExpected: boolean): Promise<void> {
    this.#ending ??= { isExpected, reason };
    this.#child.kill('SIGTERM');
    if (await this.#exitsWithin(graceMs)) return;
    this.#child.kill('SIGTERM');
    if (await this.#exitsWithin(SECOND_SIGNAL_MS)) return;
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  async kill(reason: string, isExpected: boolean): Promise<void> {
    this.#ending ??= { isExpected, reason };
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  #read(pipe: ChildProcess['stdout'], readLine: (line: string) => OutputEvent | null): void {
    const split = lineSplitter((line) => {
      this.#lines.push(line);
      if (this.#lines.length > LINES_KEPT_MAX) this.#lines.shift();
      const event = readLine(line);
      if (event) this.#note(event);
    });
    pipe?.setEncoding('utf8').on('data', split);
  }

  #note(event: OutputEvent): void {
    // A failed GPU start comes after the line that chose the GPU: the CPU has the last word.
    if (event.type === 'backend-chosen' && this.#backend !== 'cpu') this.#backend = event.backend;
    if (event.type === 'memory-short') this.#isMemoryShort = true;
    if (event.type === 'engine-broken') {
      if (/out of memory/i.test(event.line)) this.#isMemoryShort = true;
      this.#ending ??= { isExpected: false, reason: event.line.trim() };
      this.#clock.after(LAST_WORDS_MS, () => this.#child.kill('SIGKILL'));
    }
    for (const listener of this.#listeners) listener(event);
  }

  #exitsWithin(graceMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(graceMs, () => resolve(false));
      void this.exited.then(() => {
        cancel();
        resolve(true);
      });
    });
  }

  /** An exit with code 0 that nobody asked for is a failure too: a bad argument ends the engine that way. */
  #describeExit(code: number | null, signal: NodeJS.Signals | null): BackendExit {
    const how = signal ? `was ended by ${signal}` : `exited with code ${code}`;
    const why = this.#ending ? `${this.#ending.reason} (${how})` : `${how} without being asked`;
    const expected = this.#ending?.isExpected ?? false;
    return { expected, reason: expected ? why : `${why}: ${this.lastWords}` };
  }
}
