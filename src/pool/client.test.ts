import { describe, expect, test } from 'vitest';
import type { Model } from '../models/model.ts';
import type { DecodingOptions } from '../transcript/request.ts';
import { formFields } from './client.ts';
import { deadlineMs } from './deadline.ts';

const model = { multilingual: true } as Model;
const options: DecodingOptions = { task: 'transcribe', language: null, prompt: null, temperature: 0 };

describe('the form', () => {
  test('asks for what openai-whisper does, every time: fields are not remembered', () => {
    expect(formFields(options, model, 10_000)).toEqual({
      response_format: 'verbose_json',
      language: 'auto',
      translate: 'false',
      temperature: '0',
      temperature_inc: '0.2',
      beam_size: '5',
      best_of: '5',
      entropy_thold: '2.4',
      logprob_thold: '-1',
      no_speech_thold: '0.6',
      suppress_nst: 'true',
      max_len: '-1',
      no_language_probabilities: 'true',
    });
  });

  test('an English-only model is never asked which language it hears', () => {
    expect(formFields(options, { multilingual: false } as Model, 1)).toMatchObject({ language: 'en' });
    expect(formFields({ ...options, language: 'yue' }, model, 1)).toMatchObject({ language: 'yue' });
  });

  test('a translation, a temperature, and one the engine has no answer to', () => {
    expect(formFields({ ...options, task: 'translate', temperature: 0.4 }, model, 1)).toMatchObject({
      translate: 'true',
      temperature: '0.4',
    });
    expect(formFields({ ...options, temperature: 1.7 }, model, 1)).toMatchObject({ temperature: '1' });
  });

  test('says each decoding option that was asked for, as plain numbers and within what the engine bears', () => {
    const asked = { beamSize: 1, temperatureStep: 0.5, logprobThreshold: -0.5, noSpeechThreshold: 0.9 };
    expect(formFields({ ...options, ...asked }, model, 1)).toMatchObject({
      beam_size: '1',
      temperature_inc: '0.5',
      logprob_thold: '-0.5',
      no_speech_thold: '0.9',
      best_of: '5',
    });
    expect(formFields({ ...options, temperatureStep: 0, noSpeechThreshold: 0, logprobThreshold: 0 }, model, 1)).toEqual(
      {
        ...formFields(options, model, 1),
        temperature_inc: '0',
        no_speech_thold: '0',
        logprob_thold: '0',
      },
    );
  });

  test('a step that never arrives, and more or fewer beams than there are', () => {
    expect(formFields({ ...options, temperatureStep: 1e-9, beamSize: 99 }, model, 1)).toMatchObject({
      temperature_inc: '0.1',
      beam_size: '5',
    });
    expect(formFields({ ...options, temperatureStep: -1, beamSize: 0 }, model, 1)).toMatchObject({
      temperature_inc: '0',
      beam_size: '1',
    });
  });

  test('of a long prompt the end is kept, from a word on; it is repeated only where there is more than one window', () => {
    const prompt = Array.from({ length: 1_000 }, (_, index) => `word${index}`).join(' ');
    const short = formFields({ ...options, prompt }, model, 10_000);
    expect(short.prompt).toMatch(/^word\d+ .* word999$/);
    expect(short.prompt?.length).toBeLessThanOrEqual(896);
    expect(short.carry_initial_prompt).toBe('false');
    const long = formFields({ ...options, prompt }, model, 40_000);
    expect(long.prompt?.length).toBeLessThanOrEqual(600);
    expect(long.carry_initial_prompt).toBe('true');
  });

  test('a prompt is never cut inside a character', () => {
    const { prompt } = formFields({ ...options, prompt: '😀'.repeat(2_000) }, model, 1) as { prompt: string };
    expect(prompt.isWellFormed()).toBe(true);
    expect(formFields({ ...options, prompt: '  ' }, model, 1)).not.toHaveProperty('prompt');
  });
});

describe('the deadline', () => {
  const of = { kind: 'cuda', rank: 4, durationMs: 28_000, factor: 1 } as const;

  test('grows with the audio, the model and the slowness of the device', () => {
    expect(deadlineMs(of)).toBe(45_000);
    expect(deadlineMs({ ...of, durationMs: 60_000 })).toBe(75_000);
    expect(deadlineMs({ ...of, rank: 0 })).toBeLessThan(deadlineMs(of));
    expect(deadlineMs({ ...of, kind: 'cpu' })).toBeGreaterThan(deadlineMs(of));
    expect(deadlineMs({ ...of, factor: 0.5 })).toBe(22_500);
  });

  test('is finite for nothing and for ranks that are not in the table', () => {
    expect(deadlineMs({ ...of, durationMs: 0 })).toBe(45_000);
    expect(deadlineMs({ ...of, rank: 9 })).toBe(45_000);
    expect(deadlineMs({ ...of, factor: Number.POSITIVE_INFINITY })).toBeLessThan(2 ** 31);
    expect(deadlineMs({ ...of, rank: -1 })).toBe(deadlineMs({ ...of, rank: 0 }));
  });
});
