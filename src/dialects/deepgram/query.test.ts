import { describe, expect, test } from 'vitest';
import { readQuery } from './query.ts';

const read = (query: string) => readQuery(new URLSearchParams(query));
const invalid = expect.objectContaining({ code: 'field-invalid', message: 'Invalid query string.' });

describe('values', () => {
  test.each(['true', 'True', 'TRUE', '1', ' true '])('%s is true', (value) => {
    expect(read(`punctuate=${value}`).punctuate).toBe(true);
  });
  test.each(['false', 'False', '0'])('%s is false', (value) => {
    expect(read(`punctuate=${value}`).punctuate).toBe(false);
  });
  test.each([
    ['true', true],
    ['True', true],
    ['1', true],
    ['FALSE', false],
    ['0', false],
    ['v2', 'v2'],
  ])('summarize=%s is a flag that has names, too', (value, summarize) => {
    expect(read(`summarize=${value}`).summarize).toBe(summarize);
  });
  test('a flag in a list stands for itself, or for nothing', () => {
    expect(read('detect_language=True&detect_language=1').detect_language).toEqual([true, true]);
    expect(read('detect_language=es&detect_language=True').detect_language).toEqual(['es', true]);
    for (const off of ['false', 'False', '0']) {
      expect(read(`detect_language=${off}&redact=${off}`)).toEqual(read(''));
    }
    expect(read('redact=True&redact=pci,false,1').redact).toEqual(['true', 'pci', 'true']);
    expect(read('search=false&keyterm=true')).toMatchObject({ search: ['false'], keyterm: ['true'] });
  });
  test.each(['', 'undefined', 'null', 'None'.replace('None', 'NULL'), '%20'])('%j is absent', (value) => {
    for (const name of ['punctuate', 'model', 'utt_split', 'search', 'callback', 'detect_language', 'extra']) {
      expect(read(`${name}=${value}`)).toEqual(read(''));
    }
  });
  test.each([
    'punctuate=maybe',
    'punctuate=2',
    'utt_split=abc',
    'utt_split=-1',
    'utt_split=Infinity',
    'sample_rate=8000.5',
    'channels=0',
    'alternatives=x',
    'summarize=v9',
    'callback_method=get',
    `tag=${'x'.repeat(129)}`,
    `extra=${'x'.repeat(2049)}`,
  ])('%s is refused', (query) => {
    expect(() => read(query)).toThrow(invalid);
  });
  test('of a repeated name count all in a list, else the last', () => {
    expect(read('search=a&search=b,c&search=a').search).toEqual(['a', 'b,c', 'a']);
    expect(read('model=a&model=b').model).toBe('b');
    expect(read('punctuate=true&punctuate=false').punctuate).toBe(false);
  });
  test('joined with commas are several in redact only', () => {
    expect(read('redact=pci,ssn&redact=numbers').redact).toEqual(['pci', 'ssn', 'numbers']);
    expect(read('redact=, ,').redact).toEqual([]);
    expect(read('keyterm=Smith, Jones').keyterm).toEqual(['Smith, Jones']);
    expect(read('keywords=a:1,b').keywords).toEqual(['a:1,b']);
  });
  test('of a bound length are taken', () => {
    expect(read(`tag=${'x'.repeat(128)}`).tag).toHaveLength(1);
    expect(read(`extra=${'x'.repeat(2048)}`).extra).toHaveLength(1);
  });
});

describe('names', () => {
  test('of an object become its pairs', () => {
    expect(read('extra[order]=17&extra=a:b&extra%5Bx%5D=y:z').extra).toEqual(['order:17', 'a:b', 'x:y:z']);
  });
  test('of a list may have brackets', () => {
    expect(read('search[]=a&search[]=b').search).toEqual(['a', 'b']);
  });
  test.each([
    'vad_turnoff=true&is_final=true&foo=bar',
    'interim_results=true&endpointing=300&utterance_end_ms=1000&vad_events=true&no_delay=true',
    '__proto__=x&constructor=y&toString=z&extra[__proto__]=1',
    '=x&&&===&[]=1&a[b][c]=d',
  ])('that nobody knows are ignored: %s', (query) => {
    const { extra, ...rest } = read(query);
    expect({ ...rest, extra: [] }).toEqual(read(''));
    expect(extra.length).toBeLessThan(2);
  });
});

test('ten thousand parameters are refused at once, and so many as anybody needs are not', () => {
  expect(() => read('a=1&'.repeat(10_000))).toThrow(invalid);
  expect(read('search=x&'.repeat(1000)).search).toHaveLength(1000);
});

test('a megabyte is read in no time', () => {
  const startedAtMs = performance.now();
  expect(read(`search=${'x'.repeat(1024 ** 2)}`).search).toHaveLength(1);
  expect(read(`${'['.repeat(1024 ** 2)}=x`).search).toEqual([]);
  expect(read(`a${'[b'.repeat(512 * 1024)}=x`).search).toEqual([]);
  expect(performance.now() - startedAtMs).toBeLessThan(1000);
});
