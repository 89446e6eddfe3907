// A server that is killed at each step of DESIGN.md's table, and started again. The numbers are the table's.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Ask, Report } from './crash-child.cases.ts';

const CHILD = join(import.meta.dirname, 'crash-child.cases.ts');
const WORDS = ['and', 'so', 'my', 'fellow'];
const TEXT = WORDS.join(' ');

let directory: string;
let receiver: Server;
let webhookUrl: string;
/** What reached the receiver: the message's id, and the body. */
let received: { id: string; body: { id: string; status: string; texts: string[] } }[];
let server: JobsServer;

class JobsServer {
  readonly lines: string[] = [];
  stderr = '';
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(heldStep = '', heldTime = 1, paceMs = 0) {
    const values = [directory, heldStep, String(heldTime), String(paceMs)];
    this.#process = spawn(process.execPath, [CHILD, ...values]);
    this.#ended = new Promise((resolve) => this.#process.once('close', resolve));
    createInterface({ input: this.#process.stdout ?? expect.fail() }).on('line', (line) => this.lines.push(line));
    this.#process.stderr?.on('data', (chunk) => (this.stderr += chunk));
    this.#process.stdin?.on('error', () => {}); // it may be killed before it reads
  }

  tell(...asks: Ask[]): void {
    this.#process.stdin?.write(asks.map((ask) => `${JSON.stringify(ask)}\n`).join(''));
  }

  /** Until it has said so. */
  async says(line: string): Promise<string> {
    await expect
      .poll(() => this.lines.some((said) => said.startsWith(line)) || this.stderr, { timeout: 20_000 })
      .toBe(true);
    return this.lines.find((said) => said.startsWith(line)) ?? '';
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}

const accept = (id: string, text = TEXT): Ask => ({ accept: { id, text, webhookUrl } });
const lines = (name: string) =>
  existsSync(join(directory, name)) ? readFileSync(join(directory, name), 'utf8').trim().split('\n') : [];
const audio = () => readdir(join(directory, 'jobs', 'audio'));

function rows(table: 'jobs' | 'chunks'): number {
  const database = new DatabaseSync(join(directory, 'jobs', 'jobs.sqlite'));
  try {
    return Number(database.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.count);
  } finally {
    database.close();
  }
}

/** Asks for one job, lets the server stop dead at the step, and ends it there. */
async function killAt(step: string, time = 1, ...asks: Ask[]): Promise<void> {
  server = new JobsServer(step, time);
  await server.says('ready');
  server.tell(...(asks.length > 0 ? asks : [accept('one')]));
  await server.says(`held ${step}`);
  await server.kill();
}

/** Starts after a crash, and looks once everything is over. Nothing is left of the way there. */
async function recover(): Promise<Report['jobs']> {
  server = new JobsServer();
  server.tell({ report: true });
  const report = JSON.parse((await server.says('report')).slice('report '.length)) as Report;
  expect(server.stderr).toBe(''); // nor does SQLite's module warn
  expect(report).toMatchObject({ audio: [], spool: [] });
  expect(rows('chunks')).toBe(0);
  return report.jobs;
}

const done = (id: string, text = TEXT) => ({ id, status: 'done', delivery: 'delivered', text });

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'jobs-process-test-'));
  received = [];
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      received.push({ id: String(request.headers['webhook-id']), body: JSON.parse(body) });
      response.end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  webhookUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
});
afterEach(async () => {
  await server.kill();
  receiver.closeAllConnections();
  receiver.close();
  await rm(directory, { recursive: true });
});

describe('killed before the acknowledgement', () => {
  test('1: with the recording in the spool: nothing was promised, nothing is left', async () => {
    await killAt('before recordings.keep');
    expect(await recover()).toEqual([]);
    expect(received).toEqual([]);
  });

  test('2: with the recording in its place: nothing was promised, nothing is left', async () => {
    await killAt('before store.insert');
    expect(await audio()).toHaveLength(1);
    expect(await recover()).toEqual([]);
    expect(received).toEqual([]);
  });

  test('3: with the row in the store: it runs, though its caller may not know', async () => {
    await killAt('after store.insert');
    expect(server.lines).not.toContain('accepted one');
    expect(await recover()).toEqual([done('one')]);
  });
});

describe('killed after the acknowledgement', () => {
  afterEach(() => {
    expect(new Set(received.map(({ id }) => id))).toEqual(new Set(['one']));
    expect(new Set(received.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  });

  test('4: while it waits: it runs', async () => {
    server = new JobsServer('', 1, 100_000);
    server.tell(accept('first', 'a b'));
    await server.says('accepted first');
    server.tell(accept('one'));
    await server.says('accepted one');
    await server.kill();
    expect(await recover()).toEqual([done('first', 'a b'), done('one')]);
    // The first is none of this test's business.
    received = received.filter(({ id }) => id === 'one');
  });

  test('5: when the run has been noted: it runs again', async () => {
    await killAt('after store.begin');
    expect(await recover()).toEqual([done('one')]);
    expect(lines('chunks')).toEqual(WORDS);
  });

  test('6: when what a URL held is on disk, and not noted: it is fetched again', async () => {
    await killAt('before store.noteRecording', 1, { accept: { id: 'one', text: '', url: true, webhookUrl } });
    expect(await audio()).toHaveLength(1);
    expect(await recover()).toEqual([done('one', 'remote words')]);
    expect(lines('fetched')).toHaveLength(2);
  });

  test('7: when it is noted: it is not fetched again', async () => {
    await killAt('after store.noteRecording', 1, { accept: { id: 'one', text: '', url: true, webhookUrl } });
    expect(await recover()).toEqual([done('one', 'remote words')]);
    expect(lines('fetched')).toHaveLength(1);
  });

  test('8: when a chunk is finished and not kept: that one is run again', async () => {
    await killAt('before a chunk is kept', 3);
    expect(await recover()).toEqual([done('one')]);
    expect(lines('chunks')).toEqual(['and', 'so', 'my', 'my', 'fellow']);
  });

  test('9: when a chunk is kept: it is not run again', async () => {
    await killAt('after a chunk is kept', 3);
    expect(await recover()).toEqual([done('one')]);
    expect(lines('chunks')).toEqual(WORDS);
  });

  test('10: when the transcript is complete and not kept: it is put together again, without the engine', async () => {
    await killAt('before store.end');
    expect(await recover()).toEqual([done('one')]);
    expect(lines('chunks')).toEqual(WORDS);
  });

  test('11: when its end is kept: its receiver is told', async () => {
    await killAt('after store.end');
    expect(received).toEqual([]);
    expect(await audio()).toHaveLength(1);
    expect(rows('chunks')).toBe(0);
    expect(await recover()).toEqual([done('one')]);
    expect(received).toHaveLength(1);
  });

  test('12: when its recording is gone: the same', async () => {
    await killAt('after recordings.drop', 2);
    expect(await recover()).toEqual([done('one')]);
    expect(received).toHaveLength(1);
  });

  test('13: when the outbox has its message, and that is not noted: it is one message', async () => {
    await killAt('after outbox.enqueue');
    expect(received).toEqual([]);
    expect(await recover()).toEqual([done('one')]);
    expect(received).toHaveLength(1);
  });

  test('14: when that is noted: it is the outbox’s', async () => {
    await killAt('after store.noteWebhook');
    expect(received).toEqual([]);
    expect(await recover()).toEqual([done('one')]);
    expect(received).toHaveLength(1);
  });

  test('15: when its receiver has confirmed, and that is not noted: known at the next start', async () => {
    await killAt('before store.noteWebhook', 2);
    expect(received).toHaveLength(1);
    expect(await recover()).toEqual([done('one')]);
    expect(received).toHaveLength(1);
  });

  test('16: when that is noted: nothing is left to do', async () => {
    await killAt('after store.noteWebhook', 2);
    expect(await recover()).toEqual([done('one')]);
    expect(received).toHaveLength(1);
  });

  test('17: when it was cancelled, and its run has not let go: it stays cancelled, and its receiver is told', async () => {
    server = new JobsServer('after store.end', 1, 100_000);
    server.tell(accept('one'));
    await server.says('accepted one');
    server.tell({ cancel: 'one' });
    await server.says('held after store.end');
    await server.kill();
    expect(await recover()).toEqual([{ id: 'one', status: 'cancelled', delivery: 'delivered' }]);
    expect(lines('chunks')).toEqual([]);
  });

  test('18: when the server stops in order, and has put it back: it goes on', async () => {
    server = new JobsServer('after store.requeue', 1, 300);
    server.tell(accept('one'));
    await expect.poll(() => lines('chunks').length, { timeout: 20_000 }).toBeGreaterThan(0);
    server.tell({ stop: true });
    await server.says('held after store.requeue');
    await server.kill();
    expect(await recover()).toEqual([done('one')]);
    expect(lines('chunks')).toEqual(WORDS);
  });

  test('19: when it is being forgotten: it is there or it is not, and its receiver was told', async () => {
    server = new JobsServer('before store.forget');
    server.tell(accept('one'));
    await server.says('accepted one');
    server.tell({ remove: 'one' });
    await server.says('held before store.forget');
    await server.kill();
    expect(await recover()).toMatchObject([{ id: 'one' }]);
    await server.kill();
    await killAt('after store.forget', 1, { remove: 'one' });
    expect(rows('jobs')).toBe(0);
    expect(await recover()).toEqual([]);
  });
});

test('killed again and again at any moment: every job that was acknowledged ends, and every receiver is told', async () => {
  const acknowledged = new Set<string>();
  const words = (id: string) => Array.from({ length: 12 }, (_, index) => `${id}-${index}`);
  for (let round = 0; round < 5; round += 1) {
    const chunksBefore = lines('chunks').length;
    server = new JobsServer('', 1, 15);
    await server.says('ready');
    server.tell(...[0, 1, 2].map((index) => accept(`job${round}${index}`, words(`job${round}${index}`).join(' '))));
    await expect.poll(() => lines('chunks').length, { timeout: 20_000 }).toBeGreaterThan(chunksBefore + 5 + 3 * round);
    await server.kill();
    for (const line of server.lines) if (line.startsWith('accepted ')) acknowledged.add(line.slice(9));
  }
  const jobs = await recover();
  expect(acknowledged.size).toBe(15);
  for (const id of acknowledged) expect(jobs).toContainEqual(done(id, words(id).join(' ')));
  for (const { id } of jobs) expect(received.filter((message) => message.id === id).length).toBeGreaterThan(0);
  // The one that was under way at each of the five ends, at most.
  const chunks = lines('chunks');
  expect(chunks.length - new Set(chunks).size).toBeLessThanOrEqual(5);
});
