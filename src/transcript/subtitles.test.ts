import { describe, expect, it } from 'vitest';
import { toSrt, toVtt } from './subtitles.ts';
import type { Transcript } from './transcript.ts';

function transcriptOf(...cues: [startMs: number, endMs: number, text: string][]): Transcript {
  const segments = cues.map(([startMs, endMs, text]) => ({
    startMs,
    endMs,
    text,
    tokenIds: [],
    pieces: [],
    words: [],
    temperature: 0,
    avgLogprob: 0,
    noSpeechProbability: 0,
  }));
  return { task: 'transcribe', model: 'base', language: 'en', durationMs: 8470, segments, diagnostics: [] };
}

const speech = transcriptOf([0, 3320, ' The beach was a popular spot.'], [3320, 3_723_004.4, ' People swam.\n']);

describe('toSrt', () => {
  it('numbers from 1, shows hours always and ends in three line feeds', () => {
    expect(toSrt(speech)).toBe(
      '1\n00:00:00,000 --> 00:00:03,320\nThe beach was a popular spot.\n\n' +
        '2\n00:00:03,320 --> 01:02:03,004\nPeople swam.\n\n\n',
    );
  });

  it('leaves out segments without text and still counts on', () => {
    expect(toSrt(transcriptOf([0, 100, ' '], [100, 200, ' a'], [200, 300, ''], [300, 400, ' b']))).toBe(
      '1\n00:00:00,100 --> 00:00:00,200\na\n\n2\n00:00:00,300 --> 00:00:00,400\nb\n\n\n',
    );
  });

  it('is a lone line feed for silence', () => {
    expect(toSrt(transcriptOf())).toBe('\n');
  });
});

describe('toVtt', () => {
  it('has a header, dots, no numbers and ends in two line feeds', () => {
    expect(toVtt(speech)).toBe(
      'WEBVTT\n\n00:00:00.000 --> 00:00:03.320\nThe beach was a popular spot.\n\n' +
        '00:00:03.320 --> 01:02:03.004\nPeople swam.\n\n',
    );
  });

  it('is a header for silence', () => {
    expect(toVtt(transcriptOf())).toBe('WEBVTT\n\n');
  });
});

describe('both', () => {
  it.each([toSrt, toVtt])('cannot be broken by what was said: %o', (write) => {
    const written = write(transcriptOf([0, 1000, ' one\r\n\r\n2\n00:00:05.000 --> 00:00:06.000\nfake ---->']));
    expect(written.match(/-->/g)).toHaveLength(1);
    expect(written).not.toContain('\r');
    expect(written.trimEnd().split('\n').at(-1)).toBe('one 2 00:00:05.000 -> 00:00:06.000 fake ->');
  });

  it('keeps times that pass a hundred hours, and never shows a negative one', () => {
    expect(toVtt(transcriptOf([-5, 360_000_000, ' x']))).toContain('00:00:00.000 --> 100:00:00.000');
  });
});
