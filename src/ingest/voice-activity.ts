// Hears where somebody speaks. Owns which process hears which recording and what happens without one: a recording whose model
// fails, or never came, is heard by loudness. Makes no decision from what it hears (cut.ts).
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { Semaphore } from '../lib/semaphore.ts';
import { levelsOf } from '../transcript/levels.ts';
import { PCM_BYTES_PER_MS } from '../transcript/recording.ts';
import { FRAME_MS, type Frame } from './cut.ts';
import { LoudnessDetector } from './loudness.ts';
import { DetectorProcess } from './voice-activity-process.ts';

export const FRAME_BYTES = FRAME_MS * PCM_BYTES_PER_MS;

const MODEL_PATH = fileURLToPath(new URL('../../build/voice/silero_vad_v6.onnx', import.meta.url));

/** At the same time. As many as that so that no short clip waits for long recordings to be heard to their end. */
const LISTENERS_MAX = 64;
const LISTENERS_WAITING_MAX = 256;
/** Each hears 290 times as fast as people speak and takes 100 MB, so a second one is made only for a second recording. */
const PROCESSES_MAX = 8;

/**
 * A turn, one chunk: whoever has had fewer of them is heard next. So a short clip, which needs but one, does not wait for recordings
 * that are heard far ahead of their transcription. To keep the others waiting for ever it takes clips of 290 seconds in
 * each second, all that a process can hear.
 */
const TURN_FRAMES = Math.round(28_000 / FRAME_MS);

/**
 * The model misses low speech (of a recording at -45 dB it heard half, 2026-11), so it is given everything at a speaker's
 * level. Noise, however loud, is no voice to it.
 */
const LEVEL_WANTED = 0.1;
const GAIN_MAX = 100;
/** The loudest of late is taken for the level of speech; it fades by 3 dB a second. */
const REMEMBERED_PER_FRAME = 0.99;

export interface VoiceActivityParts {
  log: Log;
  clock: Clock;
  modelPath?: string;
  /** One processor is left for the gateway itself. */
  processesMax?: number;
}

/** Hears one recording, from its beginning to its end. */
export interface Listener {
  /** The next frames of the recording, whole ones; they are copied before this returns. Calls are answered in their order. */
  hear(samples: Buffer): Promise<Frame[]>;
  close(): void;
}

export class VoiceActivity {
  readonly #parts: Required<VoiceActivityParts>;
  readonly #slots = new Semaphore(LISTENERS_MAX);
  #processes: DetectorProcess[];
  #isClosed = false;
  #listenerCount = 0;

  constructor(parts: VoiceActivityParts) {
    const processesMax = Math.max(1, Math.min(PROCESSES_MAX, availableParallelism() - 1));
    this.#parts = { modelPath: MODEL_PATH, processesMax, ...parts };
    this.#processes = [new DetectorProcess(this.#parts)];
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
    return new RecordingListener(this.#listenerCount, this.#choose(), leave);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#processes.map((process) => process.close()));
  }

  /** The one with the fewest recordings. When each has some and there is room for another, that one starts for those to come. */
  #choose(): DetectorProcess {
    // One that never came up stays: the next would not either.
    const kept = this.#processes.filter(({ state }) => state !== 'gone');
    this.#processes = kept.length > 0 || this.#isClosed ? kept : [new DetectorProcess(this.#parts)];
    const [least] = this.#processes.toSorted(
      (one, other) =>
        Number(one.state !== 'ready') - Number(other.state !== 'ready') || one.listenerCount - other.listenerCount,
    );
    assert(least, 'nobody listens after the end');
    const areAllReady = this.#processes.every(({ state }) => state === 'ready');
    if (areAllReady && least.listenerCount > 0 && this.#processes.length < this.#parts.processesMax) {
      this.#processes.push(new DetectorProcess(this.#parts));
    }
    return least;
  }
}

class RecordingListener implements Listener {
  readonly #recording: number;
  readonly #leave: () => void;
  readonly #loudness = new LoudnessDetector();
  #loudest = 0;
  #framesHeard = 0;
  #process: DetectorProcess | undefined;

  constructor(recording: number, process: DetectorProcess, leave: () => void) {
    this.#recording = recording;
    this.#process = process;
    process.listenerCount += 1;
    this.#leave = () => {
      process.listenerCount -= 1;
      leave();
    };
  }

  async hear(samples: Buffer): Promise<Frame[]> {
    assert(samples.length % FRAME_BYTES === 0);
    const levels = levelsOf(samples, FRAME_BYTES);
    // It listens along, so that it knows the noise by the time that it may be needed.
    const loud = levels.map((level) => this.#loudness.hasVoice(level));
    this.#loudest = Math.max(...levels, this.#loudest * REMEMBERED_PER_FRAME ** levels.length);
    const gain = Math.max(1, Math.min(GAIN_MAX, LEVEL_WANTED / this.#loudest));
    const turn = this.#turn;
    this.#framesHeard += levels.length;
    const voice = await this.#process?.ask({ recording: this.#recording, samples: Buffer.from(samples), gain }, turn);
    if (!voice) this.#process = undefined; // what the model knew of the recording is lost, even if there is another process
    return levels.map((level, index) => ({ level, hasVoice: voice ? voice[index] === 1 : loud[index] === true }));
  }

  get #turn(): number {
    return Math.floor(this.#framesHeard / TURN_FRAMES);
  }

  close(): void {
    void this.#process?.ask({ recording: this.#recording, samples: null, gain: 1 }, this.#turn);
    this.#leave();
  }
}
