import { describe, expect, test } from 'vitest';
import { interpret } from './options.ts';
import { type InputOptions, type RunBody, runBody } from './schema.ts';
import { environmentOptions, runpodSettings } from './settings.ts';

const usual = { task: 'transcribe', language: null, prompt: null, temperature: 0 };
const read = (options: InputOptions | Partial<RunBody['input']>, environment: Record<string, string> = {}) =>
  interpret(
    runBody.parse({ input: { audio_file: 'https://a.example/a.wav', ...options } }).input,
    environmentOptions(runpodSettings.parse(environment)),
  );

describe('what a request leaves open', () => {
  test('is as usual where the environment leaves it open, too', () => {
    expect(read({})).toEqual({ model: 'default', decoding: usual, format: 'json', debug: false, warnings: [] });
    const empty = { MODEL: '', BEAM_SIZE: ' ', DEBUG: '', DIARIZATION: '' };
    expect(read({ model: null, beam_size: null }, empty)).toEqual(read({}));
  });

  test('is as the environment has it, and what it says goes before that', () => {
    const environment = {
      ...{ MODEL: 'small', LANGUAGE: 'ru', BEAM_SIZE: '2', TEMPERATURE: '0.4', OUTPUT_FORMAT: 'srt', DEBUG: 'TRUE' },
      ...{ TEMPERATURE_INCREMENT_ON_FALLBACK: '0', NO_SPEECH_THRESHOLD: '0.3', LOGPROB_THRESHOLD: '-2' },
    };
    expect(read({}, environment)).toEqual({
      model: 'small',
      decoding: {
        ...usual,
        ...{ language: 'ru', temperature: 0.4, beamSize: 2, temperatureStep: 0 },
        ...{ noSpeechThreshold: 0.3, logprobThreshold: -2 },
      },
      format: 'srt',
      debug: true,
      warnings: [],
    });
    const said: InputOptions = {
      ...{ model: 'base', language: 'English', beam_size: 3, temperature: 0, output_format: 'json', debug: false },
      ...{ temperature_increment_on_fallback: 0.5, no_speech_threshold: 0, log_prob_threshold: 0 },
    };
    expect(read(said, environment)).toEqual({
      model: 'base',
      decoding: {
        ...usual,
        ...{ language: 'en', beamSize: 3, temperatureStep: 0.5, noSpeechThreshold: 0, logprobThreshold: 0 },
      },
      format: 'json',
      debug: false,
      warnings: [],
    });
  });

  test('by either name of a threshold, the request’s own first', () => {
    const both = { LOG_PROB_THRESHOLD: '-3', LOGPROB_THRESHOLD: '-2' };
    expect(read({}, both).decoding.logprobThreshold).toBe(-3);
  });

  test('a language of null is to be detected, whatever the environment says', () => {
    expect(read({ language: null }, { LANGUAGE: 'ru' }).decoding.language).toBeNull();
  });

  test('what asks for the usual is the same question', () => {
    const asked = { beam_size: 5, temperature_increment_on_fallback: 0.2, no_speech_threshold: 0.6 };
    expect(read({ ...asked, log_prob_threshold: -1 })).toEqual(read({}));
  });
});

describe('what cannot be done', () => {
  test('is named, and done as far as it can be', () => {
    const { decoding, warnings } = read({ beam_size: 20, temperature_increment_on_fallback: 0.001 });
    expect(decoding).toEqual({ ...usual, temperatureStep: 0.1 });
    expect(warnings).toEqual([
      'beam_size: 5 are used, the most there are',
      'temperature_increment_on_fallback: 0.1 is used, the least there is',
    ]);
  });

  test.each<[InputOptions, string]>([
    [{ compute_type: 'int8' }, 'compute_type'],
    [{ batch_size: 32 }, 'batch_size'],
    [{ length_penalty: 1.1 }, 'length_penalty'],
    [{ compression_ratio_threshold: 2 }, 'compression_ratio_threshold'],
    [{ vad_onset: 0.3 }, 'vad_onset'],
    [{ vad_offset: 0.25 }, 'vad_offset'],
    [{ min_duration_on: 0.08 }, 'min_duration_on'],
    [{ min_duration_off: 0.08 }, 'min_duration_off'],
    [{ pad_onset: 0.1 }, 'pad_onset'],
    [{ pad_offset: 0.1 }, 'pad_offset'],
    [{ align_output: false }, 'align_output'],
    [{ diarization: true }, 'diarization'],
    [{ diarize: true }, 'diarization'],
    [{ min_speakers: 1 }, 'min_speakers'],
    [{ max_speakers: 4 }, 'max_speakers'],
    [{ huggingface_access_token: 'hf_secret' }, 'huggingface_access_token'],
  ])('%j is named', (options, name) => {
    const { decoding, warnings } = read(options);
    expect(warnings).toEqual([expect.stringMatching(new RegExp(`^${name}: has no effect, `))]);
    expect(warnings.join()).not.toContain('hf_secret');
    expect(decoding).toEqual(usual);
  });

  test('what asks for what is done anyway is not', () => {
    const { warnings } = read({
      ...{ diarization: false, diarize: true, align_output: true, pad_onset: 0, pad_offset: 0 },
      compression_ratio_threshold: 2.4,
    });
    expect(warnings).toEqual([]);
  });

  test('of the environment is named, too, but a token that the machine happens to have', () => {
    const environment = { ...{ VAD_ONSET: '0.35', DIARIZE: 'yes', HF_TOKEN: 'a' }, HUGGINGFACE_ACCESS_TOKEN: 'b' };
    expect(read({}, environment).warnings.map((warning) => warning.split(':')[0])).toEqual([
      'vad_onset',
      'diarization',
    ]);
    expect(read({ diarize: false }, environment).warnings).toHaveLength(1);
  });

  test('speakers in the wrong order, over request and environment', () => {
    expect(() => read({ min_speakers: 5 }, { MAX_SPEAKERS: '2' })).toThrow(
      expect.objectContaining({ code: 'field-invalid', field: 'min_speakers' }),
    );
  });

  test('a language nobody speaks', () => {
    expect(() => read({ language: 'klingon' })).toThrow(expect.objectContaining({ code: 'field-invalid' }));
  });
});

describe('the environment', () => {
  test.each([
    ['BEAM_SIZE', 'five'],
    ['BEAM_SIZE', '0'],
    ['BATCH_SIZE', '1.5'],
    ['TEMPERATURE', '2'],
    ['NO_SPEECH_THRESHOLD', 'NaN'],
    ['LOGPROB_THRESHOLD', '1'],
    ['COMPUTE_TYPE', 'float8'],
    ['OUTPUT_FORMAT', 'pdf'],
    ['DIARIZATION', 'maybe'],
  ])('%s=%s is refused at the start', (name, value) => {
    expect(runpodSettings.safeParse({ [name]: value }).error?.issues[0]?.path).toEqual([name]);
  });

  test.each([
    ['LANGUAGE', 'en_US:en'],
    ['LANGUAGE', 'de_DE'],
    ['DEBUG', 'express:*'],
  ])('%s=%s is another program’s', (name, value) => {
    expect(read({}, { [name]: value })).toEqual(read({}));
  });
});
