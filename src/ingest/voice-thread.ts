// One thread that hears (voice-worker.ts): its life, and the questions it has not answered yet. Owns which of them is next.
import { Worker } from 'node:worker_threads';
import type { Heard } from './hearing.ts';

const PROGRAM_PATH = new URL('./voice-worker.ts', import.meta.url);

/** One is computed while the answer before it and the question after it are on their way. */
const SENT_MAX = 2;

/** Whole frames of one recording, after those that were sent before; null when there are no more, of which nothing is heard. */
export interface Question {
  recording: number;
  samples: Uint8Array<ArrayBuffer> | null;
}

/** The first that a thread says. */
export interface Ready {
  /** Why it hears by loudness alone, if it does. */
  reason: string | undefined;
}

interface Asked {
  question: Question;
  turn: number;
  answer: PromiseWithResolvers<Heard>;
}

export interface VoiceThreadParts {
  modelPath: string;
  onReady(ready: Ready): void;
  /** It failed, by itself, and answers no more. */
  onFailed(error: unknown): void;
}

export class VoiceThread {
  state: 'starting' | 'ready' | 'gone' = 'starting';
  readonly #worker: Worker;
  /** Sent, in the order in which they are answered. */
  readonly #sent: Asked[] = [];
  /** Not sent yet; `takeNext` says who is next. */
  readonly #waiting: Asked[] = [];
  #whyGone: unknown;
  /** Whoever listens keeps count. */
  listenerCount = 0;

  constructor({ modelPath, onReady, onFailed }: VoiceThreadParts) {
    // It makes nothing that lives for longer than a question.
    this.#worker = new Worker(PROGRAM_PATH, {
      workerData: { modelPath },
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    this.#worker.once('message', (ready: Ready) => {
      this.state = 'ready';
      this.#worker.on('message', (heard: Heard) => this.#answer(heard));
      onReady(ready);
    });
    this.#worker.once('error', (error) => {
      this.#bury(error);
      onFailed(error);
    });
  }

  /** A recording's questions are answered in their order; its `turn` never decreases. Rejects once the thread is gone. */
  ask(question: Question, turn: number): Promise<Heard> {
    if (this.state === 'gone') return Promise.reject(this.#whyGone);
    const answer = Promise.withResolvers<Heard>();
    this.#waiting.push({ question, turn, answer });
    this.#send();
    return answer.promise;
  }

  async close(): Promise<void> {
    this.#bury(new Error('the thread that hears was closed'));
    await this.#worker.terminate();
  }

  #send(): void {
    while (this.#sent.length < SENT_MAX) {
      const next = takeNext(this.#waiting);
      if (!next) return;
      this.#sent.push(next);
      const { question } = next;
      this.#worker.postMessage(question, question.samples ? [question.samples.buffer] : []);
    }
  }

  #answer(heard: Heard): void {
    this.#sent.shift()?.answer.resolve(heard);
    this.#send();
  }

  #bury(reason: unknown): void {
    this.state = 'gone';
    this.#whyGone = reason;
    for (const { answer } of [...this.#sent.splice(0), ...this.#waiting.splice(0)]) answer.reject(reason);
  }
}

/**
 * Of the lowest turn, and of those the recording that came first. Recordings heard by turns of one block would all end at the end.
 */
function takeNext(waiting: Asked[]): Asked | undefined {
  const [next] = waiting.toSorted((a, b) => a.turn - b.turn || a.question.recording - b.question.recording);
  return next && waiting.splice(waiting.indexOf(next), 1)[0];
}
