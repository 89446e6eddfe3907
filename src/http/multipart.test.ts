import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { GatewayError } from '../errors.ts';
import { FakeClock, settle } from '../lib/clock.ts';
import { REST_BYTES_MAX, REST_MS_MAX } from './discard-rest.ts';
import { FORM_LIMITS, type MultipartOptions, readMultipart } from './multipart.ts';

const BOUNDARY = 'x-boundary';
const AUDIO = Buffer.from([0, 13, 10, 45, 45, 120, 45, 255, 13, 10, 0]); // holds beginnings of the delimiter

interface Stored {
  bytes: Buffer;
  part: unknown;
  released: boolean;
  release(): Promise<void>;
}

const field = (name: string, value: string) => ({
  head: `Content-Disposition: form-data; name="${name}"`,
  body: Buffer.from(value),
});
const file = (bytes = AUDIO, name = 'file', filename = 'a.wav') => ({
  head: `Content-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: audio/wav`,
  body: bytes,
});

function encode(parts: { head: string; body: Buffer }[], end = `--${BOUNDARY}--\r\n`): Buffer {
  return Buffer.concat([
    ...parts.flatMap(({ head, body }) => [Buffer.from(`--${BOUNDARY}\r\n${head}\r\n\r\n`), body, Buffer.from('\r\n')]),
    Buffer.from(end),
  ]);
}

/** A body that a test feeds by hand: `push(null)` ends it. */
function openBody(): Readable {
  return new Readable({ read() {} });
}

function bodyOf(bytes: Buffer, chunkBytes = bytes.length): Readable {
  const chunks = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
  return Readable.from(chunks, { objectMode: false });
}

function read(body: Readable, options: Partial<MultipartOptions<Stored>> = {}, headers: Record<string, string> = {}) {
  const stored: Stored[] = [];
  const clock = new FakeClock();
  const form = readMultipart(
    body,
    new Headers({ 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, ...headers }),
    {
      bytesMax: 10_000_000,
      idleMs: 30_000,
      signal: new AbortController().signal,
      clock,
      fileField: 'file',
      async onFile(part, stream) {
        const entry: Stored = {
          bytes: await buffer(stream),
          part,
          released: false,
          release: async () => {
            entry.released = true;
          },
        };
        stored.push(entry);
        return entry;
      },
      ...options,
    },
  );
  form.catch(() => {});
  return { form, stored, clock };
}

async function codeOf(form: Promise<unknown>): Promise<string> {
  const error = await form.then(
    () => assert.fail('the form was accepted'),
    (thrown: unknown) => thrown,
  );
  assert(error instanceof GatewayError, String(error));
  return error.code;
}

const ORDERS = {
  first: [file(), field('model', 'base'), field('prompt', 'Grüße 🎧')],
  last: [field('model', 'base'), field('prompt', 'Grüße 🎧'), file()],
};

test('the file may go by one of several names', async () => {
  const bytes = encode([file(Buffer.from('other'), 'cover'), file(AUDIO, 'audio'), file(Buffer.from('late'))]);
  const { file: stored } = await read(bodyOf(bytes), { fileField: ['audio', 'file'] }).form;
  expect(stored?.bytes.equals(AUDIO)).toBe(true);
});

test.for(['first', 'last'] as const)('a file part that comes %s, cut at every size of chunk', async (order) => {
  const bytes = encode(ORDERS[order]);
  for (const chunkBytes of [1, 2, 3, 7, 64, bytes.length]) {
    const { fields, file: stored } = await read(bodyOf(bytes, chunkBytes)).form;
    expect(fields, `${chunkBytes}`).toEqual([
      ['model', 'base'],
      ['prompt', 'Grüße 🎧'],
    ]);
    expect(stored?.bytes.equals(AUDIO), `${chunkBytes}`).toBe(true);
    expect(stored?.part).toEqual({ name: 'file', filename: 'a.wav', contentType: 'audio/wav' });
    expect(stored?.released).toBe(false);
  }
});

test('repeated names keep their order, and names of the prototype are names', async () => {
  const names = ['include[]', 'include[]', '__proto__', 'constructor', 'toString'];
  const { fields } = await read(bodyOf(encode(names.map((name, at) => field(name, `${at}`))))).form;
  expect(fields).toEqual(names.map((name, at) => [name, `${at}`]));
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test('the first file of the wanted name is taken, the others are read past', async () => {
  const parts = [file(Buffer.alloc(3_000_000), 'cover'), file(), file(Buffer.alloc(200_000)), field('model', 'base')];
  const { form, stored } = read(bodyOf(encode(parts), 65_536));
  const { fields, file: taken } = await form;
  expect(taken?.bytes.equals(AUDIO)).toBe(true);
  expect(stored).toHaveLength(1);
  expect(fields).toEqual([['model', 'base']]);
});

test('a file needs no file name when its type says what it is', async () => {
  const part = { head: 'Content-Disposition: form-data; name="file"\r\nContent-Type: audio/wav', body: AUDIO };
  expect((await read(bodyOf(encode([part]))).form).file?.bytes.equals(AUDIO)).toBe(true);
});

test('an empty form, and a form whose file is empty', async () => {
  expect(await read(bodyOf(encode([]))).form).toEqual({ fields: [], file: undefined });
  expect((await read(bodyOf(encode([file(Buffer.alloc(0))]))).form).file?.bytes).toHaveLength(0);
});

test('fields that came before the file are shown to its receiver', async () => {
  const seen: unknown[] = [];
  const onFile: MultipartOptions<Stored>['onFile'] = async (_part, stream, fields) => {
    seen.push(...fields);
    stream.resume();
    await new Promise((resolve) => stream.on('end', resolve));
    return { bytes: AUDIO, part: null, released: false, release: async () => {} };
  };
  await read(bodyOf(encode([field('model', 'base'), file(), field('prompt', 'later')])), { onFile }).form;
  expect(seen[0]).toEqual(['model', 'base']);
});

test.for([
  ['no content type', { 'content-type': '' }],
  ['another content type', { 'content-type': 'application/json' }],
  ['no boundary', { 'content-type': 'multipart/form-data' }],
  ['a boundary of absurd length', { 'content-type': `multipart/form-data; boundary=${'b'.repeat(300)}` }],
  ['a boundary that never comes', { 'content-type': 'multipart/form-data; boundary=other' }],
] as const)('%s is body-malformed', async ([, headers]) => {
  expect(await codeOf(read(bodyOf(encode(ORDERS.last)), {}, headers).form)).toBe('body-malformed');
});

test.for([
  ['an empty body', Buffer.alloc(0)],
  ['no closing boundary', encode(ORDERS.last, '')],
  ['a body cut inside the file', encode([file(Buffer.alloc(1000))]).subarray(0, 500)],
  ['a body cut inside a part header', encode([file()]).subarray(0, 40)],
  ['a field without a name', encode([{ head: 'Content-Disposition: form-data', body: AUDIO }])],
] as const)('%s is body-malformed', async ([, bytes]) => {
  expect(await codeOf(read(bodyOf(bytes, 100)).form)).toBe('body-malformed');
});

test('fields are bounded in number, names and values in size', async () => {
  const many = encode(Array.from({ length: 10_000 }, (_, at) => field(`f${at}`, 'x')));
  expect(await codeOf(read(bodyOf(many, 65_536)).form)).toBe('body-malformed');
  const longName = encode([field('n'.repeat(FORM_LIMITS.fieldNameBytesMax + 1), 'x')]);
  expect(await codeOf(read(bodyOf(longName)).form)).toBe('body-malformed');
  const longValue = encode([field('prompt', 'v'.repeat(FORM_LIMITS.fieldValueBytesMax + 1))]);
  expect(await codeOf(read(bodyOf(longValue)).form)).toBe('field-invalid');
  const most = encode(Array.from({ length: FORM_LIMITS.fieldsMax }, (_, at) => field(`f${at}`, 'x')));
  expect((await read(bodyOf(most)).form).fields).toHaveLength(FORM_LIMITS.fieldsMax);
});

test.for([
  ['value', Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n`)],
  ['part header', Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="`)],
  ['preamble', Buffer.from('nothing')],
] as const)('a %s without end is refused before it ends', async ([, beginning]) => {
  const body = openBody();
  const { form, clock } = read(body, { bytesMax: Number.MAX_SAFE_INTEGER });
  body.push(beginning);
  for (let sent = 0; sent <= FORM_LIMITS.formBytesMax + 200_000; sent += 65_536) body.push(Buffer.alloc(65_536, 'a'));
  await settle();
  await clock.advance(REST_MS_MAX); // it is not refused to the client before its rest had a chance to arrive
  expect(await codeOf(form)).toBe('body-malformed');
});

test('a body that grows past the limit is refused there, and its receiver hears of it', async () => {
  const body = openBody();
  const { form, stored, clock } = read(body, { bytesMax: 1_000_000 });
  body.push(Buffer.from(encode([file(Buffer.alloc(600_000))], '')));
  await settle();
  body.push(Buffer.alloc(500_000));
  await settle();
  await clock.advance(REST_MS_MAX);
  expect(await codeOf(form)).toBe('body-too-large');
  expect(stored).toEqual([]);
});

test('a Content-Length too large by far is refused at once, one that may still be read past after that', async () => {
  const far = openBody();
  const { form } = read(far, { bytesMax: 1000 }, { 'content-length': `${1001 + REST_BYTES_MAX}` });
  expect(await codeOf(form)).toBe('body-too-large');

  const near = openBody();
  const { form: second, clock } = read(near, { bytesMax: 1000 }, { 'content-length': '2000' });
  let answered = false;
  second.catch(() => {
    answered = true;
  });
  near.push(Buffer.alloc(2000));
  await settle();
  expect(answered).toBe(false);
  near.push(null);
  expect(await codeOf(second)).toBe('body-too-large');
  expect(clock.pendingCount).toBe(0);
});

test('the rest is discarded up to a bound', async () => {
  const body = openBody();
  const { form } = read(body, { bytesMax: 1000 });
  for (let sent = 0; sent <= REST_BYTES_MAX + 2 ** 20; sent += 2 ** 20) body.push(Buffer.alloc(2 ** 20));
  expect(await codeOf(form)).toBe('body-too-large');
  expect(body.isPaused()).toBe(true);
});

test('a body that stands still is refused, one that trickles is not', async () => {
  const body = openBody();
  const { form, stored, clock } = read(body);
  body.push(encode([file(Buffer.alloc(100))], '').subarray(0, 150));
  for (let at = 0; at < 10; at += 1) {
    await clock.advance(29_000);
    body.push(Buffer.from('.'));
    await settle();
  }
  await clock.advance(29_000);
  expect(stored).toEqual([]);
  await clock.advance(1001);
  expect(await codeOf(form)).toBe('upload-stalled');
  expect(clock.pendingCount).toBe(0);
});

test('a receiver that is slow holds the body back, and that is no stall', async () => {
  const body = openBody();
  let goOn = () => {};
  const slow = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const { form, clock } = read(body, {
    onFile: async (part, stream) => {
      await slow;
      return { bytes: await buffer(stream), part, released: false, release: async () => {} };
    },
  });
  const audio = Buffer.alloc(4_000_000, 1);
  const bytes = encode([file(audio), field('model', 'base')]);
  for (let at = 0; at < bytes.length; at += 65_536) body.push(bytes.subarray(at, at + 65_536));
  body.push(null);
  await settle();
  expect(body.isPaused()).toBe(true);
  expect(body.readableLength).toBeGreaterThan(3_500_000);
  await clock.advance(120_000);
  goOn();
  const { fields, file: stored } = await form;
  expect(fields).toEqual([['model', 'base']]);
  expect(stored?.bytes.equals(audio)).toBe(true);
  expect(clock.pendingCount).toBe(0);
});

test('a receiver that refuses ends the reading with its own error', async () => {
  const full = new GatewayError('disk-full', 'No space.');
  const { form } = read(bodyOf(encode([file(Buffer.alloc(500_000)), field('model', 'base')]), 65_536), {
    onFile: async (_part, stream) => {
      for await (const _chunk of stream) throw full;
      throw new Error('unreachable');
    },
  });
  await expect(form).rejects.toBe(full);
});

test('a receiver that leaves its file unread is a bug that ends in an error, not in silence', async () => {
  const { form } = read(bodyOf(encode([file(Buffer.alloc(500_000))]), 65_536), {
    onFile: async (part) => ({ bytes: AUDIO, part, released: false, release: async () => {} }),
  });
  await expect(form).rejects.toThrow('left unread');
});

test('a file that was taken is released when what follows it is broken', async () => {
  const body = openBody();
  const { form, stored } = read(body);
  body.push(encode([file()], `--${BOUNDARY}\r\n`));
  await settle();
  expect(stored.map(({ released }) => released)).toEqual([false]);
  body.push(null);
  expect(await codeOf(form)).toBe('body-malformed');
  expect(stored.map(({ released }) => released)).toEqual([true]);
});

test('an abort ends the reading with its reason, before, in and after the file', async () => {
  const reason = new Error('the client left');
  for (const cut of [0, 20, 300]) {
    const controller = new AbortController();
    const body = openBody();
    const { form, stored, clock } = read(body, { signal: controller.signal });
    body.push(encode([file(Buffer.alloc(100)), field('a', 'b'), field('c', 'd')]).subarray(0, cut));
    await settle();
    controller.abort(reason);
    await expect(form).rejects.toBe(reason);
    expect(stored.every(({ released }) => released)).toBe(true);
    expect(clock.pendingCount).toBe(0);
  }
  const late = readMultipart(openBody(), new Headers(), {
    bytesMax: 1,
    idleMs: 1,
    signal: AbortSignal.abort(reason),
    fileField: 'file',
    onFile: () => assert.fail('nothing is read'),
  });
  await expect(late).rejects.toBe(reason);
});

test('a connection that breaks ends the reading', async () => {
  const body = openBody();
  const { form, clock } = read(body);
  body.push(encode([file(Buffer.alloc(1000))]).subarray(0, 200));
  await settle();
  body.destroy(new Error('ECONNRESET'));
  expect(await codeOf(form)).toBe('body-malformed');
  expect(clock.pendingCount).toBe(0);
  expect(await codeOf(read(body).form)).toBe('body-malformed');
});
