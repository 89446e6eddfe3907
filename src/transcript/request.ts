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
  /** The engine's own where left out, like those below. */
  beamSize?: number;
  /** Added to the temperature each time a decoding fails its thresholds; 0 tries once. */
  temperatureStep?: number;
  logprobThreshold?: number;
  noSpeechThreshold?: number;
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
