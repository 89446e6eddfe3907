import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { FakeClock, settle } from '../lib/clock.ts';
import { type BodyOptions, readBytes, readWithin, takeBody } from './body.ts';
import { REST_MS_MAX } from './discard-rest.ts';

const NEVER = new AbortController().signal;
const open = () => new Readable({ read() {} });

function options(rest: Partial<BodyOptions> = {}): BodyOptions & { clock: FakeClock } {
  return { bytesMax: 100, idleMs: 1000, signal: NEVER, clock: new FakeClock(), ...rest } as never;
}
const whole = (body: Readable, of = options(), headers = {}) =>
  readWithin(body, new Headers(headers), of, () => takeBody(body, of, buffer));

test.each([[[]], [['a']], [['a', 'bc', 'd'.repeat(97)]]])('%j arrives as it was sent', async (chunks) => {
  const of = options();
  const bytes = await whole(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), of);
  expect(bytes.toString()).toBe(chunks.join(''));
  expect(of.clock.pendingCount).toBe(0);
});

test('a body that says it is too large is not read', async () => {
  const body = open();
  const of = options();
  const answer = whole(body, of, { 'content-length': '101' });
  const refused = expect(answer).rejects.toMatchObject({ code: 'body-too-large' });
  body.push(null);
  await refused;
});

test('a body that turns out too large is refused, and its rest read past', async () => {
  const body = open();
  const answer = whole(body);
  const refused = expect(answer).rejects.toMatchObject({ code: 'body-too-large' });
  for (let sent = 0; sent < 20; sent++) body.push(Buffer.alloc(50));
  body.push(null);
  await refused;
  expect(body.readableEnded).toBe(true);
});

test('the rest of a refused body is waited for only so long', async () => {
  const body = open();
  const of = options();
  const answer = readWithin(body, new Headers(), of, async () => {
    throw new Error('judged before it is read');
  });
  const refused = expect(answer).rejects.toThrow('judged');
  await of.clock.advance(REST_MS_MAX);
  await refused;
  expect(of.clock.pendingCount).toBe(0);
});

test('a body that stands still is given up; one that is slow is not', async () => {
  const body = open();
  const of = options();
  const answer = whole(body, of);
  const refused = expect(answer).rejects.toMatchObject({ code: 'upload-stalled' });
  for (let sent = 0; sent < 5; sent++) {
    body.push('x');
    await of.clock.advance(900);
  }
  await of.clock.advance(1000);
  await refused;
  expect(of.clock.pendingCount).toBe(0);
});

test('the caller is not blamed while we are slow ourselves', async () => {
  const body = open();
  const of = options({ bytesMax: 1024 ** 2 });
  let resume = () => {};
  const answer = takeBody(body, of, async (stream) => {
    await new Promise<void>((resolve) => {
      resume = resolve;
    });
    return buffer(stream);
  });
  body.push(Buffer.alloc(512 * 1024));
  body.push(null);
  await of.clock.advance(10_000);
  resume();
  expect(await answer).toHaveLength(512 * 1024);
});

test('a connection that breaks is a body that never came whole', async () => {
  const body = open();
  const answer = whole(body);
  body.push('half');
  await settle();
  body.destroy(new Error('ECONNRESET'));
  await expect(answer).rejects.toMatchObject({ code: 'body-malformed' });
  await expect(whole(body)).rejects.toMatchObject({ code: 'body-malformed' });
});

test('a caller who leaves ends the reading', async () => {
  const caller = new AbortController();
  const of = options({ signal: caller.signal });
  const answer = whole(open(), of);
  await settle();
  caller.abort(new Error('gone'));
  await expect(answer).rejects.toThrow('gone');
  await expect(whole(open(), of)).rejects.toThrow('gone');
  expect(of.clock.pendingCount).toBe(0);
});

test('whoever takes the stream and fails is heard, and the rest read past', async () => {
  const body = Readable.from([Buffer.from('a'), Buffer.from('b')]);
  const of = options();
  const answer = readWithin(body, new Headers(), of, () =>
    takeBody(body, of, async (stream) => {
      stream.destroy();
      throw new Error('disk full');
    }),
  );
  await expect(answer).rejects.toThrow('disk full');
  expect(of.clock.pendingCount).toBe(0);
});

test('a small body is read whole', async () => {
  expect((await readBytes(Readable.from([Buffer.from('{'), Buffer.from('}')]), options())).toString()).toBe('{}');
});
