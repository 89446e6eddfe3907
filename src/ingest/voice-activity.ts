// Hears where somebody speaks. Owns the process that runs the voice activity model (voice-detector.ts) and what happens
// without it: a recording whose model fails, or never came, is heard by loudness. Makes no decision from what it hears (cut.ts).
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { Semaphore } from '../lib/semaphore.ts';
import { PCM_BYTES_PER_MS } from '../transcript/recording.ts';
import { FRAME_MS, type Frame } from './cut.ts';
import { LoudnessDetector, levelOf } from './loudness.ts';

export const FRAME_BYTES = FRAME_MS * PCM_BYTES_PER_MS;

const MODEL_PATH = fileURLToPath(new URL('../../build/voice/silero_vad_v6.onnx', import.meta.url));
const PROGRAM_PATH = fileURLToPath(new URL('./voice-detector.ts', import.meta.url));

/** Heard at the same time, 8 MB each. As many as that so that no short clip waits for long recordings to be heard to their end. */
const LISTENERS_MAX = 64;
const LISTENERS_WAITING_MAX = 256;
/** An answer takes milliseconds; a process that takes this long hangs. */
const ANSWER_MS_MAX = 30_000;
const STDERR_CHARACTERS_MAX = 2_048;

/**
 * The model misses low speech (of a recording at -45 dB it heard half, 2026-11), so it is given everything at a speaker's
 * level. Noise, however loud, is no voice to it.
 */
const LEVEL_WANTED = 0.1;
const GAIN_MAX = 100;
/** The loudest of late is taken for the level of speech; it fades by 3 dB a second. */
const REMEMBERED_PER_FRAME = 0.99;

/** Whole frames of one recording, after those that were sent before; null when there are no more. */
export interface Question {
  recording: number;
  samples: Uint8Array | null;
  /** By how much they are to be amplified. */
  gain: number;
}

/** For each frame asked about 1 where there is voice. */
export interface Answer {
  recording: number;
  voice: Uint8Array;
}

export interface VoiceActivityParts {
  log: Log;
  clock: Clock;
  modelPath?: string;
}

/** Hears one recording, from its beginning to its end. */
export interface Listener {
  /** The next frames of the recording, whole ones. One call at a time. */
  hear(samples: Buffer): Promise<Frame[]>;
  close(): void;
}

export class VoiceActivity {
  readonly #parts: Required<VoiceActivityParts>;
  readonly #slots = new Semaphore(LISTENERS_MAX);
  #detector: Detector | undefined;
  #listenerCount = 0;

  constructor(parts: VoiceActivityParts) {
    this.#parts = { modelPath: MODEL_PATH, ...parts };
    this.#detector = new Detector(this.#parts);
  }

  /** To be closed by the caller, who gets it in turn. */
  async listen(signal: AbortSignal): Promise<Listener> {
    if (this.#slots.waitingCount >= LISTENERS_WAITING_MAX) {
      throw new GatewayError('queue-full', 'Too many recordings wait to be searched for speech.', {
        retryAfterSeconds: 1,
      });
    }
    const leave = await this.#slots.acquire(signal);
    if (this.#detector?.state === 'gone') this.#detector = new Detector(this.#parts);
    this.#listenerCount += 1;
    return new RecordingListener(this.#listenerCount, this.#detector, leave);
  }

  async close(): Promise<void> {
    await this.#detector?.close();
  }
}

class RecordingListener implements Listener {
  readonly #recording: number;
  readonly #leave: () => void;
  readonly #loudness = new LoudnessDetector();
  #loudest = 0;
  #detector: Detector | undefined;

  constructor(recording: number, detector: Detector | undefined, leave: () => void) {
    this.#recording = recording;
    this.#detector = detector;
    this.#leave = leave;
  }

  async hear(samples: Buffer): Promise<Frame[]> {
    assert(samples.length % FRAME_BYTES === 0);
    const levels = Array.from({ length: samples.length / FRAME_BYTES }, (_, index) =>
      levelOf(samples.subarray(index * FRAME_BYTES, (index + 1) * FRAME_BYTES)),
    );
    // It listens along, so that it knows the noise by the time that it may be needed.
    const loud = levels.map((level) => this.#loudness.hasVoice(level));
    this.#loudest = Math.max(...levels, this.#loudest * REMEMBERED_PER_FRAME ** levels.length);
    const gain = Math.max(1, Math.min(GAIN_MAX, LEVEL_WANTED / this.#loudest));
    const voice = await this.#detector?.ask({ recording: this.#recording, samples, gain });
    if (!voice) this.#detector = undefined; // what the model knew of the recording is lost, even if there is another process
    return levels.map((level, index) => ({ level, hasVoice: voice ? voice[index] === 1 : loud[index] === true }));
  }

  close(): void {
    this.#detector?.forget(this.#recording);
    this.#leave();
  }
}

/** One process with the model. Once it is gone it answers every question with nothing. */
class Detector {
  /** `unusable`: it never came up, and the next would not either. */
  state: 'starting' | 'ready' | 'gone' | 'unusable' | 'closed' = 'starting';
  readonly #parts: Required<VoiceActivityParts>;
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  readonly #waiting = new Map<number, (voice: Uint8Array | undefined) => void>();
  #said = '';

  constructor(parts: Required<VoiceActivityParts>) {
    this.#parts = parts;
    const child = fork(PROGRAM_PATH, [parts.modelPath], {
      env: {},
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    child.on('message', (message: 'ready' | Answer) => {
      if (message === 'ready') this.state = 'ready';
      else this.#settle(message.recording, message.voice);
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

  ask(question: Question): Promise<Uint8Array | undefined> {
    if (!this.#child.connected) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const cancelDeadline = this.#parts.clock.after(ANSWER_MS_MAX, () => this.#child.kill('SIGKILL'));
      this.#waiting.set(question.recording, (voice) => {
        cancelDeadline();
        resolve(voice);
      });
      this.#send(question);
    });
  }

  forget(recording: number): void {
    if (this.#child.connected) this.#send({ recording, samples: null, gain: 1 });
  }

  async close(): Promise<void> {
    this.state = 'closed';
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  #send(question: Question): void {
    this.#child.send(question, () => {}); // one that cannot be sent is answered when the process is found gone
  }

  #settle(recording: number, voice: Uint8Array | undefined): void {
    this.#waiting.get(recording)?.(voice);
    this.#waiting.delete(recording);
  }

  #bury(): void {
    const { log } = this.#parts;
    const details = { recordings: this.#waiting.size, said: this.#said.trim() };
    if (this.state === 'starting') {
      this.state = 'unusable';
      log.warn(details, 'voice activity detection is not available: speech is told from silence by loudness alone');
    } else if (this.state === 'ready') {
      this.state = 'gone';
      log.error(details, 'voice activity detection failed: what it was listening to is heard by loudness');
    }
    for (const recording of [...this.#waiting.keys()]) this.#settle(recording, undefined);
  }
}
