import { describe, expect, test } from 'vitest';
import type { GatewayError } from '../../errors.ts';
import type { FormField } from '../../http/form-fields.ts';
import type { Task } from '../../transcript/request.ts';
import { missingFields, readFields } from './fields.ts';

const read = (...form: FormField[]) => readFields(form, 'transcribe');
const refusal = (form: FormField[], task: Task = 'transcribe') => {
  try {
    readFields(form, task);
  } catch (thrown) {
    return thrown as GatewayError;
  }
  throw new Error('Not refused.');
};

test('an empty form has the defaults', () => {
  expect(read()).toEqual({
    response_format: 'json',
    temperature: 0,
    stream: false,
    include: [],
    timestamp_granularities: ['segment'],
  });
});

describe('lists', () => {
  test.each<[string, FormField[]]>([
    [
      'repeated name[]',
      [
        ['timestamp_granularities[]', 'word'],
        ['timestamp_granularities[]', 'segment'],
      ],
    ],
    [
      'a bare repeated name',
      [
        ['timestamp_granularities', 'word'],
        ['timestamp_granularities', 'segment'],
      ],
    ],
    [
      'numbered names',
      [
        ['timestamp_granularities[0]', 'word'],
        ['timestamp_granularities[1]', 'segment'],
      ],
    ],
    ['a JSON string', [['timestamp_granularities', '["word", "segment"]']]],
  ])('as %s', (_encoding, form) => {
    expect(read(...form).timestamp_granularities).toEqual(['word', 'segment']);
  });

  test('a keyword that only begins like JSON is a keyword', () => {
    expect(read(['keywords[]', '[sic'], ['keywords[]', '5']).keywords).toEqual(['[sic', '5']);
  });
  test.each(['a<b', 'a>b', 'a\rb', 'a\nb'])('no keyword %j', (keyword) => {
    expect(refusal([['keywords[]', keyword]])).toMatchObject({ code: 'field-invalid', field: 'keywords' });
  });
});

describe('chunking_strategy', () => {
  test.each<[string, FormField[], unknown]>([
    ['a word', [['chunking_strategy', 'auto']], 'auto'],
    ['a JSON word', [['chunking_strategy', '"auto"']], 'auto'],
    [
      'a JSON string',
      [['chunking_strategy', '{"type":"server_vad","threshold":0.5}']],
      { type: 'server_vad', threshold: 0.5 },
    ],
    [
      'one part for each key',
      [
        ['chunking_strategy[type]', 'server_vad'],
        ['chunking_strategy[threshold]', '0.5'],
      ],
      { type: 'server_vad', threshold: 0.5 },
    ],
    ['null', [['chunking_strategy', 'null']], undefined],
  ])('as %s', (_encoding, form, expected) => {
    expect(read(...form).chunking_strategy).toEqual(expected);
  });
  test.each(['manual', '{"type":"client_vad"}', '[1]'])('not %s', (value) => {
    expect(refusal([['chunking_strategy', value]])).toMatchObject({ field: 'chunking_strategy' });
  });
});

test.each(['true', 'True', 'TRUE', '1'])('stream=%s is true', (value) => {
  expect(read(['stream', value]).stream).toBe(true);
});
test.each(['false', 'False', '0', ''])('stream=%j is false', (value) => {
  expect(read(['stream', value]).stream).toBe(false);
});

test.each(['language', 'prompt', 'temperature', 'response_format', 'model'])('an empty %s is absent', (name) => {
  expect(read([name, ''], [name, ' '])).toEqual(read());
});

test('unknown fields and broken names are ignored', () => {
  expect(read(['vad_filter', 'true'], ['a[b][c]', '1'], ['', '1'], ['__proto__', '{"stream":true}'])).toEqual(read());
});

test.each([
  ['stream', 'maybe'],
  ['temperature', 'warm'],
  ['temperature', '-0.1'],
  ['temperature', '1.1'],
  ['temperature', '1e999'],
  ['temperature', 'NaN'],
  ['timestamp_granularities[]', 'sentence'],
  ['include[]', 'everything'],
])('%s=%s is refused by name', (name, value) => {
  const { code, field, message } = refusal([[name, value]]);
  expect({ code, field }).toEqual({ code: 'field-invalid', field: name.replace('[]', '') });
  expect(message).toContain(name.replace('[]', ''));
});

test('an unknown response_format is refused as a validation list', () => {
  const { code, field, message } = refusal([['response_format', 'xml']]);
  expect({ code, field }).toEqual({ code: 'field-invalid', field: undefined });
  expect(message).toMatch(/^\[\{'type': 'enum', 'loc': \('body', 'response_format'\), .*'json', 'text'.*\}\]$/);
});

test('a translation knows no diarized_json, no language and no granularities', () => {
  expect(refusal([['response_format', 'diarized_json']], 'translate').message).toContain("'enum'");
  const fields = readFields(
    [
      ['language', 'de'],
      ['timestamp_granularities[]', 'sentence'],
    ],
    'translate',
  );
  expect(fields).toEqual({ response_format: 'json', temperature: 0, stream: false });
});

test('all missing fields are reported at once', () => {
  expect(missingFields(['file', 'model']).message).toBe(
    "[{'type': 'missing', 'loc': ('body', 'file'), 'msg': 'Field required', 'input': None}, {'type': 'missing', 'loc': ('body', 'model'), 'msg': 'Field required', 'input': None}]",
  );
});
