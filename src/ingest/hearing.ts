// Hears one recording from its beginning to its end: for each frame how loud it is, and whether somebody speaks. Without the
// voice activity model it tells voice by loudness.
import { levelsOf } from '../transcript/levels.ts';
import { PCM_BYTES_PER_MS } from '../transcript/recording.ts';
import { FRAME_MS } from './cut.ts';
import { LoudnessDetector } from './loudness.ts';
import type { Silero, SileroMemory } from './silero/silero.ts';

export const FRAME_BYTES = FRAME_MS * PCM_BYTES_PER_MS;

/**
 * The model misses low speech (of a recording at -45 dB it heard half, 2026-11), so it is given everything at a speaker's
 * level. Noise, however loud, is no voice to it.
 */
const LEVEL_WANTED = 0.1;
const GAIN_MAX = 100;
/** A second, amplified all alike, however much is heard at a time. */
const STEP_FRAMES = 32;
/** The loudest of late is taken for the level of speech; it fades by 3 dB a second. */
const REMEMBERED_PER_FRAME = 0.99;

/** Voice begins with the second frame in a row that is as probable as this, since one alone may be a click, and goes on while that much is left. */
const PROBABILITY_BEGINS = 0.5;
const PROBABILITY_GOES_ON = 0.35;

/** One of each for every frame. */
export interface Heard {
  /** Root-mean-square, 0–1. */
  levels: Float32Array;
  /** 1 where somebody speaks. */
  voice: Uint8Array;
}

export class Hearing {
  readonly #model: { silero: Silero; memory: SileroMemory } | undefined;
  readonly #loudness = new LoudnessDetector();
  #loudest = 0;
  #isSpeaking = false;
  #wasProbable = false;

  constructor(silero: Silero | undefined) {
    this.#model = silero && { silero, memory: silero.remember() };
  }

  /** The next frames, whole ones. */
  hear(samples: Buffer): Heard {
    const length = samples.length / FRAME_BYTES;
    const heard = { levels: new Float32Array(length), voice: new Uint8Array(length) };
    for (let at = 0; at < length; at += STEP_FRAMES) {
      const { levels, voice } = this.#hearStep(samples.subarray(at * FRAME_BYTES, (at + STEP_FRAMES) * FRAME_BYTES));
      heard.levels.set(levels, at);
      heard.voice.set(voice, at);
    }
    return heard;
  }

  #hearStep(samples: Buffer): { levels: ArrayLike<number>; voice: number[] } {
    if (!this.#model) {
      const levels = levelsOf(samples, FRAME_BYTES);
      return { levels, voice: levels.map((level) => Number(this.#loudness.hasVoice(level))) };
    }
    const { silero, memory } = this.#model;
    const { levels, probabilities } = silero.hear(samples, memory, (of) => this.#gainOf(of));
    return { levels, voice: Array.from(probabilities, (probability) => Number(this.#isVoice(probability))) };
  }

  #gainOf(levels: Float32Array): number {
    this.#loudest = Math.max(...levels, this.#loudest * REMEMBERED_PER_FRAME ** levels.length);
    return Math.max(1, Math.min(GAIN_MAX, LEVEL_WANTED / this.#loudest));
  }

  #isVoice(probability: number): boolean {
    const isProbable = probability > PROBABILITY_BEGINS;
    this.#isSpeaking = this.#isSpeaking ? probability > PROBABILITY_GOES_ON : isProbable && this.#wasProbable;
    this.#wasProbable = isProbable;
    return this.#isSpeaking;
  }
}
