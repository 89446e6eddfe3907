import { expect, test } from 'vitest';
import { type DecodingOptions, USUAL_DECODING, withoutUsual } from './request.ts';

const options: DecodingOptions = { task: 'transcribe', language: null, prompt: null, temperature: 0 };

test('what is asked for anyway is left out, and nothing else', () => {
  expect(withoutUsual({ ...options, ...USUAL_DECODING })).toEqual(options);
  const unusual = { beamSize: 1, temperatureStep: 0, logprobThreshold: 0, noSpeechThreshold: 0 };
  expect(withoutUsual({ ...options, ...unusual })).toEqual({ ...options, ...unusual });
});
