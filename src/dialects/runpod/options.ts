// What a request and the environment say → what is decoded, and what of it has no effect here. The request goes before the
// environment, the environment before the defaults. Pure.
import { GatewayError } from '../../errors.ts';
import { hintedLanguage } from '../../transcript/hints.ts';
import {
  BEAM_SIZE_MAX,
  type DecodingOptions,
  TEMPERATURE_STEP_MIN,
  USUAL_DECODING,
  withoutUsual,
} from '../../transcript/request.ts';
import type { InputOptions, OptionName, OutputFormat, RunBody } from './schema.ts';

export interface Interpreted {
  model: string;
  decoding: DecodingOptions;
  format: OutputFormat;
  debug: boolean;
  warnings: string[];
}

const DEFAULT_MODEL = 'default';
const COMPRESSION_RATIO_USUAL = 2.4;

const NO_SPEAKERS = 'speakers are not told apart';
const OWN_VOICE_DETECTION = 'where somebody speaks is found by thresholds of this server';

/** `unless`: the value that asks for what is done anyway. */
const WITHOUT_EFFECT: { [Name in OptionName]?: { why: string; unless?: InputOptions[Name] } } = {
  compute_type: { why: 'weights are used as their file has them' },
  batch_size: { why: 'each device decodes one chunk at a time' },
  length_penalty: { why: 'the engine has none that could be set' },
  compression_ratio_threshold: {
    why: 'the engine looks at the entropy of the text instead',
    unless: COMPRESSION_RATIO_USUAL,
  },
  vad_onset: { why: OWN_VOICE_DETECTION },
  vad_offset: { why: OWN_VOICE_DETECTION },
  min_duration_on: { why: OWN_VOICE_DETECTION },
  min_duration_off: { why: OWN_VOICE_DETECTION },
  pad_onset: { why: OWN_VOICE_DETECTION, unless: 0 },
  pad_offset: { why: OWN_VOICE_DETECTION, unless: 0 },
  align_output: { why: 'words are always aligned', unless: true },
  diarization: { why: NO_SPEAKERS, unless: false },
  min_speakers: { why: NO_SPEAKERS },
  max_speakers: { why: NO_SPEAKERS },
  huggingface_access_token: { why: 'no model is fetched with it' },
};

export function interpret(input: RunBody['input'], environment: InputOptions): Interpreted {
  const asked = merge(input, environment);
  const { min_speakers: least, max_speakers: most } = asked;
  if (least !== undefined && most !== undefined && least > most) {
    const message = `min_speakers: ${least} are more than max_speakers, which is ${most}.`;
    throw new GatewayError('field-invalid', message, { field: 'min_speakers' });
  }
  const beamSize = asked.beam_size ?? USUAL_DECODING.beamSize;
  const temperatureStep = asked.temperature_increment_on_fallback ?? USUAL_DECODING.temperatureStep;
  return {
    model: asked.model ?? DEFAULT_MODEL,
    decoding: withoutUsual({
      task: 'transcribe',
      language: hintedLanguage(asked),
      prompt: null,
      temperature: asked.temperature ?? 0,
      beamSize: Math.min(beamSize, BEAM_SIZE_MAX),
      temperatureStep: temperatureStep > 0 ? Math.max(temperatureStep, TEMPERATURE_STEP_MIN) : 0,
      logprobThreshold: asked.log_prob_threshold ?? USUAL_DECODING.logprobThreshold,
      noSpeechThreshold: asked.no_speech_threshold ?? USUAL_DECODING.noSpeechThreshold,
    }),
    format: asked.output_format ?? 'json',
    debug: asked.debug ?? false,
    warnings: [
      ...(beamSize > BEAM_SIZE_MAX ? [`beam_size: ${BEAM_SIZE_MAX} are used, the most there are`] : []),
      ...(temperatureStep > 0 && temperatureStep < TEMPERATURE_STEP_MIN
        ? [`temperature_increment_on_fallback: ${TEMPERATURE_STEP_MIN} is used, the least there is`]
        : []),
      ...withoutEffect(asked),
    ],
  };
}

function merge(input: RunBody['input'], environment: InputOptions): InputOptions {
  const said: InputOptions = Object.fromEntries(Object.entries(input).filter(([, value]) => value != null));
  const asked = { ...environment, ...said };
  // Null leaves other options open, but the language it asks to be detected.
  if (input.language === null) delete asked.language;
  const diarization = said.diarization ?? said.diarize ?? environment.diarization ?? environment.diarize;
  return { ...asked, ...(diarization !== undefined && { diarization }) };
}

/** The values are not shown: one of them is a secret. */
function withoutEffect(asked: InputOptions): string[] {
  return Object.entries(WITHOUT_EFFECT).flatMap(([name, { why, unless }]) => {
    const value = asked[name as OptionName];
    return value === undefined || value === unless ? [] : [`${name}: has no effect, ${why}`];
  });
}
