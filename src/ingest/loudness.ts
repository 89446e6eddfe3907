// Tells voice from silence by loudness alone, frame by frame: what hears where the voice activity model cannot. It keeps too
// much rather than too little: noise that is sent to an engine costs time, speech that is not is lost.

/** -60 dB of full scale: quieter is silence whatever surrounds it. */
const LEVEL_MIN = decibels(-60);
/** Voice stands this far above the noise; a steady noise never stands that far above itself. */
const VOICE_OVER_NOISE = decibels(9);
/** However loud the noise is, what is louder than this (and that much) may be somebody speaking without a pause. */
const NOISE_MAX = decibels(-44);
/** The noise is the quietest there was of late: what is quieter is believed at once, what is louder little by little. */
const NOISE_RISE = decibels(0.1);

export class LoudnessDetector {
  #noise = NOISE_MAX;

  hasVoice(level: number): boolean {
    this.#noise = Math.min(Math.max(level, LEVEL_MIN / VOICE_OVER_NOISE), this.#noise * NOISE_RISE, NOISE_MAX);
    return level > Math.max(this.#noise * VOICE_OVER_NOISE, LEVEL_MIN);
  }
}

function decibels(value: number): number {
  return 10 ** (value / 20);
}
