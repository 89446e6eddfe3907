// Forms that make no request: each kind gets OpenAI's own error, and nothing of it stays on disk.
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { clip, speech } from '../audio.ts';
import { eventually, useGateway } from '../gateway.ts';
import {
  type Answer,
  expectError,
  type Field,
  formOf,
  openUpload,
  sendBytes,
  transcribe,
  wireForm,
} from '../requests.ts';

const UPLOAD_BYTES_MAX = 5 * 1024 ** 2;
const gateway = useGateway({ UPLOAD_BYTES_MAX: String(UPLOAD_BYTES_MAX), UPLOAD_IDLE_SECONDS: '1' });
afterEach(() => gateway().expectEmptySpool());

const send = (...fields: Field[]) => transcribe(gateway().url, formOf(fields, { bytes: speech() }));
const whole = () =>
  wireForm([
    { name: 'model', value: 'whisper-1' },
    { name: 'file', file: speech() },
  ]);

test('no file', async () => {
  const message = expectError(await transcribe(gateway().url, formOf([['model', 'whisper-1']])), 400);
  expect(message).toContain('missing');
  expect(message).toMatch(/'body', 'file'/);
});

test('no model', async () => {
  const message = expectError(await send(), 400);
  expect(message).toContain('missing');
  expect(message).toMatch(/'body', 'model'/);
});

test('a file that is a text field', async () => {
  expectError(
    await transcribe(
      gateway().url,
      formOf([
        ['model', 'whisper-1'],
        ['file', 'speech.wav'],
      ]),
    ),
    400,
  );
});

test('an unknown model', async () => {
  const message = expectError(await send(['model', 'no-such-model']), 404, { code: 'model_not_found' });
  expect(message).toContain('no-such-model');
});

test('an unknown format', async () => {
  const message = expectError(await send(['model', 'whisper-1'], ['response_format', 'xml']), 400);
  expect(message).toContain('enum');
  for (const format of ['json', 'text', 'srt', 'verbose_json', 'vtt']) expect(message).toContain(`'${format}'`);
});

describe('fields of a wrong type', () => {
  test.each([
    ['temperature', 'hot'],
    ['temperature', '3'],
    ['temperature', '-1'],
    ['temperature', 'NaN'],
    ['stream', 'perhaps'],
    ['language', 'klingon'],
    ['timestamp_granularities[]', 'syllable'],
    ['include[]', 'everything'],
    ['chunking_strategy', '{"type":"guess"}'],
    ['chunking_strategy[threshold]', 'high'],
  ])('%s=%s', async (name, value) => {
    const field = name.replace(/\[.*/, '');
    const answer = await send(['model', 'whisper-1'], [name, value]);
    expect(expectError(answer, 400, { param: field, code: 'invalid_value' })).toContain(field.slice(0, 8));
  });
});

describe('a body that is no form', () => {
  test('JSON', async () => {
    expectError(await sendBytes(gateway().url, Buffer.from('{"model":"whisper-1"}'), 'application/json'), 400);
  });

  test('no boundary in the header', async () => {
    expectError(await sendBytes(gateway().url, whole(), 'multipart/form-data'), 400);
  });

  test('another boundary than the header says', async () => {
    const answer = await sendBytes(gateway().url, whole(), 'multipart/form-data; boundary=other');
    expectError(answer, 400);
  });

  test('no closing boundary', async () => {
    expectError(await sendBytes(gateway().url, whole().subarray(0, -100)), 400);
  });

  test('nothing at all', async () => {
    expectError(await sendBytes(gateway().url, Buffer.alloc(0)), 400);
  });

  test('ten thousand fields', async () => {
    const fields = Array.from({ length: 10_000 }, (_, index) => ({ name: `field-${index}`, value: 'x' }));
    expectError(await sendBytes(gateway().url, wireForm(fields)), 400);
  });
});

describe('a body over the limit', () => {
  const large = () =>
    wireForm([
      { name: 'model', value: 'whisper-1' },
      { name: 'file', file: Buffer.concat([speech(), Buffer.alloc(UPLOAD_BYTES_MAX)]) },
    ]);

  test('that says so beforehand', async () => {
    expectError(await sendBytes(gateway().url, large()), 413, { type: 'server_error' });
  });

  test('that says nothing and just keeps coming', async () => {
    const body = large();
    const answer = await new Promise<Answer>((resolve, reject) => {
      const upload = request(
        `${gateway().url}/v1/audio/transcriptions`,
        { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=compat-boundary' } },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part) => {
            text += part;
          });
          response.on('end', () => {
            const headers = new Headers(response.headers as Record<string, string>);
            resolve({ status: response.statusCode ?? 0, headers, text });
          });
        },
      );
      upload.on('error', reject);
      for (let at = 0; at < body.length; at += 65_536) upload.write(body.subarray(at, at + 65_536));
      upload.end();
    });
    expectError(answer, 413, { type: 'server_error' });
  });
});

describe('an upload that does not arrive', () => {
  test('because it stalls: it is refused after the idle limit', async () => {
    const body = whole();
    const startedMs = performance.now();
    const { answer } = openUpload(gateway().url, body.subarray(0, body.length / 2), body.length);
    expectError(await answer, 408);
    expect(performance.now() - startedMs).toBeGreaterThan(900);
    expect(performance.now() - startedMs).toBeLessThan(4000);
  });

  test('at once: one that is slow but never still for long is served', async () => {
    const body = whole();
    const { socket, answer } = openUpload(gateway().url, Buffer.alloc(0), body.length);
    const pieces = 5;
    for (let piece = 0; piece < pieces; piece += 1) {
      await sleep(400);
      socket.write(body.subarray((piece * body.length) / pieces, ((piece + 1) * body.length) / pieces));
    }
    expect((await answer).status).toBe(200);
  });

  test('because the client hangs up: nothing of it stays', async () => {
    // What is shorter is held in memory.
    const body = wireForm([{ name: 'file', file: clip(150) }]);
    const { socket } = openUpload(gateway().url, body.subarray(0, body.length / 2), body.length);
    await eventually(async () => expect(await gateway().spool()).not.toEqual([]), 2000);
    socket.destroy();
    await gateway().expectEmptySpool();
  });
});
