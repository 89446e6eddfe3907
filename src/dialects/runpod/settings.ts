// What a whisper worker on RunPod is set up with: the options of a request that a caller left open. Named as there, so that an
// existing deployment's environment can be taken over.
import { z } from 'zod';
import { LANGUAGE_NAME_BY_CODE } from '../../transcript/languages.ts';
import { type InputOptions, inputOptions } from './schema.ts';

const FLAGS: Record<string, boolean> = {
  ...{ true: true, '1': true, yes: true, on: true },
  ...{ false: false, '0': false, no: false, off: false },
};

const { shape } = inputOptions;
const written = (read: (text: string) => unknown) => (value: unknown) =>
  typeof value !== 'string' || value.trim() === '' ? undefined : read(value.trim());
const optional = <Option extends z.ZodType>(option: Option, read: (text: string) => unknown, description: string) =>
  z.preprocess(written(read), option.optional()).describe(`On \`/v2\`, unless the request says: ${description}`);

const text = <Option extends z.ZodType>(option: Option, description: string) =>
  optional(option, (value) => value, description);
const number = <Option extends z.ZodType>(option: Option, description: string) => optional(option, Number, description);
const flag = <Option extends z.ZodType>(option: Option, description: string) =>
  optional(option, (value) => FLAGS[value.toLowerCase()] ?? value, description);

const NO_EFFECT = 'Has no effect here.';

export const runpodSettings = z.object({
  MODEL: text(shape.model, 'the model.'),
  // Systems set a variable of this name, too, in other forms: `en_US:en`. Theirs is no wish of anybody's.
  LANGUAGE: optional(
    shape.language,
    (value) => (LANGUAGE_NAME_BY_CODE.has(value) ? value : undefined),
    'the language, as a bare code (`en`); anything else is ignored.',
  ),
  BEAM_SIZE: number(shape.beam_size, 'how many beams, 5 at most; 5 when unset.'),
  TEMPERATURE: number(shape.temperature, 'the temperature; 0 when unset.'),
  TEMPERATURE_INCREMENT_ON_FALLBACK: number(
    shape.temperature_increment_on_fallback,
    'what each further try adds to it; 0.2 when unset.',
  ),
  NO_SPEECH_THRESHOLD: number(
    shape.no_speech_threshold,
    'the probability above which nothing was said; 0.6 when unset.',
  ),
  LOG_PROB_THRESHOLD: number(
    shape.log_prob_threshold,
    'the mean log probability below which a try failed; -1 when unset.',
  ),
  LOGPROB_THRESHOLD: number(shape.log_prob_threshold, 'the same, by its older name.'),
  COMPRESSION_RATIO_THRESHOLD: number(shape.compression_ratio_threshold, `how repetitive text may be. ${NO_EFFECT}`),
  OUTPUT_FORMAT: text(shape.output_format, '`json`, `txt`, `srt` or `vtt`; `json` when unset.'),
  // Many programs look at a variable of this name and put anything into it.
  DEBUG: optional(shape.debug, (value) => FLAGS[value.toLowerCase()], 'whether the output has `debug_info`.'),
  COMPUTE_TYPE: text(shape.compute_type, `how weights are computed with. ${NO_EFFECT}`),
  BATCH_SIZE: number(shape.batch_size, `chunks at a time. ${NO_EFFECT}`),
  LENGTH_PENALTY: number(shape.length_penalty, `the penalty of long beams. ${NO_EFFECT}`),
  VAD_ONSET: number(shape.vad_onset, `where voice begins. ${NO_EFFECT}`),
  VAD_OFFSET: number(shape.vad_offset, `where voice ends. ${NO_EFFECT}`),
  MIN_DURATION_ON: number(shape.min_duration_on, `the shortest voice. ${NO_EFFECT}`),
  MIN_DURATION_OFF: number(shape.min_duration_off, `the shortest pause. ${NO_EFFECT}`),
  PAD_ONSET: number(shape.pad_onset, `padding before voice. ${NO_EFFECT}`),
  PAD_OFFSET: number(shape.pad_offset, `padding after voice. ${NO_EFFECT}`),
  ALIGN_OUTPUT: flag(shape.align_output, 'whether words are aligned. They always are.'),
  DIARIZATION: flag(shape.diarization, `who speaks. ${NO_EFFECT}`),
  DIARIZE: flag(shape.diarize, `the same, by its other name. ${NO_EFFECT}`),
  MIN_SPEAKERS: number(shape.min_speakers, `how few speak. ${NO_EFFECT}`),
  MAX_SPEAKERS: number(shape.max_speakers, `how many speak. ${NO_EFFECT}`),
  HUGGINGFACE_ACCESS_TOKEN: text(shape.huggingface_access_token, `a token for models of speakers. ${NO_EFFECT}`),
  HF_TOKEN: text(shape.huggingface_access_token, `the same, by its other name. ${NO_EFFECT}`),
});

export type RunpodSettings = z.infer<typeof runpodSettings>;

/** The settings by the names that a request has for them. The token is nobody's wish: machines have one for other reasons. */
export function environmentOptions(settings: RunpodSettings): InputOptions {
  const { LOGPROB_THRESHOLD, HF_TOKEN, HUGGINGFACE_ACCESS_TOKEN, ...rest } = settings;
  const named = Object.entries({ ...rest, LOG_PROB_THRESHOLD: rest.LOG_PROB_THRESHOLD ?? LOGPROB_THRESHOLD });
  return Object.fromEntries(
    named.flatMap(([name, value]) => (value === undefined ? [] : [[name.toLowerCase(), value]])),
  );
}
