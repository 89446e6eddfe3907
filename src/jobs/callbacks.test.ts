import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../errors.ts';
import { FakeClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import type { Recording } from '../transcript/recording.ts';
import type { Enqueued } from '../webhooks/outbox.ts';
import { type Answerer, CallbackQueue, type CallbackRequest } from './callbacks.ts';
import { jobsSettings } from './settings.ts';

const RETENTION_SECONDS = 1000;

const AUDIO = 'RIFF and so on';

let directory: string;
let clock: FakeClock;
let sent: { id: string; url: string; method: string; body: string }[];
let enqueueFailure: (body: string) => Error | undefined;
let answer: Answerer['answer'];
let answered: Parameters<Answerer['answer']>[0][];
let released: number;
let queues: CallbackQueue[];
let nowMs: number;

const kept = () => readdir(join(directory, 'callbacks'));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callbacks-'));
  clock = new FakeClock();
  sent = [];
  answered = [];
  queues = [];
  released = 0;
  enqueueFailure = () => undefined;
  nowMs = 1_800_000_000_000;
  answer = async ({ request, source }) => {
    const audio = 'path' in source ? await readFile(source.path, 'utf8') : source.url;
    return JSON.stringify({ request, audio });
  };
});
afterEach(async () => {
  await Promise.all(queues.map((queue) => queue.close()));
  await rm(directory, { recursive: true });
});

async function open(settings: Record<string, string> = {}): Promise<CallbackQueue> {
  const outbox = {
    check: (url: string) => {
      if (url.includes('10.0.0.1')) throw new GatewayError('url-forbidden', 'No.');
    },
    enqueue: ({ id, url, method, body }: Enqueued) => {
      const failure = enqueueFailure(Buffer.from(body).toString());
      if (failure) throw failure;
      sent.push({ id, url, method, body: Buffer.from(body).toString() });
    },
  };
  const queue = new CallbackQueue({
    settings: { ...jobsSettings.parse(settings), WEBHOOK_FAILED_RETENTION_SECONDS: RETENTION_SECONDS },
    directory: join(directory, 'callbacks'),
    outbox,
    log: silentLog,
    clock,
    epochMs: () => nowMs++,
  });
  queues.push(queue);
  queue.serve('vendor', {
    answer: (of, signal) => {
      answered.push(of);
      return answer(of, signal);
    },
    renderFailure: (error, id) => JSON.stringify({ failed: error.code, id }),
  });
  await queue.resume();
  return queue;
}

async function recording(): Promise<Recording> {
  const path = join(directory, `upload-${Math.random()}`);
  await writeFile(path, AUDIO);
  const release = async () => {
    released += 1;
    await rm(path, { force: true });
  };
  return { path, sha256: createHash('sha256').update(AUDIO).digest('hex'), bytes: AUDIO.length, release };
}

const asked = async (id: string, source?: CallbackRequest['source']): Promise<CallbackRequest> => ({
  id,
  dialect: 'vendor',
  callback: { url: 'http://receiver/', method: 'PUT' },
  request: { punctuate: true },
  source: source ?? (await recording()),
});
/** Never answers until the queue closes. */
const hang: Answerer['answer'] = (_of, signal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
/** Many changes that are on disk one after the other. */
const WRITES = { interval: 5, timeout: 4000 };
const settled = () => vi.waitFor(async () => expect(await kept()).toEqual([]));

test('an answer goes to the outbox, and then the request leaves the disk', async () => {
  const queue = await open();
  await queue.accept(await asked('one'));
  await settled();
  const body = JSON.stringify({ request: { punctuate: true }, audio: AUDIO });
  expect(sent).toEqual([{ id: 'one', url: 'http://receiver/', method: 'PUT', body }]);
  expect(answered).toMatchObject([{ source: { sha256: createHash('sha256').update(AUDIO).digest('hex') } }]);
  expect(released).toBe(1);
});

test('a URL is fetched when its turn comes, not before', async () => {
  const queue = await open();
  await queue.accept(await asked('one', { url: 'http://media/' }));
  await settled();
  expect(JSON.parse(sent[0]?.body ?? '')).toMatchObject({ audio: 'http://media/' });
});

test('what may not be called back is refused', async () => {
  const queue = await open();
  expect(() => queue.check('http://10.0.0.1/')).toThrow(expect.objectContaining({ code: 'url-forbidden' }));
});

describe('a restart', () => {
  test('takes up what was accepted, in order, recording and all', async () => {
    answer = hang;
    const first = await open({ CALLBACK_RUNS_MAX: '1' });
    await first.accept(await asked('b'));
    await first.accept(await asked('a'));
    await first.close();
    expect((await kept()).toSorted()).toEqual(['a', 'b']);
    expect(sent).toEqual([]);

    answer = async ({ source }) => ('path' in source ? readFile(source.path, 'utf8') : '');
    await open({ CALLBACK_RUNS_MAX: '1' });
    await settled();
    expect(sent.map(({ id, body }) => [id, body])).toEqual([
      ['b', AUDIO],
      ['a', AUDIO],
    ]);
  });

  test('before the request was complete leaves nothing of it: nobody was told it was accepted', async () => {
    await mkdir(join(directory, 'callbacks', 'half.part'), { recursive: true });
    await writeFile(join(directory, 'callbacks', 'half.part', 'recording'), AUDIO);
    await open();
    expect(await kept()).toEqual([]);
    expect(answered).toEqual([]);
  });

  test('between the outbox and the disk says the same thing again, under the same id', async () => {
    answer = hang;
    const first = await open();
    await first.accept(await asked('one'));
    await first.close();
    answer = async () => 'again';
    await open();
    await settled();
    expect(sent).toMatchObject([{ id: 'one', body: 'again' }]);
  });

  test('leaves what cannot be read for a person to look at, and goes on', async () => {
    answer = hang;
    const first = await open();
    await first.accept(await asked('good'));
    await first.close();
    await mkdir(join(directory, 'callbacks', 'bad'));
    await writeFile(join(directory, 'callbacks', 'bad', 'request.json'), '{"id":1}');
    answer = async () => 'fine';
    await open();
    await vi.waitFor(() => expect(sent).toMatchObject([{ id: 'good' }]));
    await vi.waitFor(async () => expect(await kept()).toEqual(['bad']));
  });
});

describe('a failure', () => {
  test('that is final is delivered in the vendor’s words', async () => {
    answer = async () => {
      throw new GatewayError('audio-undecodable', 'No.');
    };
    await (await open()).accept(await asked('one'));
    await settled();
    expect(sent).toMatchObject([{ body: '{"failed":"audio-undecodable","id":"one"}' }]);
  });

  test('that is a bug is delivered as one, and logged', async () => {
    const logged = vi.spyOn(silentLog, 'error');
    answer = async () => {
      throw new TypeError('oops');
    };
    await (await open()).accept(await asked('one'));
    await settled();
    expect(sent).toMatchObject([{ body: '{"failed":"internal","id":"one"}' }]);
    expect(logged).toHaveBeenCalledOnce();
    logged.mockRestore();
  });

  test('that may pass is waited out, while others go on', async () => {
    let failures = 2;
    answer = async ({ id }) => {
      if (id === 'one' && failures-- > 0) throw new GatewayError('queue-full', 'Full.', { retryAfterSeconds: 7 });
      return 'done';
    };
    const queue = await open({ CALLBACK_RUNS_MAX: '1' });
    await queue.accept(await asked('one'));
    await queue.accept(await asked('two'));
    await vi.waitFor(() => expect(sent).toMatchObject([{ id: 'two' }]));
    await vi.waitFor(() => expect(clock.pendingCount).toBe(1));
    await clock.advance(6999);
    expect(answered).toHaveLength(2);
    await clock.advance(1);
    await vi.waitFor(() => expect(answered).toHaveLength(3));
    await vi.waitFor(() => expect(clock.pendingCount).toBe(1));
    await clock.advance(10_000);
    await settled();
    expect(sent.map(({ id }) => id)).toEqual(['two', 'one']);
  });

  test('that never passes is delivered in the end', async () => {
    answer = async () => {
      throw new GatewayError('gpu-memory-short', 'No memory.');
    };
    await (await open()).accept(await asked('one'));
    await vi.waitFor(async () => {
      await clock.advance(300_000);
      expect(sent).toHaveLength(1);
    }, WRITES);
    await settled();
    expect(answered).toHaveLength(24);
    expect(sent).toMatchObject([{ body: '{"failed":"gpu-memory-short","id":"one"}' }]);
  });

  test('of the outbox for a while is waited out too', async () => {
    enqueueFailure = () => new GatewayError('queue-full', 'Full.');
    const queue = await open();
    await queue.accept(await asked('one'));
    await vi.waitFor(() => expect(clock.pendingCount).toBe(1));
    expect(await kept()).toEqual(['one']);
    enqueueFailure = () => undefined;
    await clock.advance(5000);
    await settled();
    expect(sent).toMatchObject([{ id: 'one' }]);
  });

  test('of the outbox for the answer’s size is delivered in its place', async () => {
    enqueueFailure = (body) => (body.includes('"failed"') ? undefined : new GatewayError('body-too-large', 'Large.'));
    await (await open()).accept(await asked('one'));
    await settled();
    expect(sent).toMatchObject([{ id: 'one', body: '{"failed":"body-too-large","id":"one"}' }]);
  });
});

describe('what nobody can be told', () => {
  const forbidden = () => new GatewayError('url-forbidden', 'Not there.');
  const listed = { id: 'one', url: 'http://receiver/', attempts: 1, reason: 'Not there.' };
  const giveUp = async (queue: CallbackQueue, id: string) => {
    await queue.accept(await asked(id));
    await vi.waitFor(() => expect(queue.failed()).toMatchObject([{ id }, ...queue.failed().slice(1)]));
    await vi.waitFor(async () => expect(await readdir(join(directory, 'callbacks', id))).toContain('failure.json'));
  };

  beforeEach(() => {
    enqueueFailure = forbidden;
  });

  test('is kept, recording and all, and can be seen without the caller’s secrets', async () => {
    const queue = await open();
    const request = await asked('one');
    await queue.accept({ ...request, callback: { url: 'http://user:pass@receiver/?key=k', method: 'PUT' } });
    await vi.waitFor(() => expect(queue.status()).toEqual({ pending: 0, running: 0, failed: 1 }));
    expect(queue.failed()).toMatchObject([listed]);
    expect(await readFile(join(directory, 'callbacks', 'one', 'recording'), 'utf8')).toBe(AUDIO);
  });

  test('is neither run again nor forgotten by a restart', async () => {
    const first = await open();
    await giveUp(first, 'one');
    await first.close();
    enqueueFailure = () => undefined;
    const second = await open();
    expect(second.status()).toEqual({ pending: 0, running: 0, failed: 1 });
    expect(second.failed()).toMatchObject([listed]);
    expect(answered).toHaveLength(1);
    expect(sent).toEqual([]);
  });

  test('of a vendor that is gone is kept as well', async () => {
    const queue = await open();
    await queue.accept({ ...(await asked('one')), dialect: 'gone' });
    await vi.waitFor(() => expect(queue.failed()).toMatchObject([{ id: 'one', reason: "Nobody answers for 'gone'." }]));
    expect(await kept()).toEqual(['one']);
  });

  test('is deleted when its time is over, before a restart or after it', async () => {
    const first = await open();
    await giveUp(first, 'one');
    await clock.advance(RETENTION_SECONDS * 1000 - 10);
    expect(await kept()).toEqual(['one']);
    await clock.advance(10);
    await settled();
    expect(first.status().failed).toBe(0);

    await giveUp(first, 'two');
    await first.close();
    nowMs += RETENTION_SECONDS * 1000;
    await open();
    await clock.advance(0);
    await settled();
  });

  test('makes room for what comes, the oldest first; what waits does not', async () => {
    const queue = await open({ CALLBACKS_WAITING_MAX: '2' });
    await giveUp(queue, 'one');
    await giveUp(queue, 'two');
    await giveUp(queue, 'three');
    expect(queue.failed().map(({ id }) => id)).toEqual(['three', 'two']);
    expect((await kept()).toSorted()).toEqual(['three', 'two']);

    answer = hang;
    await queue.accept(await asked('four'));
    await queue.accept(await asked('five'));
    expect(queue.status()).toEqual({ pending: 2, running: 2, failed: 0 });
    await expect(queue.accept(await asked('six'))).rejects.toMatchObject({ code: 'queue-full' });
    expect((await kept()).toSorted()).toEqual(['five', 'four']);
  });

  test('gives way to bytes, too, but not to more than may be kept at all', async () => {
    const queue = await open({ CALLBACK_BYTES_MAX: String(AUDIO.length) });
    await giveUp(queue, 'one');
    const large = { ...(await recording()), bytes: AUDIO.length + 1 };
    await expect(queue.accept(await asked('large', large))).rejects.toMatchObject({ code: 'queue-full' });
    expect(await kept()).toEqual(['one']);
    await giveUp(queue, 'two');
    expect(await kept()).toEqual(['two']);
  });
});

describe('a run that ends the process', () => {
  /** A process that is killed says nothing more: its queue is left as it stands. */
  const crashed = async (ids: string[]) => {
    const begun: string[] = [];
    answer = (of, signal) => {
      begun.push(of.id);
      return hang(of, signal);
    };
    const queue = await open();
    for (const id of ids) await queue.accept(await asked(id));
    await vi.waitFor(() => expect(begun).toHaveLength(queue.status().running));
    return begun;
  };

  test('is made three times, and then the failure is delivered', async () => {
    await crashed(['one']);
    await crashed([]);
    await crashed([]);
    const before = answered.length;
    await open();
    await settled();
    expect(answered.length).toBe(before);
    expect(sent).toMatchObject([{ body: '{"failed":"internal","id":"one"}' }]);
  });

  test('is made alone the next time, after all that cannot have been it', async () => {
    expect((await crashed(['one', 'two'])).toSorted()).toEqual(['one', 'two']);
    expect(await crashed(['new'])).toEqual(['one']);
    // `one` was there twice, `two` once, `new` waited.
    answer = async ({ id }) => id;
    await open();
    await settled();
    expect(sent.map(({ id }) => id)).toEqual(['new', 'two', 'one']);
  });

  test('is not one that an orderly end interrupts, nor one that failed', async () => {
    for (let start = 0; start < 5; start += 1) {
      answer = hang;
      const queue = await open();
      if (start === 0) await queue.accept(await asked('one'));
      await vi.waitFor(() => expect(queue.status().running).toBe(1));
      await queue.close();
    }
    answer = async () => {
      throw new GatewayError('engine-failed', 'Down.');
    };
    const failing = await open();
    await vi.waitFor(() => expect(clock.pendingCount).toBe(1));
    const runs = await readFile(join(directory, 'callbacks', 'one', 'runs.json'), 'utf8');
    expect(JSON.parse(runs)).toEqual({ failed: 1, crashed: 0 });
    await failing.close();
    answer = async () => 'done';
    await open();
    await settled();
    expect(sent).toMatchObject([{ body: 'done' }]);
  });

  test('failures that may pass are counted over restarts', async () => {
    answer = async () => {
      throw new GatewayError('engine-failed', 'Down.');
    };
    const first = await open();
    await first.accept(await asked('one'));
    await vi.waitFor(() => expect(clock.pendingCount).toBe(1));
    await first.close();
    await writeFile(join(directory, 'callbacks', 'one', 'runs.json'), '{"failed":23,"crashed":0}');
    await open();
    await settled();
    expect(answered).toHaveLength(2);
    expect(sent).toMatchObject([{ body: '{"failed":"engine-failed","id":"one"}' }]);
  });
});

describe('bounds', () => {
  const full = expect.objectContaining({ code: 'queue-full', retryAfterSeconds: 5 });

  test('of the number, counting those that are worked on', async () => {
    answer = hang;
    const queue = await open({ CALLBACKS_WAITING_MAX: '2' });
    await queue.accept(await asked('one'));
    await queue.accept(await asked('two'));
    await expect(queue.accept(await asked('three'))).rejects.toEqual(full);
    expect(released).toBe(3);
    expect((await kept()).toSorted()).toEqual(['one', 'two']);
  });

  test('of the bytes, over restarts; what is done makes room', async () => {
    answer = hang;
    const settings = { CALLBACK_BYTES_MAX: String(AUDIO.length) };
    const first = await open(settings);
    await first.accept(await asked('one'));
    await first.close();
    const second = await open(settings);
    await expect(second.accept(await asked('two'))).rejects.toEqual(full);
    await second.accept(await asked('three', { url: 'http://media/' }));
    await second.close();
    answer = async () => 'done';
    const third = await open(settings);
    await settled();
    await third.accept(await asked('four'));
    await settled();
  });

  test('nothing is accepted any more once it closes', async () => {
    const queue = await open();
    await queue.close();
    await expect(queue.accept(await asked('one'))).rejects.toMatchObject({ code: 'shutting-down' });
    expect(released).toBe(1);
  });
});

test('a request that cannot be written is refused, and leaves nothing', async () => {
  const queue = await open();
  const gone = { ...(await recording()), path: join(directory, 'gone') };
  await expect(queue.accept(await asked('one', gone))).rejects.toThrow('ENOENT');
  expect(await kept()).toEqual([]);
  expect(released).toBe(1);
});
