import { describe, expect, it } from 'vitest';
import { dictation } from './dictation.ts';
import { paragraphs } from './paragraphs.ts';
import { said } from './said.cases.ts';

describe('paragraphs', () => {
  it.each([
    ['', ''],
    ['Yes.', '\nYes.'],
    ['Yes. No.', '\nYes. No.'],
    ['no full stop at all', '\nno full stop at all'],
    ['Yes. | | No.', '\nYes.\n\nNo.'],
    // A pause within a sentence ends nothing.
    ['Yes | | | and no.', '\nYes and no.'],
    ['A. B. C. D. E. F.', '\nA. B. C. D. E.\n\nF.'],
    ['Mr. Smith came at 3 p.m. on Friday.', '\nMr. Smith came at 3 p.m. on Friday.'],
  ])('%j → %j', (text, expected) => {
    expect(paragraphs(said(text)).text).toBe(expected);
  });

  it('rests after a hundred words', () => {
    const sentence = `${'word '.repeat(59)}end.`;
    expect(paragraphs(said(`${sentence} ${sentence} Then.`)).paragraphs.map(({ wordCount }) => wordCount)).toEqual([
      120, 1,
    ]);
  });

  it('breaks where a paragraph is dictated', () => {
    const words = dictation(said('it is done new paragraph so we go'));
    expect(paragraphs(words).paragraphs.map(({ sentences }) => sentences.map(({ text }) => text))).toEqual([
      ['it is done<\n\n>'],
      ['So we go'],
    ]);
  });

  it('takes times from the first and last word', () => {
    expect(paragraphs(said('Yes. It is. | | No.'))).toEqual({
      text: '\nYes. It is.\n\nNo.',
      paragraphs: [
        {
          sentences: [
            { text: 'Yes.', startMs: 0, endMs: 300 },
            { text: 'It is.', startMs: 400, endMs: 1100 },
          ],
          wordCount: 3,
          startMs: 0,
          endMs: 1100,
        },
        { sentences: [{ text: 'No.', startMs: 3200, endMs: 3500 }], wordCount: 1, startMs: 3200, endMs: 3500 },
      ],
    });
  });
});
