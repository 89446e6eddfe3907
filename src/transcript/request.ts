// What a caller asks for, in our words. Dialects make it; nothing below them knows which vendor it came from.
import type { AudioSelection } from './recording.ts';

export type Task = 'transcribe' | 'translate';

/** Everything that changes the words of the result, besides the audio and the model: these make up the cache key. */
export interface DecodingOptions {
  task: Task;
  /** A whisper language code (`en`, `yue`), or null to detect it. */
  language: string | null;
  prompt: string | null;
  temperature: number;
  /** Each chunk may be in a language of its own; `language` is null then. */
  languagePerChunk?: boolean;
  /** `USUAL_DECODING` where left out, like those below. */
  beamSize?: number;
  /** Added to the temperature each time a decoding fails its thresholds; 0 tries once. */
  temperatureStep?: number;
  logprobThreshold?: number;
  noSpeechThreshold?: number;
}

/** What is asked of the engine where a caller does not say: openai-whisper's own. */
export const USUAL_DECODING = {
  beamSize: 5,
  temperatureStep: 0.2,
  logprobThreshold: -1,
  noSpeechThreshold: 0.6,
} as const satisfies Partial<DecodingOptions>;

/** The engine could do eight, but the memory a model is said to need is reckoned with five. */
export const BEAM_SIZE_MAX = 5;
/** Every step up to 1 is one more decoding, and the engine counts them without a limit. */
export const TEMPERATURE_STEP_MIN = 0.1;

/** Options that ask for what is done anyway left out: the same question then finds the same answer in the cache. */
export function withoutUsual(options: DecodingOptions): DecodingOptions {
  const usual: Partial<DecodingOptions> = USUAL_DECODING;
  const kept = Object.entries(options).filter(([name, value]) => usual[name as keyof DecodingOptions] !== value);
  return Object.fromEntries(kept) as unknown as DecodingOptions;
}

export interface TranscriptionRequest extends AudioSelection {
  /** As the caller wrote it; `models` resolves vendor names and aliases. */
  model: string;
  options: DecodingOptions;
  /** `use` the cache, `refresh` it (Cache-Control: no-cache) or `bypass` it entirely (no-store). */
  cache: 'use' | 'refresh' | 'bypass';
  /** Whose turn it uses when many wait. Callers without a name take turns as one. */
  caller?: string;
}
