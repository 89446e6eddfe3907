// Decides where a recording is cut, frame by frame as it is decoded: in silences where there are any, and by force, with an
// overlap, where nobody ever pauses. What holds no voice is in no chunk. Pure: it sees frames, not samples, files or time,
// and what it remembers is one chunk's frames, however long the recording.
// A recording a little longer than one chunk is cut like any other: engines invent text in a remainder just over 30 s, and a
// chunk is the longest that other requests wait for.
import assert from 'node:assert/strict';

/** One window of the voice activity model: 512 samples. */
export const FRAME_MS = 32;

/** What is known of 32 ms of sound. */
export interface Frame {
  hasVoice: boolean;
  /** Root-mean-square level, 0–1. */
  level: number;
}

/** A stretch of the recording, in frames counted from its beginning; `endFrame` is the first that is not in it. */
export interface Cut {
  startFrame: number;
  endFrame: number;
  /** How many of its first frames are the last ones of the chunk before it, too. More than 0 only after a forced cut. */
  overlapFrames: number;
  /** The frames in which somebody is heard. */
  voice: { startFrame: number; endFrame: number }[];
}

export interface CutSettings {
  CHUNK_SECONDS_MIN: number;
  CHUNK_SECONDS_MAX: number;
}

const frames = (durationMs: number) => Math.round(durationMs / FRAME_MS);

/** Kept of the silence on both sides of speech: words begin and end more softly than a detector hears. Silero's authors keep
 * 200 ms; one frame more, because it speaks up one late. */
const PADDING_FRAMES = frames(224);
/** Shorter is the silence inside a word: that of a stop consonant lasts 50–150 ms. */
const PAUSE_FRAMES_MIN = frames(224);
/**
 * A longer silence ends a chunk and is left out: engines make up text inside it, and time what follows as if it had begun
 * there. Not shorter, because a chunk costs the engine the same however short it is.
 */
export const SILENCE_FRAMES_MAX = frames(5_000);
/** Less voice than this in a whole chunk is a click or a knock. */
const VOICE_FRAMES_MIN = frames(96);
/** A forced cut lies in this last part of the longest chunk. */
const FORCED_FRAMES = frames(5_000);
/** Both sides of a forced cut hear this much of each other: some words whole, to find the seam by. */
const OVERLAP_FRAMES = frames(1_536);
/** The quietest place is looked for by the mean over this many frames, or a stop consonant would be it. */
const QUIET_FRAMES = 5;

export class Cutter {
  readonly #framesMin: number;
  readonly #framesMax: number;
  /** The recording from `#startFrame` on. Between chunks only the padding of the next, else from its first frame. */
  #frames: Frame[] = [];
  #startFrame = 0;
  #overlapFrames = 0;
  /** How many of the last frames are silent. */
  #silentFrames = 0;

  constructor(settings: CutSettings) {
    this.#framesMax = Math.floor((settings.CHUNK_SECONDS_MAX * 1_000) / FRAME_MS);
    this.#framesMin = Math.min(Math.floor((settings.CHUNK_SECONDS_MIN * 1_000) / FRAME_MS), this.#framesMax);
    assert(this.#framesMax >= FORCED_FRAMES + OVERLAP_FRAMES, 'the longest chunk is too short to be cut');
  }

  /** Takes the next frame; answers the chunk that it completes. */
  push(frame: Frame): Cut | undefined {
    this.#frames.push(frame);
    this.#silentFrames = frame.hasVoice ? 0 : this.#silentFrames + 1;
    // 1. Nobody has spoken yet: only what would pad the first word is kept.
    if (this.#silentFrames === this.#frames.length) {
      this.#dropUntil(this.#frames.length - PADDING_FRAMES);
      return undefined;
    }
    // 2. A long silence ends the chunk.
    if (this.#silentFrames > SILENCE_FRAMES_MAX) return this.#endInSilence();
    // 3. The chunk is as long as it may be: the best place so far is where it is cut. A silence that just began may become one.
    const mayBecomePause = this.#silentFrames > 0 && this.#silentFrames < PAUSE_FRAMES_MIN;
    if (this.#frames.length < this.#framesMax || mayBecomePause) return undefined;
    const pause = choosePause(pausesOf(this.#frames), this.#framesMin);
    return pause ? this.#cutAt(pause) : this.#cutByForce();
  }

  /** The recording is over; answers its last chunk. */
  end(): Cut | undefined {
    return this.#silentFrames < this.#frames.length ? this.#endInSilence() : undefined;
  }

  #endInSilence(): Cut | undefined {
    return this.#take(this.#frames.length - this.#silentFrames + PADDING_FRAMES, this.#frames.length - PADDING_FRAMES);
  }

  #cutAt(pause: Pause): Cut | undefined {
    const middle = Math.floor((pause.start + pause.end) / 2);
    const end = Math.min(pause.start + PADDING_FRAMES, middle, this.#framesMax);
    return this.#take(end, Math.max(pause.end - PADDING_FRAMES, middle));
  }

  #cutByForce(): Cut | undefined {
    const half = Math.floor(OVERLAP_FRAMES / 2);
    const seam = quietest(this.#frames, this.#framesMax - FORCED_FRAMES, this.#framesMax - half);
    const cut = this.#take(seam + half, seam - half);
    this.#overlapFrames = 2 * half;
    return cut;
  }

  /** The chunk up to `end`; the next begins at `next` or later. */
  #take(end: number, next: number): Cut | undefined {
    const endFrame = Math.min(end, this.#frames.length);
    const voice = voiceOf(this.#frames.slice(0, endFrame), this.#startFrame);
    const voiceFrames = voice.reduce((sum, span) => sum + span.endFrame - span.startFrame, 0);
    const cut = {
      startFrame: this.#startFrame,
      endFrame: this.#startFrame + endFrame,
      overlapFrames: this.#overlapFrames,
      voice,
    };
    this.#dropUntil(next);
    this.#overlapFrames = 0;
    return voiceFrames < VOICE_FRAMES_MIN ? undefined : cut;
  }

  #dropUntil(index: number): void {
    if (index <= 0) return;
    this.#frames.splice(0, index);
    this.#startFrame += index;
    this.#silentFrames = Math.min(this.#silentFrames, this.#frames.length);
  }
}

function voiceOf(known: Frame[], firstFrame: number): Cut['voice'] {
  const spans: Cut['voice'] = [];
  for (const [index, { hasVoice }] of known.entries()) {
    if (!hasVoice) continue;
    const frame = firstFrame + index;
    const last = spans.at(-1);
    if (last?.endFrame === frame) last.endFrame += 1;
    else spans.push({ startFrame: frame, endFrame: frame + 1 });
  }
  return spans;
}

/** Silent frames between two that have voice; the last may go on beyond what is known. */
interface Pause {
  start: number;
  end: number;
}

function pausesOf(known: Frame[]): Pause[] {
  const pauses: Pause[] = [];
  let start = known.findIndex((frame) => frame.hasVoice); // what precedes it is padding
  for (const [index, frame] of known.entries()) {
    if (index < start || !frame.hasVoice) continue;
    if (index - start >= PAUSE_FRAMES_MIN) pauses.push({ start, end: index });
    start = index + 1;
  }
  if (known.length - start >= PAUSE_FRAMES_MIN) pauses.push({ start, end: known.length });
  return pauses;
}

/** 1. The longest in which a chunk long enough can end, of equals the latest. 2. Else the latest of all: sooner too short a chunk than a word cut in two. */
function choosePause(pauses: Pause[], framesMin: number): Pause | undefined {
  const late = pauses.filter(({ start, end }) => (start + end) / 2 >= framesMin);
  const length = ({ start, end }: Pause) => end - start;
  return late.length > 0 ? late.reduce((best, pause) => (length(pause) < length(best) ? best : pause)) : pauses.at(-1);
}

/** The middle of the quietest few frames between two places. */
function quietest(known: Frame[], from: number, to: number): number {
  const half = Math.floor(QUIET_FRAMES / 2);
  const loudness = (middle: number) =>
    known.slice(middle - half, middle + half + 1).reduce((sum, frame) => sum + frame.level, 0);
  let best = from;
  for (let middle = from; middle <= to; middle += 1) if (loudness(middle) <= loudness(best)) best = middle;
  return best;
}
