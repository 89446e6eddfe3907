import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GatewayError } from '../errors.ts';
import { FakeClock, settle } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import type { Delivery } from './deliver.ts';
import { createOutbox, type Enqueued, type Outbox, type Outcome, STORAGE_REST_MS, WAIT_MS_MAX } from './outbox.ts';
import { type WebhooksSettings, webhooksSettings } from './settings.ts';

const EPOCH_MS = 1_800_000_000_000;
const DAY_MS = 86_400_000;

let directory: string;
let clock: FakeClock;
let wallMs: number;
let outbox: Outbox;
/** What was sent: when, and what settles it. */
let sent: { atMs: number; delivery: Delivery; confirm(): void; refuse(error?: Error): void }[];
/** Answers at once when set. */
let answer: ((delivery: Delivery) => Error | undefined) | undefined;

const refused = (retryAfterSeconds?: number) =>
  new GatewayError(
    'url-unreachable',
    'The receiver answered 500.',
    retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
  );

function send(delivery: Delivery, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: Error = refused()) => reject(error);
    sent.push({ atMs: clock.nowMs(), delivery, confirm: resolve, refuse });
    signal.addEventListener('abort', () => reject(signal.reason));
    if (!answer) return;
    const error = answer(delivery);
    if (error) reject(error);
    else resolve();
  });
}

async function open(settings: Partial<WebhooksSettings> = {}): Promise<void> {
  outbox = await createOutbox({
    settings: { ...webhooksSettings.parse({}), ...settings },
    directory,
    log: silentLog,
    clock,
    send,
    epochMs: () => wallMs + clock.nowMs(),
  });
}

const message = (id: string, change: Partial<Enqueued> = {}): Enqueued => ({
  id,
  url: 'https://example.com/hook',
  method: 'POST',
  body: Buffer.from(`{"id":"${id}"}`),
  ...change,
});
const sentIds = () => sent.map(({ delivery }) => delivery.id);
const inside = (action: (database: DatabaseSync) => void) => {
  const database = new DatabaseSync(join(directory, 'outbox.sqlite'));
  action(database);
  database.close();
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'outbox-test-'));
  clock = new FakeClock();
  wallMs = EPOCH_MS;
  sent = [];
  answer = undefined;
  await open();
});
afterEach(async () => {
  const closed = outbox.close();
  await clock.advance(10_000);
  await closed;
  expect(clock.pendingCount).toBe(0);
  await rm(directory, { recursive: true });
});

describe('a message', () => {
  test('is sent at once, as it is, and forgotten once confirmed', async () => {
    outbox.enqueue(message('a', { method: 'PUT', url: 'https://user:pass@example.com/hook?x=1' }));
    expect(sent.map(({ delivery }) => delivery)).toEqual([
      expect.objectContaining({ id: 'a', method: 'PUT', url: 'https://user:pass@example.com/hook?x=1' }),
    ]);
    expect(Buffer.from(sent[0]?.delivery.body ?? []).toString()).toBe('{"id":"a"}');
    expect(outbox.status()).toEqual({ pending: 1, delivering: 1, failed: 0 });
    sent[0]?.confirm();
    await settle();
    expect(outbox.status()).toEqual({ pending: 0, delivering: 0, failed: 0 });
    await clock.advance(DAY_MS);
    expect(sent.length).toBe(1);
  });

  test('that is there already is not taken twice; once delivered, it may come again', async () => {
    outbox.enqueue(message('a'));
    outbox.enqueue(message('a', { body: Buffer.from('other') }));
    expect(outbox.status().pending).toBe(1);
    sent[0]?.confirm();
    await settle();
    expect(sentIds()).toEqual(['a']);
    outbox.enqueue(message('a'));
    expect(sentIds()).toEqual(['a', 'a']);
    sent[1]?.confirm();
    await settle();
  });

  test.each([
    ['no-url', 'url-invalid'],
    ['ftp://example.com/', 'url-invalid'],
    ['http://127.0.0.1/', 'url-forbidden'],
    ['http://user:secret@[::1]:8080/', 'url-forbidden'],
    ['http://169.254.169.254/', 'url-forbidden'],
  ])('to %s is refused', (url, code) => {
    expect(() => outbox.check(url)).toThrow(expect.objectContaining({ code }));
    expect(() => outbox.enqueue(message('a', { url }))).toThrow(expect.objectContaining({ code }));
    expect(outbox.status().pending).toBe(0);
  });

  test('to a private address is taken where the settings allow it', async () => {
    await outbox.close();
    await open({ ALLOW_PRIVATE_URLS: true });
    outbox.check('http://127.0.0.1/');
    outbox.enqueue(message('a', { url: 'http://127.0.0.1/' }));
    expect(sentIds()).toEqual(['a']);
  });

  test('with an id that is no header value is a bug', () => {
    for (const id of ['', 'a\r\nb', 'ä', 'x'.repeat(129)]) {
      expect(() => outbox.enqueue(message(id))).toThrow('header');
    }
  });
});

describe('the schedule', () => {
  const minutes = (...atMinutes: number[]) => atMinutes.map((atMinute) => atMinute * 60_000);

  test('is ten retries, half a minute apart; then it is given up, and visible', async () => {
    answer = () => refused();
    outbox.enqueue(message('a', { url: 'https://user:secret@example.com/hook?key=secret' }));
    await clock.advance(DAY_MS);
    expect(sent.map(({ atMs }) => atMs)).toEqual(minutes(0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5));
    expect(outbox.status()).toEqual({ pending: 0, delivering: 0, failed: 1 });
    expect(outbox.failed()).toEqual([
      {
        id: 'a',
        url: 'https://example.com/hook',
        attempts: 11,
        reason: 'The receiver answered 500.',
        createdAtMs: EPOCH_MS,
        failedAtMs: EPOCH_MS + 300_000,
      },
    ]);
  });

  test('ends with the first confirmation', async () => {
    answer = () => (sent.length < 3 ? refused() : undefined);
    outbox.enqueue(message('a'));
    await clock.advance(DAY_MS);
    expect(sent.length).toBe(3);
    expect(outbox.status()).toEqual({ pending: 0, delivering: 0, failed: 0 });
  });

  test('may be the message’s own', async () => {
    answer = () => refused();
    outbox.enqueue(message('a', { retryDelaysMs: [1000, 0, 5000] }));
    outbox.enqueue(message('b', { retryDelaysMs: [] }));
    await clock.advance(DAY_MS);
    expect(sent.filter(({ delivery }) => delivery.id === 'a').map(({ atMs }) => atMs)).toEqual([0, 1000, 1000, 6000]);
    expect(sent.filter(({ delivery }) => delivery.id === 'b').length).toBe(1);
  });

  test('waits longer when the receiver asks for it, never shorter, and not for ever', async () => {
    const asked = [120, 1, 1e9, 0];
    answer = () => refused(asked.shift());
    outbox.enqueue(message('a', { retryDelaysMs: [30_000, 30_000, 30_000, 30_000] }));
    await clock.advance(DAY_MS);
    const waits = sent.slice(1).map(({ atMs }, index) => atMs - (sent[index]?.atMs ?? 0));
    expect(waits).toEqual([120_000, 30_000, WAIT_MS_MAX, 30_000]);
  });

  test('counts an attempt that failed in an unforeseen way', async () => {
    answer = () => new TypeError('a bug');
    outbox.enqueue(message('a', { retryDelaysMs: [1] }));
    await clock.advance(1000);
    expect(outbox.failed()).toMatchObject([{ id: 'a', attempts: 2, reason: 'Unexpected: a bug' }]);
  });

  test('has a bound', () => {
    expect(() => outbox.enqueue(message('a', { retryDelaysMs: Array(101).fill(1) }))).toThrow();
    expect(() => outbox.enqueue(message('a', { retryDelaysMs: [WAIT_MS_MAX + 1] }))).toThrow();
    expect(() => outbox.enqueue(message('a', { retryDelaysMs: [-1] }))).toThrow();
  });
});

describe('bounds', () => {
  test('so many under way in all and to one host, the longest waiting first', async () => {
    await outbox.close();
    await open({ WEBHOOK_DELIVERIES_MAX: 3, WEBHOOK_DELIVERIES_PER_HOST_MAX: 2 });
    for (const id of ['a1', 'a2', 'a3']) outbox.enqueue(message(id));
    expect(sentIds()).toEqual(['a1', 'a2']);
    await clock.advance(1);
    for (const id of ['b1', 'b2']) outbox.enqueue(message(id, { url: 'https://example.org/' }));
    expect(sentIds()).toEqual(['a1', 'a2', 'b1']);
    sent[0]?.confirm();
    await settle();
    expect(sentIds()).toEqual(['a1', 'a2', 'b1', 'a3']);
    sent[2]?.confirm();
    await settle();
    expect(sentIds()).toEqual(['a1', 'a2', 'b1', 'a3', 'b2']);
    expect(outbox.status()).toEqual({ pending: 3, delivering: 3, failed: 0 });
  });

  test('a host that never answers does not hold up the others', async () => {
    for (let index = 0; index < 50; index += 1) outbox.enqueue(message(`dead-${index}`));
    outbox.enqueue(message('live', { url: 'https://example.org/' }));
    expect(sentIds()).toContain('live');
  });

  test('a body that is too large', () => {
    const bytes = webhooksSettings.parse({}).WEBHOOK_BODY_BYTES_MAX;
    expect(() => outbox.enqueue(message('a', { body: Buffer.alloc(bytes + 1) }))).toThrow(
      expect.objectContaining({ code: 'body-too-large' }),
    );
  });

  test('too many: those given up make room, those that wait do not', async () => {
    await outbox.close();
    await open({ WEBHOOK_QUEUE_MAX: 3 });
    answer = ({ id }) => (id.startsWith('bad') ? refused() : undefined);
    for (const id of ['bad-1', 'bad-2']) {
      outbox.enqueue(message(id, { retryDelaysMs: [] }));
      await clock.advance(1000);
    }
    answer = undefined;
    outbox.enqueue(message('a'));
    outbox.enqueue(message('b'));
    expect(outbox.failed().map(({ id }) => id)).toEqual(['bad-2']);
    outbox.enqueue(message('c'));
    expect(outbox.status()).toMatchObject({ pending: 3, failed: 0 });
    expect(() => outbox.enqueue(message('d'))).toThrow(expect.objectContaining({ code: 'queue-full' }));
    sent.at(-1)?.confirm();
    await settle();
    outbox.enqueue(message('d'));
    expect(outbox.status().pending).toBe(3);
  });

  test('too many bytes', async () => {
    await outbox.close();
    await open({ WEBHOOK_QUEUE_BYTES_MAX: 1000 });
    answer = ({ id }) => (id === 'bad' ? refused() : undefined);
    outbox.enqueue(message('bad', { body: Buffer.alloc(600), retryDelaysMs: [] }));
    await settle();
    answer = undefined;
    outbox.enqueue(message('a', { body: Buffer.alloc(400) }));
    expect(outbox.status().failed).toBe(1);
    outbox.enqueue(message('b', { body: Buffer.alloc(1) }));
    expect(outbox.status().failed).toBe(0);
    expect(() => outbox.enqueue(message('c', { body: Buffer.alloc(600) }))).toThrow(
      expect.objectContaining({ code: 'queue-full' }),
    );
  });

  test('those given up are kept for a week, then deleted by themselves', async () => {
    answer = () => refused();
    outbox.enqueue(message('a', { retryDelaysMs: [] }));
    await clock.advance(7 * DAY_MS - 1);
    expect(outbox.failed().length).toBe(1);
    await clock.advance(2);
    expect(outbox.failed().length).toBe(0);
    inside((database) => expect(database.prepare('SELECT count(*) AS count FROM messages').get()?.count).toBe(0));
  });
});

describe('an outcome', () => {
  const outcomes: Outcome[] = [];
  beforeEach(() => {
    outcomes.length = 0;
    outbox.observe((outcome) => outcomes.push(outcome));
  });

  test('is told once it is on disk: confirmed, or given up with the reason', async () => {
    outbox.observe((outcome) => {
      outcomes.push({ ...outcome, ...outbox.find(outcome.id) });
    });
    outbox.enqueue(message('a'));
    outbox.enqueue(message('b', { retryDelaysMs: [1000] }));
    expect(outbox.find('a')).toEqual({ failedAtMs: null, lastError: null });
    sent[0]?.confirm();
    sent[1]?.refuse();
    await settle();
    expect(outcomes).toEqual([{ id: 'a', atMs: EPOCH_MS, error: null }]);
    const lastError = 'The receiver answered 500.';
    expect(outbox.find('b')).toEqual({ failedAtMs: null, lastError });
    await clock.advance(1000);
    expect(outcomes).toHaveLength(1);
    sent[2]?.refuse();
    await settle();
    const failedAtMs = EPOCH_MS + 1000;
    expect(outcomes[1]).toEqual({ id: 'b', atMs: failedAtMs, error: lastError, failedAtMs, lastError });
    expect(outbox.find('a')).toBeUndefined();
    expect(outbox.find('b')).toEqual({ failedAtMs, lastError });
  });

  test('is told again until it is taken, without another delivery', async () => {
    let refusals = 2;
    outbox.observe((outcome) => {
      if (refusals-- > 0) throw new Error('the disk is full');
      outcomes.push(outcome);
    });
    answer = () => undefined;
    outbox.enqueue(message('a'));
    await settle();
    expect(outcomes).toEqual([]);
    await clock.advance(2 * STORAGE_REST_MS);
    expect(outcomes).toMatchObject([{ id: 'a' }]);
    expect(sentIds()).toEqual(['a']);
  });
});

test('quick retries come before the usual ones', async () => {
  await outbox.close();
  await open({ WEBHOOK_RETRIES_MAX: 1, WEBHOOK_RETRY_SECONDS: 30 });
  answer = () => refused();
  outbox.enqueue(message('a', { quickRetriesMs: [1000, 2000] }));
  await clock.advance(DAY_MS);
  expect(sent.map(({ atMs }) => atMs)).toEqual([0, 1000, 3000, 33_000]);
  expect(() => outbox.enqueue(message('b', { quickRetriesMs: [-1] }))).toThrow();
});

describe('another start', () => {
  async function restart(settings: Partial<WebhooksSettings> = {}): Promise<void> {
    const closed = outbox.close();
    await clock.advance(10_000);
    await closed;
    sent = [];
    await open(settings);
  }

  test('sends what was under way, without counting the attempt that was cut', async () => {
    outbox.enqueue(message('a', { retryDelaysMs: [] }));
    await restart();
    expect(sentIds()).toEqual(['a']);
    sent[0]?.refuse();
    await settle();
    expect(outbox.failed()).toMatchObject([{ id: 'a', attempts: 1 }]);
  });

  test('goes on with the schedule where it stood', async () => {
    answer = () => refused();
    outbox.enqueue(message('a', { retryDelaysMs: [30_000, 60_000] }));
    await clock.advance(15_000);
    await restart(); // takes 10 s
    expect(sent).toEqual([]);
    await clock.advance(4999);
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(sent.length).toBe(1);
    await clock.advance(DAY_MS);
    expect(sent.map(({ atMs }) => atMs)).toEqual([30_000, 90_000]);
  });

  test('keeps those that were given up', async () => {
    answer = () => refused();
    outbox.enqueue(message('a', { retryDelaysMs: [] }));
    await settle();
    await restart();
    expect(sent).toEqual([]);
    expect(outbox.failed()).toMatchObject([{ id: 'a' }]);
  });

  test('waits an hour at most when the machine’s time was set back', async () => {
    answer = () => refused();
    outbox.enqueue(message('a', { retryDelaysMs: [WAIT_MS_MAX, 1] }));
    await settle();
    wallMs -= 30 * DAY_MS;
    await restart();
    await clock.advance(WAIT_MS_MAX - 1);
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(sent.length).toBeGreaterThan(0);
  });

  test('does nothing to a time that is set while it runs', async () => {
    answer = () => refused();
    outbox.enqueue(message('a'));
    wallMs += 30 * DAY_MS;
    await clock.advance(29_999);
    expect(sent.length).toBe(1);
    await clock.advance(1);
    expect(sent.length).toBe(2);
  });

  test('is refused a file that is none, and leaves it alone', async () => {
    await outbox.close();
    const path = join(directory, 'outbox.sqlite');
    await rm(path);
    writeFileSync(path, 'not a database, but somebody may want it '.repeat(100));
    await expect(open()).rejects.toMatchObject({ code: 'setup-incomplete', message: expect.stringContaining(path) });
    expect((await stat(path)).size).toBe(4100);
    await rm(path);
    await open();
  });

  test('is refused a file of a newer version', async () => {
    await outbox.close();
    inside((database) => database.exec('PRAGMA user_version = 2'));
    await expect(open()).rejects.toMatchObject({ message: expect.stringContaining('newer version') });
    inside((database) => database.exec('PRAGMA user_version = 1'));
    await open();
  });

  test('nobody else may read the file', async () => {
    await outbox.close();
    directory = join(directory, 'new');
    await open();
    expect((await stat(directory)).mode & 0o077).toBe(0);
    directory = join(directory, '..');
  });
});

describe('closing', () => {
  test('waits for what is under way, and takes nothing more', async () => {
    outbox.enqueue(message('a'));
    const closed = outbox.close();
    expect(() => outbox.enqueue(message('b'))).toThrow(expect.objectContaining({ code: 'shutting-down' }));
    sent[0]?.confirm();
    await closed;
    await open();
    expect(outbox.status().pending).toBe(0);
  });

  test('cuts what takes too long; it is sent again', async () => {
    outbox.enqueue(message('a'));
    const closed = outbox.close();
    await clock.advance(5000);
    await closed;
    await open();
    expect(sentIds()).toEqual(['a', 'a']);
  });
});

test('a file that another program holds takes messages again once it does not', () => {
  const lock = new DatabaseSync(join(directory, 'outbox.sqlite'));
  lock.exec('BEGIN IMMEDIATE');
  expect(() => outbox.enqueue(message('a'))).toThrow(expect.objectContaining({ code: 'disk-full' }));
  lock.exec('ROLLBACK');
  lock.close();
  outbox.enqueue(message('a'));
  expect(sentIds()).toEqual(['a']);
});

test('a disk that cannot be written: a confirmed message is not sent again while the deletion is tried anew', async () => {
  outbox.enqueue(message('a'));
  const lock = new DatabaseSync(join(directory, 'outbox.sqlite'));
  lock.exec('BEGIN IMMEDIATE');
  sent[0]?.confirm();
  await settle();
  await clock.advance(STORAGE_REST_MS - 1);
  expect(outbox.status()).toMatchObject({ pending: 1, delivering: 1 });
  lock.exec('ROLLBACK');
  lock.close();
  await clock.advance(1);
  expect(outbox.status()).toEqual({ pending: 0, delivering: 0, failed: 0 });
  expect(sent.length).toBe(1);
});

test('a file that cannot be read for a while is tried again', async () => {
  answer = () => (sent.length < 2 ? refused() : undefined);
  outbox.enqueue(message('a', { retryDelaysMs: [1000] }));
  await settle();
  inside((database) => database.exec('ALTER TABLE messages RENAME TO elsewhere'));
  await clock.advance(1000);
  expect(sent.length).toBe(1);
  inside((database) => database.exec('ALTER TABLE elsewhere RENAME TO messages'));
  await clock.advance(STORAGE_REST_MS);
  expect(sent.length).toBe(2);
});

test('a message that falls due while the outbox looks for what is due is not overlooked', async () => {
  answer = () => (sent.length === 1 ? refused() : undefined);
  const nowMs = clock.nowMs.bind(clock);
  outbox.enqueue(message('a'));
  await settle();
  // Timers count whole milliseconds and fire up to one early; every look at the clock is later than the one before.
  let looks = 0;
  clock.nowMs = () => nowMs() - 0.45 + 0.25 * looks++;
  await clock.advance(30_000);
  clock.nowMs = nowMs;
  await clock.advance(1000);
  expect(sentIds()).toEqual(['a', 'a']);
});
