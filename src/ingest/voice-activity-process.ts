// One process that runs the voice activity model (voice-detector.ts): its life, and the questions it has not answered yet.
// Owns which of them is next.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';

const PROGRAM_PATH = fileURLToPath(new URL('./voice-detector.ts', import.meta.url));

/** An answer takes milliseconds; a process that takes this long hangs. */
const ANSWER_MS_MAX = 30_000;
/** One is computed while the answer before it and the question after it are on their way. */
const SENT_MAX = 2;
const STDERR_CHARACTERS_MAX = 2_048;

/** Whole frames of one recording, after those that were sent before; null when there are no more. */
export interface Question {
  recording: number;
  samples: Uint8Array | null;
  /** By how much they are to be amplified. */
  gain: number;
}

/** For each frame asked about 1 where there is voice; of the end nothing. */
export interface Answer {
  voice: Uint8Array;
}

interface Asked {
  question: Question;
  turn: number;
  resolve(voice: Uint8Array | undefined): void;
  cancelDeadline(): void;
}

export interface DetectorParts {
  log: Log;
  clock: Clock;
  modelPath: string;
}

/** Once it is gone it answers every question with nothing. */
export class DetectorProcess {
  /** `unusable`: it never came up, and the next would not either. */
  state: 'starting' | 'ready' | 'gone' | 'unusable' | 'closed' = 'starting';
  readonly #parts: DetectorParts;
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  /** Sent, in the order in which they are answered. */
  readonly #sent: Asked[] = [];
  /** Not sent yet; `takeNext` says who is next. */
  readonly #waiting: Asked[] = [];
  #said = '';
  /** Whoever listens keeps count. */
  listenerCount = 0;

  constructor(parts: DetectorParts) {
    this.#parts = parts;
    const child = fork(PROGRAM_PATH, [parts.modelPath], {
      env: {},
      // It makes nothing that lives for longer than a question.
      execArgv: ['--max-semi-space-size=1'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    child.on('message', (message: 'ready' | Answer) => {
      if (message === 'ready') this.state = 'ready';
      else this.#answer(message.voice);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-STDERR_CHARACTERS_MAX);
    });
    this.#gone = new Promise((resolve) => {
      child.once('error', () => resolve());
      child.once('close', () => resolve());
    });
    this.#gone.then(() => this.#bury());
  }

  /** A recording's questions are answered in their order; its `turn` never decreases. */
  ask(question: Question, turn: number): Promise<Uint8Array | undefined> {
    if (!this.#child.connected) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#waiting.push({ question, turn, resolve, cancelDeadline: () => {} });
      this.#send();
    });
  }

  async close(): Promise<void> {
    this.state = 'closed';
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  #send(): void {
    while (this.#sent.length < SENT_MAX) {
      const next = takeNext(this.#waiting);
      if (!next) return;
      next.cancelDeadline = this.#parts.clock.after(ANSWER_MS_MAX, () => this.#child.kill('SIGKILL'));
      this.#sent.push(next);
      this.#child.send(next.question, () => {}); // one that cannot be sent is answered when the process is found gone
    }
  }

  #answer(voice: Uint8Array | undefined): void {
    const answered = this.#sent.shift();
    answered?.cancelDeadline();
    answered?.resolve(voice);
    this.#send();
  }

  #bury(): void {
    const { log } = this.#parts;
    const details = { recordings: this.listenerCount, said: this.#said.trim() };
    if (this.state === 'starting') {
      this.state = 'unusable';
      log.warn(details, 'voice activity detection is not available: speech is told from silence by loudness alone');
    } else if (this.state === 'ready') {
      this.state = 'gone';
      log.error(details, 'voice activity detection failed: what it was listening to is heard by loudness');
    }
    for (const { resolve, cancelDeadline } of [...this.#sent.splice(0), ...this.#waiting.splice(0)]) {
      cancelDeadline();
      resolve(undefined);
    }
  }
}

/**
 * Of the lowest turn, and of those the recording that came first. Recordings heard by turns of one block would all end at the end,
 * and each take a model of its own, which takes longer to load than a clip to hear.
 */
function takeNext(waiting: Asked[]): Asked | undefined {
  const [next] = waiting.toSorted((a, b) => a.turn - b.turn || a.question.recording - b.question.recording);
  return next && waiting.splice(waiting.indexOf(next), 1)[0];
}
