import { describe, expect, it } from 'vitest';
import { expectWritten, said } from './said.cases.ts';
import { smartFormat } from './smart-format.ts';

const table = (before: string, after: string) => expectWritten(smartFormat, before, after);

describe('smart_format', () => {
  it.each([
    [
      'The invoice of May third, twenty twenty four is for one thousand two hundred and fifty dollars.',
      'The invoice of May 3rd, 2024 is for $1,250.',
    ],
    ['At three thirty p.m. on June twenty first fifty percent came', 'At 3:30 PM on June 21st 50% came'],
    ['Call five five five, one two three, four five six seven.', 'Call 555-123-4567.'],
    ['My email is jane at example dot com, or call 555-123-4567', 'My email is jane@example.com, or call 555-123-4567'],
    ['nine hundred people and the twenty eighth day', '900 people and the 28th day'],
    ['It took me one hundred twenty three days', 'It took me 123 days'],
    ['the code is one two three', 'the code is 123'],
    ['1,250 people paid $5 or 50% on May 3rd, 2024', '1,250 people paid $5 or 50% on May 3rd, 2024'],
    ['nothing to see here.', 'nothing to see here.'],
    ['', ''],
  ])('%s → %s', table);

  it('carries the digits in the bare word', () => {
    expect(smartFormat(said('one two three dollars')).map(({ word }) => word)).toEqual(['1', '2', '$3']);
    expect(smartFormat(said('nine one one')).map(({ word }) => word)).toEqual(['911']);
  });
});

describe('is the same the second time', () => {
  it.each([
    'May third twenty twenty four at three thirty p.m. two million dollars fifty percent',
    'call five five five one two three four five six seven or mail jane at example dot com',
    'five dollars and fifty cents, nine two eight, the twenty eighth',
  ])('%s', (text) => {
    const once = smartFormat(said(text));
    expect(smartFormat(once)).toEqual(once);
  });
});
