import { expect, test } from 'vitest';
import { omissions } from './diagnostics.ts';
import type { Diagnostic, Transcript } from './transcript.ts';

const found = (action: Diagnostic['action']): Diagnostic => ({
  rule: 'text-in-silence',
  action,
  startMs: 1250,
  endMs: 3000,
  text: ' Thank you.',
});

test('what was dropped is told of, what was tried again is not', () => {
  const transcript: Transcript = {
    task: 'transcribe',
    model: 'tiny',
    language: 'en',
    durationMs: 5000,
    segments: [],
    diagnostics: [found('retried'), found('dropped')],
  };
  expect(omissions(transcript)).toEqual(['Text from 1.3 to 3.0 s was left out: nobody speaks there.']);
});
