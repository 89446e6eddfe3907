import { describe, expect, test } from 'vitest';
import type { Segment } from './transcript.ts';
import { timedByVoice } from './voiced-words.ts';

type Said = [text: string, startMs: number, endMs: number];

function segmentOf(startMs: number, endMs: number, said: Said[]): Segment {
  return {
    startMs,
    endMs,
    text: said.map(([text]) => ` ${text}`).join(''),
    tokenIds: [],
    pieces: [],
    words: said.map(([text, from, to]) => ({ text, startMs: from, endMs: to, probability: 0.9 })),
    temperature: 0,
    avgLogprob: -0.2,
    noSpeechProbability: 0,
  };
}

const timesOf = ({ words }: Segment) => words.map(({ startMs, endMs }) => [startMs, endMs]);

describe('words and the voice', () => {
  // Recorded with model tiny: the same sentence again after two seconds of silence.
  test('the first word after a pause does not begin with the pause', () => {
    const said: Said[] = [
      ['and', 11_182, 14_142],
      ['so', 14_142, 14_500],
    ];
    const voice = [
      { startMs: 1_300, endMs: 11_000 },
      { startMs: 14_000, endMs: 24_000 },
    ];
    const timed = timedByVoice(segmentOf(11_182, 24_352, said), voice);
    expect(timesOf(timed)).toEqual([
      [13_800, 14_142],
      [14_142, 14_500],
    ]);
    expect(timed).toMatchObject({ startMs: 13_800, endMs: 24_352 });
  });

  test('the last word before a pause does not last as long as the pause', () => {
    const timed = timedByVoice(segmentOf(0, 5_000, [['country', 1_000, 5_000]]), [{ startMs: 500, endMs: 1_800 }]);
    expect(timesOf(timed)).toEqual([[1_000, 2_000]]);
    expect(timed).toMatchObject({ startMs: 0, endMs: 2_000 });
  });

  test('a silence inside a word is shorter than what is added on both sides of it', () => {
    const voice = [
      { startMs: 0, endMs: 1_000 },
      { startMs: 1_350, endMs: 2_000 },
    ];
    const segment = segmentOf(0, 2_000, [['hippopotamus', 300, 1_900]]);
    expect(timedByVoice(segment, voice)).toEqual(segment);
  });

  test.for<[string, Said]>([
    ['in a silence', ['you', 3_000, 3_500]],
    ['but for an instant in a silence', ['you', 1_150, 1_700]],
    ['with no time of its own', ['you', 500, 500]],
  ])('a word %s stays where it was stamped', ([, word]) => {
    const segment = segmentOf(0, 4_000, [word]);
    expect(timedByVoice(segment, [{ startMs: 0, endMs: 1_000 }])).toEqual(segment);
  });

  test('nothing is changed where nobody was heard, or there are no words', () => {
    const late: Said[] = Array.from({ length: 6 }, () => ['la', 4_000, 4_000]);
    for (const segment of [segmentOf(0, 4_000, late), segmentOf(0, 4_000, [])])
      expect(timedByVoice(segment, [])).toEqual(segment);
  });
});

describe('words that were stamped where the sound ends', () => {
  const late = (text: string): Said => [text, 10_000, 10_000];

  test('share the voice of their sentence with those before them, each by its letters', () => {
    const said: Said[] = [['four', 200, 9_900], ...['four', 'four', 'eightoes', 'four', 'four', 'four'].map(late)];
    const voice = [
      { startMs: 200, endMs: 4_800 },
      { startMs: 5_200, endMs: 10_200 },
    ];
    const timed = timedByVoice(segmentOf(0, 10_000, said), voice);
    expect(timesOf(timed).map(([startMs]) => startMs)).toEqual([0, 1_250, 2_500, 3_750, 6_250, 7_500, 8_750]);
    expect(timed).toMatchObject({ startMs: 0, endMs: 10_000 });
  });

  test('take nothing from the pauses', () => {
    const said: Said[] = ['four', 'four', 'four', 'four', 'four', 'four'].map(late);
    const voice = [
      { startMs: 200, endMs: 2_800 },
      { startMs: 7_200, endMs: 10_000 },
    ];
    const starts = timesOf(timedByVoice(segmentOf(0, 10_000, said), voice)).map(([startMs]) => startMs);
    expect(starts).toEqual([0, 1_000, 2_000, 7_000, 8_000, 9_000]);
  });
});
