import { describe, expect, test } from 'vitest';
import { GatewayError, type GatewayErrorDetails } from '../../errors.ts';
import { renderError } from './errors.ts';

const render = (error: GatewayError, headers: Record<string, string> = {}) =>
  renderError(error, new Request('http://gateway/', { headers }));
const bodyOf = (code: ConstructorParameters<typeof GatewayError>[0], details: GatewayErrorDetails = {}) =>
  render(new GatewayError(code, 'Said below.', details)).body;

const version = (lang: string, number: string) => ({
  'x-stainless-lang': lang,
  'x-stainless-package-version': number,
});

test('an invalid field is named, with its code', () => {
  expect(bodyOf('field-invalid', { field: 'temperature' })).toEqual({
    error: {
      message: 'Said below.',
      type: 'invalid_request_error',
      param: 'temperature',
      code: 'invalid_value',
    },
  });
  expect(bodyOf('option-unsupported', { field: 'response_format' })).toMatchObject({
    error: { param: 'response_format', code: 'unsupported_value' },
  });
});

test('a field where the vendor names none stays out', () => {
  expect(bodyOf('model-unknown', { field: 'model' })).toMatchObject({ error: { param: null } });
});

test('a recording of unknown kind is told what is understood', () => {
  const { error } = bodyOf('audio-unrecognised') as { error: { message: string } };
  for (const format of ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']) {
    expect(error.message).toContain(`'${format}'`);
  }
});

describe('retries', () => {
  const busy = new GatewayError('queue-full', 'Full.');
  test('are left to SDKs that can', () => {
    for (const headers of [{}, version('js', '5.23.2'), version('js', '40.0.0'), version('python', '4.1.0')]) {
      expect(render(busy, headers).headers).toEqual({});
    }
  });
  test('are forbidden to the JavaScript SDK 4, whose second upload is empty', () => {
    expect(render(busy, version('js', '4.104.0')).headers).toEqual({ 'x-should-retry': 'false' });
    const stalled = new GatewayError('upload-stalled', 'Stalled.');
    expect(render(stalled, version('js', '4.104.0')).headers).toEqual({ 'x-should-retry': 'false' });
  });
  test('are forbidden where they cannot help', () => {
    expect(render(new GatewayError('internal', 'Bug.')).headers).toEqual({ 'x-should-retry': 'false' });
  });
  test('are not spoken of where no SDK would try', () => {
    expect(render(new GatewayError('model-unknown', 'No.'), version('js', '4.104.0')).headers).toEqual({});
  });
});
