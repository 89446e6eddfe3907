import { expect, test, vi } from 'vitest';
import { FakeClock, settle } from '../lib/clock.ts';
import { FIRST_RECORD_WAIT_MS, lastEventId, openEventStream, PING_INTERVAL_MS } from './sse.ts';

/** Records that a test hands out one by one. */
function source() {
  const waiting: PromiseWithResolvers<string | undefined>[] = [];
  const state = { asked: 0, left: false };
  async function* records(): AsyncGenerator<string> {
    try {
      for (;;) {
        state.asked++;
        const step = Promise.withResolvers<string | undefined>();
        waiting.push(step);
        const next = await step.promise;
        if (next === undefined) return;
        yield next;
      }
    } finally {
      state.left = true;
    }
  }
  const hand = async (act: (step: PromiseWithResolvers<string | undefined>) => void) => {
    await settle();
    const step = waiting.shift();
    if (!step) throw new Error('No record was asked for.');
    act(step);
    await settle();
  };
  return {
    state,
    records: records(),
    give: (text: string) => hand((step) => step.resolve(text)),
    end: () => hand((step) => step.resolve(undefined)),
    fail: (error: Error) => hand((step) => step.reject(error)),
  };
}

async function open({ clock = new FakeClock(), waitMs = 0 } = {}) {
  const from = source();
  const onCancel = vi.fn();
  const renderFailure = vi.fn((thrown: unknown) => `failed: ${(thrown as Error).message}`);
  const opening = openEventStream(from.records, { clock, renderFailure, onCancel });
  if (waitMs > 0) await clock.advance(waitMs);
  return { from, clock, onCancel, renderFailure, opening };
}

const textOf = async (result: Promise<{ value?: Uint8Array | undefined }>) =>
  Buffer.from((await result).value ?? []).toString();

test('frames each record and ends', async () => {
  const { from, opening, clock } = await open();
  await from.give('one');
  const text = new Response(await opening).text();
  await from.give('two');
  await from.end();
  expect(await text).toBe('data: one\n\ndata: two\n\n');
  expect(from.state.left).toBe(true);
  expect(clock.pendingCount).toBe(0);
});

test('a record with an id says it before its data', async () => {
  async function* records() {
    yield { id: '7', data: 'one' };
    yield 'two';
  }
  const stream = await openEventStream(records(), { clock: new FakeClock(), renderFailure: String, onCancel: vi.fn() });
  expect(await new Response(stream).text()).toBe('id: 7\ndata: one\n\ndata: two\n\n');
});

test('a stream in which nothing may ever come opens at once', async () => {
  const clock = new FakeClock();
  const from = source();
  const opening = openEventStream(from.records, {
    ...{ clock, renderFailure: String, onCancel: vi.fn() },
    firstRecordWaitMs: 0,
  });
  await clock.advance(0);
  const reader = (await opening).getReader();
  const ping = reader.read();
  await clock.advance(PING_INTERVAL_MS);
  expect(await textOf(ping)).toBe(': ping\n\n');
  const first = reader.read();
  await from.give('one');
  expect(await textOf(first)).toBe('data: one\n\n');
  await reader.cancel();
  expect(clock.pendingCount).toBe(0);
});

test.each([
  [{}, undefined],
  [{ 'last-event-id': '' }, undefined],
  [{ 'last-event-id': ' 7 ' }, '7'],
])('what a client with %j has seen last is %j', (headers, id) => {
  expect(lastEventId(new Headers(headers as Record<string, string>))).toBe(id);
});

test('a failure before the first record is the caller’s', async () => {
  const { from, opening, renderFailure, clock } = await open();
  await Promise.all([expect(opening).rejects.toThrow('early'), from.fail(new Error('early'))]);
  expect(renderFailure).not.toHaveBeenCalled();
  expect(clock.pendingCount).toBe(0);
});

test('the stream opens without a record when the first takes long, and a failure then is its last record', async () => {
  const { from, opening, clock } = await open({ waitMs: FIRST_RECORD_WAIT_MS });
  const text = new Response(await opening).text();
  await from.fail(new Error('late'));
  expect(await text).toBe('data: failed: late\n\n');
  expect(clock.pendingCount).toBe(0);
});

test('pings while it waits, and loses no record by it', async () => {
  const { from, opening, clock } = await open();
  await from.give('one');
  const reader = (await opening).getReader();
  expect(await textOf(reader.read())).toBe('data: one\n\n');
  for (let count = 0; count < 3; count++) {
    const ping = reader.read();
    await clock.advance(PING_INTERVAL_MS);
    expect(await textOf(ping)).toBe(': ping\n\n');
  }
  const second = reader.read();
  await from.give('two');
  expect(await textOf(second)).toBe('data: two\n\n');
  const end = reader.read();
  await from.end();
  expect((await end).done).toBe(true);
  expect(clock.pendingCount).toBe(0);
});

test('asks for no record that the client is not ready for', async () => {
  const { from, opening, clock } = await open();
  await from.give('one');
  const reader = (await opening).getReader();
  await clock.advance(10 * PING_INTERVAL_MS);
  expect(from.state.asked).toBe(1);
  expect(await textOf(reader.read())).toBe('data: one\n\n');
  await settle();
  expect(from.state.asked).toBe(1);
});

test('a client that leaves between records leaves the source', async () => {
  const { from, opening, onCancel, renderFailure, clock } = await open();
  await from.give('one');
  await (await opening).cancel();
  expect(onCancel).toHaveBeenCalledOnce();
  expect(renderFailure).not.toHaveBeenCalled();
  expect(from.state.left).toBe(true);
  expect(clock.pendingCount).toBe(0);
});

test('a client that leaves while a record is awaited is told nothing more', async () => {
  const { from, opening, onCancel, renderFailure } = await open();
  await from.give('one');
  const reader = (await opening).getReader();
  await reader.read();
  const waiting = reader.read();
  await settle();
  const cancelled = reader.cancel();
  expect(onCancel).toHaveBeenCalledOnce();
  await from.fail(new Error('aborted'));
  await cancelled;
  expect((await waiting).done).toBe(true);
  expect(renderFailure).not.toHaveBeenCalled();
  expect(from.state.left).toBe(true);
});

test('a record that goes to several streams is written once', async () => {
  const record = { id: '1', data: 'long' };
  async function* records(): AsyncGenerator<{ id: string; data: string }> {
    yield record;
  }
  const read = async () => {
    const options = { clock: new FakeClock(), renderFailure: String, onCancel() {} };
    const stream = await openEventStream(records(), options);
    return (await Array.fromAsync(stream))[0];
  };
  const [one, other] = [await read(), await read()];
  expect(new TextDecoder().decode(one)).toBe('id: 1\ndata: long\n\n');
  expect(other).toBe(one);
});
