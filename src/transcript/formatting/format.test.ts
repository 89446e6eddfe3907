import { describe, expect, it } from 'vitest';
import { FORMATTING_DEFAULTS, type FormattingOptions, formatTranscript } from './format.ts';
import { expectWellFormed, recorded, said, transcriptOf } from './said.cases.ts';
import { textOf } from './words.ts';

const RECORDED = [
  '../fixtures/english.json',
  '../fixtures/spanish.json',
  '../fixtures/russian.json',
  '../fixtures/japanese.json',
  '../fixtures/numbers.json',
  ...['cards', 'dictation', 'fillers', 'measures', 'money', 'numbers-spelled', 'phone', 'quantities', 'spelled'].map(
    (name) => `fixtures/${name}.json`,
  ),
];

const EVERYTHING: Partial<FormattingOptions> = {
  smartFormat: true,
  paragraphs: true,
  utterances: true,
  numerals: true,
  measurements: true,
  dictation: true,
  profanityFilter: true,
  redact: ['pci', 'ssn', 'numbers'],
  replace: [{ find: 'the', replacement: 'our very own' }],
  search: ['country'],
};

const COMBINATIONS: Partial<FormattingOptions>[] = [
  {},
  { punctuate: true },
  { punctuate: true, fillerWords: true, numerals: true, measurements: true },
  { smartFormat: true },
  { numerals: true, redact: ['aggressive_numbers'] },
  { punctuate: true, dictation: true },
  { replace: [{ find: 'and', replacement: null }], utterances: true, utteranceSplitMs: 0 },
  EVERYTHING,
];

const format = (text: string, options: Partial<FormattingOptions>, language = 'en') =>
  formatTranscript(transcriptOf([said(text)], language), { ...FORMATTING_DEFAULTS, ...options });

describe.each(RECORDED)('on recorded %s', (name) => {
  it.each(COMBINATIONS)('keeps its promises with %j', (options) => {
    const transcript = recorded(name);
    const before = structuredClone(transcript);
    const formatted = formatTranscript(transcript, { ...FORMATTING_DEFAULTS, ...options });
    expect(transcript).toEqual(before);
    expectWellFormed(formatted.words);
    expect(formatted.text).toBe(textOf(formatted.words));
    if (!formatted.isPunctuated) expect(formatted.text).toBe(formatted.words.map(({ word }) => word).join(' '));
    if (formatted.paragraphs) {
      const sentences = formatted.paragraphs.paragraphs.flatMap((paragraph) => paragraph.sentences);
      expect(sentences.map(({ text }) => text).join(' ')).toBe(formatted.text);
    }
    if (formatted.utterances) expect(formatted.utterances.flatMap(({ words }) => words)).toEqual(formatted.words);
  });
});

describe('what was recorded, formatted', () => {
  it.each<[string, Partial<FormattingOptions>, string]>([
    [
      'money',
      { smartFormat: true },
      'The invoice of May 3, 2020 for is £4,200, and $50. It is new at 3:30 PM on Friday, that is 50% on the price.',
    ],
    ['phone', { smartFormat: true }, 'Please call me Macon 555-123-4567. My email address is jenaventmemple.com'],
    ['fillers', { punctuate: true }, 'I think we should leave now. Uh-huh. The damn train is late again.'],
    ['fillers', {}, 'i think we should leave now uh-huh the damn train is late again'],
    [
      'fillers',
      { fillerWords: true, punctuate: true, profanityFilter: true },
      'Um, I think, uh, we should leave now. Uh-huh. Um, the **** train is late again.',
    ],
    [
      'cards',
      { punctuate: true, redact: ['pci', 'ssn'] },
      'My card number is [CREDIT_CARD_1]. 1111. 1111. My social security number is [SSN_1].',
    ],
    ['cards', { redact: ['numbers'] }, 'my card number is [REDACTED] my social security number is [REDACTED]'],
    [
      'dictation',
      { punctuate: true, dictation: true },
      "There's a common<\n> Thank you for your latter.<\n\n> How are you?",
    ],
    [
      'measures',
      { punctuate: true, measurements: true },
      'take 5mm twice a day and walk 3km. The mark is 12 in wide and weighs 2.5kg.',
    ],
    [
      'quantities',
      { smartFormat: true },
      "100 people came on the 28th of June. There were 1200 seats, and the film made $2 million. The code is I'm 28.",
    ],
    [
      'numbers-spelled',
      { numerals: true, punctuate: true },
      'There are 3 apples, 17 pairs and 120 plums Our cold is 4, 2, 9',
    ],
    [
      'spelled',
      { smartFormat: true },
      "it was 1991. First, one of them said no one count. Second, 67% of Renat 10 o'clock.",
    ],
  ])('%s with %j', (name, options, expected) => {
    expect(formatTranscript(recorded(`fixtures/${name}.json`), { ...FORMATTING_DEFAULTS, ...options }).text).toBe(
      expected,
    );
  });
});

describe('one step leaves to the next what it needs', () => {
  it.each<[string, string, Partial<FormattingOptions>, string]>([
    ['fillers out of numbers', 'nine um hundred', { numerals: true }, '900'],
    ['fillers out of commands', 'hello new uh line there', { dictation: true, punctuate: true }, 'hello<\n> There'],
    [
      'a dictated end of a number',
      'nine period hundred',
      { dictation: true, punctuate: true, numerals: true },
      '9. Hundred',
    ],
    ['sentences that end numbers', 'It was nine. Hundred people', { numerals: true }, 'it was 9 hundred people'],
    ['numbers before units', 'nine hundred milligrams', { numerals: true, measurements: true }, '900 mg'],
    ['a number whole before it is redacted', 'nine hundred', { numerals: true, redact: ['numbers'] }, '[REDACTED]'],
    ['a number redacted though spelled out', 'nine hundred', { redact: ['numbers'] }, '[REDACTED]'],
    [
      'nothing of what the caller puts in',
      'hello monika',
      { profanityFilter: true, redact: ['numbers'], replace: [{ find: 'monika', replacement: 'damn 12345' }] },
      'hello damn 12345',
    ],
    [
      'the case that a capital looks for',
      'Bill me',
      { replace: [{ find: 'Bill', replacement: 'William' }] },
      'William me',
    ],
    ['the marks that are no punctuation', 'damn 12345', { profanityFilter: true, redact: ['true'] }, '**** [REDACTED]'],
  ])('%s', (_, text, options, expected) => {
    expect(format(text, options).text).toBe(expected);
  });

  it('searches Japanese without spaces', () => {
    const transcript = transcriptOf([said('東 京 へ', 1)], 'ja');
    const { searches } = formatTranscript(transcript, { ...FORMATTING_DEFAULTS, search: ['東京'] });
    expect(searches?.[0]?.hits[0]).toMatchObject({ snippet: '東 京', confidence: 1 });
  });

  it('never finds what was redacted', () => {
    const { searches } = format('my code is 12345', { redact: ['numbers'], search: ['12345'] });
    expect(searches?.[0]?.hits.every(({ snippet }) => !snippet.includes('12345'))).toBe(true);
    expect(searches?.[0]?.hits[0]?.confidence).toBe(0);
  });
});

describe('what comes with it', () => {
  it('is only what was asked for', () => {
    expect(Object.keys(format('Hello.', {})).sort()).toEqual([
      'confidence',
      'isPunctuated',
      'text',
      'warnings',
      'words',
    ]);
    expect(format('Hello.', { smartFormat: true })).toMatchObject({
      isPunctuated: true,
      paragraphs: { text: '\nHello.' },
    });
    expect(format('Hello.', { paragraphs: true })).toMatchObject({ isPunctuated: true, text: 'Hello.' });
    expect(format('Hello.', { punctuate: true }).paragraphs).toBeUndefined();
    expect(format('Hello.', { utterances: true })).toMatchObject({
      isPunctuated: false,
      utterances: [{ text: 'hello' }],
    });
  });

  it('is nothing, of silence', () => {
    expect(format('', EVERYTHING)).toEqual({
      text: '',
      words: [],
      isPunctuated: true,
      confidence: 0,
      paragraphs: { text: '', paragraphs: [] },
      utterances: [],
      searches: [{ query: 'country', hits: [] }],
      warnings: [],
    });
  });
});

describe('other languages', () => {
  it.each(['pt', 'de'])('keep the words that would be fillers in English: %s', (language) => {
    expect(format('Um amigo', {}, language).text).toBe('um amigo');
  });

  it('keep their words and say what was not done', () => {
    const options = { ...EVERYTHING, redact: ['numbers'], replace: [] };
    const { text, warnings } = format('Um five percent period damn one two three', options, 'de');
    expect(text).toBe('Um five percent period damn one two three');
    expect(warnings.map(({ parameter }) => parameter)).toEqual([
      'smartFormat',
      'numerals',
      'measurements',
      'dictation',
      'profanityFilter',
      'redact',
    ]);
  });

  it('are English once translated', () => {
    const transcript = { ...transcriptOf([said('um five percent')], 'de'), task: 'translate' as const };
    const formatted = formatTranscript(transcript, { ...FORMATTING_DEFAULTS, smartFormat: true });
    expect(formatted).toMatchObject({ text: '5%', warnings: [] });
  });
});

describe('warnings', () => {
  it.each<[Partial<FormattingOptions>, string[]]>([
    [{}, []],
    [EVERYTHING, []],
    [{ dictation: true }, ['dictation']],
    [{ redact: ['phi', 'pii', 'ssn'] }, ['redact']],
    [{ redact: ['false', '0'] }, []],
    [{ search: ['x'.repeat(1_000_000)] }, ['search']],
    [{ search: Array(51).fill('x') }, ['search']],
    [{ replace: Array(201).fill({ find: 'a', replacement: 'b' }) }, ['replace']],
    [{ replace: [{ find: 'a', replacement: 'b '.repeat(30_000) }] }, ['replace']],
    [{ replace: [{ find: 'a '.repeat(21), replacement: 'b' }] }, ['replace']],
    [{ replace: [{ find: 'hello', replacement: 'b'.repeat(200_000) }] }, ['replace']],
  ])('case %#', (options, parameters) => {
    expect(format('Hello.', options).warnings.map(({ parameter }) => parameter)).toEqual(parameters);
  });

  it('are short and few, whatever was asked for', () => {
    const { warnings } = format('Hello.', {
      redact: Array.from({ length: 1000 }, (_, index) => `${'x'.repeat(1000)}${index}`),
    });
    expect(JSON.stringify(warnings).length).toBeLessThan(10_000);
  });
});

/** Every word that some feature has an eye on, in any order and with any punctuation: what no table thinks of. */
describe('words at random', () => {
  const VOCABULARY =
    'um the a and oh one two five ten twenty twenty-two ninety hundred thousand million point zero first second third May ' +
    'june of percent per cent dollars cents p.m. at three thirty dot com slash jane email period comma new line paragraph ' +
    'question mark damn 5 50% $5 1,250 3rd 2024 555-123-4567 4111 123 45 6789 3:30 cvv expires milligrams square feet Mr. ... —';
  const MARKS = ['', '', '', '', ',', '.', '?', '."'];
  let state = 20240503;
  const pick = <T>(from: T[]): T => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return from[Math.floor((state / 2 ** 32) * from.length)] as T;
  };

  it.each(COMBINATIONS)('keep the promises with %j', (options) => {
    for (let round = 0; round < 300; round++) {
      const text = Array.from({ length: 12 }, () => pick(VOCABULARY.split(' ')) + pick(MARKS)).join(' ');
      const formatted = format(text, options);
      expectWellFormed(formatted.words);
      expect(formatted.text, text).toBe(textOf(formatted.words));
      expect(formatted.words.length, text).toBeLessThanOrEqual(3 * 12);
      if (options.redact?.includes('aggressive_numbers')) expect(formatted.text, text).not.toMatch(/\d/);
    }
  });
});

describe('very long transcripts', () => {
  const SENTENCE = 'It was nineteen ninety nine, and we paid five dollars fifty to john dot smith at example dot com. ';
  const timeOf = (rounds: number) => {
    const transcript = transcriptOf([said(SENTENCE.repeat(rounds))]);
    const startedAt = process.cpuUsage();
    formatTranscript(transcript, { ...FORMATTING_DEFAULTS, ...EVERYTHING });
    return process.cpuUsage(startedAt).user;
  };

  it('take time in proportion', () => {
    timeOf(100);
    // Eight times as much; in the square it would be sixty-four.
    expect(timeOf(1600)).toBeLessThan(30 * timeOf(200));
  });
});

/** Each feature alone is linear; the square of any of these would be 10¹⁰ steps. */
describe('hostile words', () => {
  const LENGTH = 100_000;
  it.each([
    ['!'.repeat(LENGTH)],
    [`${'-'.repeat(LENGTH)}a`],
    ['a-'.repeat(LENGTH / 2)],
    ['1'.repeat(LENGTH)],
    [`${'1,'.repeat(LENGTH / 2)}x`],
    [`${'1-'.repeat(LENGTH / 2)}x`],
    [`$${'1,111'.repeat(LENGTH / 5)}`],
    [`${'a.'.repeat(LENGTH / 2)}com@`],
    [`${"'".repeat(LENGTH)}s`],
    [`${'twenty-'.repeat(LENGTH / 7)}one`],
  ])('of kind %#', (word) => {
    const startedAt = performance.now();
    const transcript = transcriptOf([said(`the ${word} percent dollars`)]);
    expectWellFormed(formatTranscript(transcript, { ...FORMATTING_DEFAULTS, ...EVERYTHING }).words);
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });

  it.each(['five', 'twenty', 'hundred', 'a', 'dot', '1', 'um', 'May', 'slash', 'new', '1111', 'and'])(
    '20,000 times %s',
    (word) => {
      const transcript = transcriptOf([said(`${word} `.repeat(20_000))]);
      const startedAt = performance.now();
      formatTranscript(transcript, { ...FORMATTING_DEFAULTS, ...EVERYTHING });
      expect(performance.now() - startedAt).toBeLessThan(5000);
    },
  );
});
