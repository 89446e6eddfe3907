// Hears where somebody speaks. Owns which thread hears which recording. Makes no decision from what it hears (cut.ts).
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { GatewayError } from '../errors.ts';
import type { Log } from '../lib/log.ts';
import { Semaphore } from '../lib/semaphore.ts';
import { FRAME_MS, type Frame } from './cut.ts';
import { FRAME_BYTES } from './hearing.ts';
import { VoiceThread } from './voice-thread.ts';

const MODEL_PATH = fileURLToPath(new URL('../../build/voice/silero_vad_v6.onnx', import.meta.url));

/** At the same time. As many as that so that no short clip waits for long recordings to be heard to their end. */
const LISTENERS_MAX = 64;
const LISTENERS_WAITING_MAX = 256;
/** Each hears 1,800 times as fast as people speak, so a second one is made only for a second recording. */
const THREADS_MAX = 8;

/**
 * A turn, one chunk: whoever has had fewer of them is heard next. So a short clip, which needs but one, does not wait for recordings
 * that are heard far ahead of their transcription. To keep the others waiting for ever it takes clips of 1,800 seconds in
 * each second, all that a thread can hear.
 */
const TURN_FRAMES = Math.round(28_000 / FRAME_MS);

export interface VoiceActivityParts {
  log: Log;
  modelPath?: string;
  /** One processor is left for the gateway itself. */
  threadsMax?: number;
}

/** Hears one recording, from its beginning to its end. */
export interface Listener {
  /** The next frames of the recording, whole ones; they are given away. Calls are answered in their order. */
  hear(samples: Buffer): Promise<Frame[]>;
  close(): void;
}

export class VoiceActivity {
  readonly #parts: Required<VoiceActivityParts>;
  readonly #slots = new Semaphore(LISTENERS_MAX);
  #threads: VoiceThread[] = [];
  #listenerCount = 0;

  constructor(parts: VoiceActivityParts) {
    const threadsMax = Math.max(1, Math.min(THREADS_MAX, availableParallelism() - 1));
    this.#parts = { modelPath: MODEL_PATH, threadsMax, ...parts };
    this.#start((reason) =>
      this.#parts.log.warn(
        { reason },
        'voice activity detection is not available: speech is told from silence by loudness alone',
      ),
    );
  }

  /** To be closed by the caller, who gets it in turn. */
  async listen(signal: AbortSignal): Promise<Listener> {
    if (this.#slots.waitingCount >= LISTENERS_WAITING_MAX) {
      throw new GatewayError('queue-full', 'Too many recordings wait to be searched for speech.', {
        retryAfterSeconds: 1,
      });
    }
    const leave = await this.#slots.acquire(signal);
    this.#listenerCount += 1;
    try {
      return new RecordingListener(this.#listenerCount, this.#choose(), leave);
    } catch (error) {
      leave(); // the system has no thread left for us
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  /** The one with the fewest recordings. When each has some and there is room for another, that one starts for those to come. */
  #choose(): VoiceThread {
    if (this.#threads.length === 0) this.#start(); // those that were there have failed
    const [least] = this.#threads.toSorted(
      (one, other) =>
        Number(one.state !== 'ready') - Number(other.state !== 'ready') || one.listenerCount - other.listenerCount,
    );
    assert(least);
    const areAllReady = this.#threads.every(({ state }) => state === 'ready');
    if (areAllReady && least.listenerCount > 0 && this.#threads.length < this.#parts.threadsMax) this.#start();
    return least;
  }

  #start(onUnavailable: (reason: string) => void = () => {}): void {
    const thread = new VoiceThread({
      modelPath: this.#parts.modelPath,
      onReady: ({ reason }) => reason && onUnavailable(reason),
      onFailed: (error) => {
        this.#parts.log.error({ err: error }, 'a thread that hears where somebody speaks failed');
        this.#threads = this.#threads.filter((other) => other !== thread);
      },
    });
    this.#threads.push(thread);
  }
}

class RecordingListener implements Listener {
  readonly #recording: number;
  readonly #thread: VoiceThread;
  readonly #leave: () => void;
  #framesHeard = 0;

  constructor(recording: number, thread: VoiceThread, leave: () => void) {
    this.#recording = recording;
    this.#thread = thread;
    thread.listenerCount += 1;
    this.#leave = () => {
      thread.listenerCount -= 1;
      leave();
    };
  }

  async hear(samples: Buffer): Promise<Frame[]> {
    assert(samples.length % FRAME_BYTES === 0);
    const turn = this.#turn;
    this.#framesHeard += samples.length / FRAME_BYTES;
    const { levels, voice } = await this.#thread.ask({ recording: this.#recording, samples: alone(samples) }, turn);
    return Array.from(levels, (level, index) => ({ level, hasVoice: voice[index] === 1 }));
  }

  get #turn(): number {
    return Math.floor(this.#framesHeard / TURN_FRAMES);
  }

  close(): void {
    this.#thread.ask({ recording: this.#recording, samples: null }, this.#turn).catch(() => {});
    this.#leave();
  }
}

/** In memory that a thread can be given, since nothing else is in it. */
function alone(samples: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = samples;
  const isAlone = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  return isAlone ? new Uint8Array(buffer) : new Uint8Array(samples);
}
