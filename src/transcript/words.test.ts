import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { monotonic, type TimedPiece, wordsFromPieces } from './words.ts';

interface Recorded {
  language: string;
  segments: { text: string; words: { word: string; start: number; end: number; probability: number }[] }[];
}

const RECORDED = ['english', 'spanish', 'russian', 'japanese', 'numbers'];

function recorded(name: string): Recorded {
  return JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8'));
}

function recordedPieces(segment: Recorded['segments'][number]): TimedPiece[] {
  return segment.words.map(({ word, start, end, probability }) => ({
    text: word,
    startMs: start * 1000,
    endMs: end * 1000,
    probability,
  }));
}

/** Pieces of 100 ms each, one after the other. */
function pieces(...texts: string[]): TimedPiece[] {
  return texts.map((text, index) => ({ text, startMs: index * 100, endMs: index * 100 + 100, probability: 0.5 }));
}

const wordTexts = (language: string, ...texts: string[]) =>
  wordsFromPieces(pieces(...texts), language).map((word) => word.text);

describe('wordsFromPieces on recorded output', () => {
  it('makes words of an English speech', () => {
    const words = recorded('english').segments.flatMap((segment) => wordsFromPieces(recordedPieces(segment), 'en'));
    expect(words.map((word) => word.text).join(' ')).toBe(
      'And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.',
    );
    // "so," ends with "so"; the comma's own time is the pause after it.
    expect(words[1]).toMatchObject({ text: 'so,', startMs: 330, endMs: 530 });
  });

  it('keeps Spanish opening marks with the word they open, without their time', () => {
    const [segment] = recorded('spanish').segments;
    const words = wordsFromPieces(recordedPieces(segment ?? { text: '', words: [] }), 'es');
    expect(words.map(({ text, startMs, endMs }) => ({ text, startMs, endMs }))).toEqual([
      { text: '¡Como', startMs: 230, endMs: 690 },
      { text: 'estás!', startMs: 690, endMs: 1270 },
    ]);
  });

  it('joins Cyrillic pieces', () => {
    const [segment] = recorded('russian').segments;
    const words = wordsFromPieces(recordedPieces(segment ?? { text: '', words: [] }), 'ru');
    expect(words.map((word) => word.text)).toEqual(['Зарамство,', 'минамовутанно.']);
  });

  it('takes each Japanese piece for a word', () => {
    const [segment] = recorded('japanese').segments;
    const words = wordsFromPieces(recordedPieces(segment ?? { text: '', words: [] }), 'ja');
    expect(words.map((word) => word.text)).toEqual([...'ハヨウドナイマースを']);
  });

  it('keeps amounts, elisions and hyphenated numbers whole', () => {
    const words = recorded('numbers').segments.flatMap((segment) => wordsFromPieces(recordedPieces(segment), 'en'));
    expect(words.map((word) => word.text)).toEqual(
      "The price is $25 and $50, and she said, don't go, it's half past three. Call 5-5-5-1-1-2.".split(' '),
    );
  });

  it.each(RECORDED)('loses and invents nothing: %s', (name) => {
    const { language, segments } = recorded(name);
    for (const segment of segments) {
      for (const as of [language, 'en', 'zh']) {
        const words = wordsFromPieces(recordedPieces(segment), as);
        expect(words.map((word) => word.text).join('')).toBe(segment.text.replace(/\s/g, ''));
        expectOrdered(words);
        for (const word of words) {
          expect(word.probability).toBeGreaterThan(0);
          expect(word.probability).toBeLessThanOrEqual(1);
        }
      }
    }
  });
});

describe('wordsFromPieces', () => {
  it.each([
    ['en', [' "', 'Hello', '"', ' she', ' said'], ['"Hello"', 'she', 'said']],
    ['en', [' "', ' Hello', ' "', ' she'], ['"Hello', '"she']],
    ['en', [' wait', ' -', ' no'], ['wait', '-no']],
    ['en', [' (', ' a', ' )', ' ...', ' b'], ['(a)...', 'b']],
    ['en', [' 50', '%', ' R', '&', 'D', ' &', ' C', '#'], ['50%', 'R&D', '&', 'C#']],
    ['en', ['...', ' and'], ['...and']],
    ['en', [' end', ' ('], ['end(']],
    ['en', [' ...'], ['...']],
    ['en', [' ¿', ' Qué'], ['¿Qué']],
    ['fr', [' «', ' Bonjour', ' »', ' dit', '-', 'il', ' ?'], ['«Bonjour»', 'dit-il?']],
    ['ar', [' نعم', ' ،', ' لا', '؟'], ['نعم،', 'لا؟']],
    ['hi', [' हाँ', '।'], ['हाँ।']],
    ['ja', ['「', 'は', 'い', '」', '。', 'は', '？'], ['「は', 'い」。', 'は？']],
    ['zh', ['3', '-', '5'], ['3-', '5']],
    ['th', ['น', '้', 'ำ'], ['น้', 'ำ']],
    ['en', [' ', 'Hi', '', ' ', ' ', ' there'], ['Hi', 'there']],
    ['en', [' \uFFFD', ' caf', 'é\uFFFD', '\uFFFD'], ['café']],
    ['ja', ['\uFFFD', 'は', '\uFFFD'], ['は']],
    ['en', [' \uFFFD', '\uFFFD'], []],
    ['en', [], []],
  ])('%s %j → %j', (language, texts, expected) => {
    expect(wordTexts(language, ...texts)).toEqual(expected);
  });

  it('times a word by its spoken pieces and averages all of them', () => {
    const [word] = wordsFromPieces(
      [
        { text: ' "', startMs: 0, endMs: 900, probability: 0.1 },
        { text: 'hel', startMs: 900, endMs: 1000, probability: 0.6 },
        { text: 'lo', startMs: 1000, endMs: 1100, probability: 0.8 },
        { text: '."', startMs: 1100, endMs: 2000, probability: 0.9 },
      ],
      'en',
    );
    expect(word).toMatchObject({ text: '"hello."', startMs: 900, endMs: 1100 });
    expect(word?.probability).toBeCloseTo(0.6, 10);
  });

  it('repairs times that are missing, negative, fractional or out of order', () => {
    const broken: [number, number][] = [
      [-10, -10],
      [Number.NaN, 500],
      [400.4, 200],
      [300, Number.POSITIVE_INFINITY],
      [600, 650],
    ];
    const words = wordsFromPieces(
      broken.map(([startMs, endMs]) => ({ text: ' x', startMs, endMs, probability: Number.NaN })),
      'en',
    );
    expectOrdered(words);
    expect(words.map(({ startMs, endMs }) => [startMs, endMs])).toEqual([
      [0, 0],
      [0, 400],
      [400, 400],
      [400, 400],
      [600, 650],
    ]);
    expect(words[0]?.probability).toBe(0);
  });

  it('keeps text and order for any mixture of pieces', () => {
    const alphabet = [
      ' a',
      'b',
      ' "',
      '"',
      ',',
      ' -',
      '-',
      ' (',
      ')',
      ' ',
      '。',
      '「',
      '\uFFFD',
      "'s",
      ' ¿',
      '้',
      '%',
      ' $',
    ];
    let seed = 42;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    for (let round = 0; round < 500; round++) {
      const mixture = Array.from({ length: Math.floor(random() * 12) }, () => ({
        text: alphabet[Math.floor(random() * alphabet.length)] ?? '',
        startMs: random() < 0.1 ? Number.NaN : random() * 1000 - 100,
        endMs: random() * 1000,
        probability: random(),
      }));
      const text = mixture.map((piece) => piece.text).join('');
      for (const language of ['en', 'ja']) {
        const words = wordsFromPieces(mixture, language);
        expect(words.map((word) => word.text).join('')).toBe(text.replace(/[\s\uFFFD]/g, ''));
        expect(words.every((word) => word.text !== '')).toBe(true);
        expectOrdered(words);
      }
    }
  });
});

describe('monotonic', () => {
  it('shortens a span that runs into the next and keeps everything else about it', () => {
    expect(
      monotonic([
        { startMs: 0, endMs: 900, id: 1 },
        { startMs: 500, endMs: 700, id: 2 },
      ]),
    ).toEqual([
      { startMs: 0, endMs: 500, id: 1 },
      { startMs: 500, endMs: 700, id: 2 },
    ]);
  });
});

function expectOrdered(spans: { startMs: number; endMs: number }[]) {
  let previousEndMs = 0;
  for (const { startMs, endMs } of spans) {
    expect(Number.isInteger(startMs) && Number.isInteger(endMs)).toBe(true);
    expect(startMs).toBeGreaterThanOrEqual(previousEndMs);
    expect(endMs).toBeGreaterThanOrEqual(startMs);
    previousEndMs = endMs;
  }
}
