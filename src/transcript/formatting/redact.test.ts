import { describe, expect, it } from 'vitest';
import { askedRedactions, redact, unsupportedRedactions } from './redact.ts';
import { expectWritten, said } from './said.cases.ts';

const table =
  (names: string[], isEnglish = true) =>
  (before: string, after: string) =>
    expectWritten((words) => redact(words, names, isEnglish), before, after);

describe('numbers', () => {
  it.each([
    ['call 555-123-4567 now', 'call [REDACTED] now'],
    ['call 5 5 5 now', 'call [REDACTED] now'],
    ['call 5 5 now', 'call 5 5 now'],
    ['five, five, five.', '[REDACTED].'],
    ['nine hundred people', '[REDACTED] people'],
    ['twenty eight people', 'twenty eight people'],
    ['2 million dollars', '[REDACTED] dollars'],
    ['it is $1,250.50, or $12', 'it is [REDACTED], or $12'],
    ['room B1234 or B12', 'room [REDACTED] or B12'],
    ['in 2024.', 'in [REDACTED].'],
    ['May 3rd', 'May 3rd'],
    ['four oh one', '[REDACTED]'],
    ['oh no one two', 'oh no one two'],
    ['1111. 1111. Yes', '[REDACTED]. Yes'],
    ['5 apples and 5 pears and 5 plums', '5 apples and 5 pears and 5 plums'],
    ['', ''],
  ])('%s → %s', table(['numbers']));

  it.each(['true', 'numbers'])('also by the name of %s', (name) => table([name])('123', '[REDACTED]'));
});

describe('aggressive_numbers', () => {
  it.each([
    ['5 apples and two pears', '[REDACTED] apples and [REDACTED] pears'],
    ['the 3rd and the twenty eighth', 'the [REDACTED] and the [REDACTED]'],
    ['B12 costs $5, or 50%', '[REDACTED] costs [REDACTED], or [REDACTED]'],
    ['wait a second', 'wait a second'],
    ['1 2 3 go', '[REDACTED] go'],
    ['oh five', '[REDACTED]'],
    ['Oh, five', 'Oh, [REDACTED]'],
    ['oh five hundred', 'oh [REDACTED]'],
  ])('%s → %s', table(['aggressive_numbers']));
});

describe('pci', () => {
  it.each([
    ['4111 1111 1111 1111 please', '[CREDIT_CARD_1] please'],
    ['4111. 1111. 1111. 1111.', '[CREDIT_CARD_1].'],
    ['4111-1111-1111-1111,', '[CREDIT_CARD_1],'],
    ['4111111111111111', '[CREDIT_CARD_1]'],
    ['378282246310005 and 5555 5555 5555 4444', '[CREDIT_CARD_1] and [CREDIT_CARD_2]'],
    ['4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1', '[CREDIT_CARD_1]'],
    ['four one one one, one one one one, one one one one, one one one one', '[CREDIT_CARD_1]'],
    ['it is 7 4111 1111 1111 1111', 'it is 7 [CREDIT_CARD_1]'],
    // Fails the checksum.
    ['4111 1111 1111 1112', '4111 1111 1111 1112'],
    ['call 555-123-4567', 'call 555-123-4567'],
    ['the cvv is 123', 'the cvv is [CVV_1]'],
    ['security code is one two three.', 'security code is [CVV_1].'],
    ['security at 123', 'security at 123'],
    ['it expires on 12/25', 'it expires on [CREDIT_CARD_EXPIRATION_1]'],
    ['expiration date 12 2027', 'expiration date [CREDIT_CARD_EXPIRATION_1]'],
    ['expiration date is oh five twenty seven', 'expiration date is [CREDIT_CARD_EXPIRATION_1]'],
    ['expires January 2027.', 'expires [CREDIT_CARD_EXPIRATION_1].'],
    ['it expires in january of twenty twenty seven', 'it expires in [CREDIT_CARD_EXPIRATION_1]'],
    ['expires March 3rd, 2027', 'expires [CREDIT_CARD_EXPIRATION_1]'],
    ['expired in May, not before 2027', 'expired in May, not before [CREDIT_CARD_EXPIRATION_1]'],
    ['Oh, five twenty seven', 'Oh, five twenty seven'],
    ['123-45-6789', '123-45-6789'],
  ])('%s → %s', table(['pci']));
});

describe('ssn', () => {
  it.each([
    ['it is 123-45-6789.', 'it is [SSN_1].'],
    ['it is 123 45 6789', 'it is [SSN_1]'],
    ['it is 1-2-3-4-5-6-7-8-9.', 'it is [SSN_1].'],
    ['one two three, four five, six seven eight nine', '[SSN_1]'],
    ['123456789 and 987-65-4321', '[SSN_1] and [SSN_2]'],
    ['in 2024 123 45 6789', 'in 2024 [SSN_1]'],
    ['call 5 5 5 1 2 3 4 5 6 7', 'call 5 5 5 1 2 3 4 5 6 7'],
    ['call 555-123-4567', 'call 555-123-4567'],
    ['12-34-56', '12-34-56'],
  ])('%s → %s', table(['ssn']));
});

describe('several at once', () => {
  it.each([
    ['card 4111 1111 1111 1111 and 999 and 123-45-6789', 'card [CREDIT_CARD_1] and [REDACTED] and [SSN_1]'],
    ['12345 4111 1111 1111 1111 678', '[REDACTED] [CREDIT_CARD_1] [REDACTED]'],
  ])('%s → %s', table(['numbers', 'pci', 'ssn']));

  it('takes out of personal information what has a pattern', () => {
    table(['pii'])('Jane has 123-45-6789', 'Jane has [SSN_1]');
  });

  it('does nothing for names it does not know', () => {
    table(['name', 'false'])('Jane has 123-45-6789', 'Jane has 123-45-6789');
  });
});

it('is not asked for by what means no', () => {
  expect(askedRedactions(['false', 'ssn', '0'])).toEqual(['ssn']);
});

it('finds digits only, in other languages', () => {
  table(['numbers'], false)('elf oder 123 oder one two three', 'elf oder [REDACTED] oder one two three');
});

it('leaves one word for all, that lasts as long and shows nothing in its bare form', () => {
  const [, word, ...rest] = redact(said('call five five five,'), ['numbers'], true);
  expect(word).toMatchObject({ word: '[REDACTED]', punctuated: '[REDACTED],', startMs: 400, endMs: 1500 });
  expect(rest).toEqual([]);
});

it('says what takes more than a pattern', () => {
  expect(unsupportedRedactions(['numbers', 'true', 'aggressive_numbers', 'pci', 'ssn', 'credit_card', 'cvv'])).toEqual(
    [],
  );
  expect(unsupportedRedactions(['phi', 'pii', 'ssn', 'name', ''])).toEqual(['phi', 'pii', 'name', '']);
});
