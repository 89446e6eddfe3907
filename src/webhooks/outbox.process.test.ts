// A gateway that is killed between any two steps of DESIGN.md's table, and started again. The numbers are the table's.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';

const child = `
import { createInterface } from 'node:readline';
import { createOutbox } from ${JSON.stringify(new URL('./outbox.ts', import.meta.url).href)};
import { createSend } from ${JSON.stringify(new URL('./deliver.ts', import.meta.url).href)};
import { webhooksSettings } from ${JSON.stringify(new URL('./settings.ts', import.meta.url).href)};
import { systemClock } from ${JSON.stringify(new URL('../lib/clock.ts', import.meta.url).href)};
import { createUrlGuard } from ${JSON.stringify(new URL('../lib/safe-url.ts', import.meta.url).href)};
const [directory, heldStep] = process.argv.slice(1);
const say = (line) => process.stdout.write(line + '\\n');
setInterval(() => {}, 1000);
const settings = webhooksSettings.parse({ ALLOW_PRIVATE_URLS: 'true' });
const guard = createUrlGuard({ allowPrivate: true });
const reallySend = createSend({ settings, guard, clock: systemClock, epochMs: Date.now });
const holdAt = async (step) => {
  if (step !== heldStep) return;
  say(step);
  await new Promise(() => {});
};
const send = async (delivery, signal) => {
  await holdAt('persisted');
  try {
    await reallySend(delivery, signal);
  } catch (error) {
    await holdAt('refused');
    throw error;
  }
  await holdAt('confirmed');
};
const log = { info: (_fields, message) => say(message), warn: (_fields, message) => say(message), error: (_fields, message) => say(message) };
const outbox = await createOutbox({ settings, directory, log, clock: systemClock, send });
say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const { enqueue } = JSON.parse(line);
  if (enqueue) {
    outbox.enqueue({ ...enqueue, method: 'POST', body: Buffer.from('{}') });
    say('acknowledged ' + enqueue.id);
  } else {
    while (outbox.status().pending > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    say('idle ' + JSON.stringify([outbox.status(), outbox.failed().map(({ id }) => id)]));
  }
}
`;

let directory: string;
let server: Server;
let url: string;
/** The ids that reached the receiver, in order. */
let received: string[];
let statusOf: (id: string) => number | 'no answer';
let gateway: Gateway;

class Gateway {
  readonly lines: string[] = [];
  stderr = '';
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(heldStep = '') {
    this.#process = spawn(process.execPath, ['--input-type=module', '--eval', child, directory, heldStep]);
    this.#ended = new Promise((resolve) => this.#process.once('close', resolve));
    createInterface({ input: this.#process.stdout ?? expect.fail() }).on('line', (line) => this.lines.push(line));
    this.#process.stderr?.on('data', (chunk) => (this.stderr += chunk));
    this.#process.stdin?.on('error', () => {}); // it may be killed before it reads
  }

  tell(...commands: object[]): void {
    this.#process.stdin?.write(commands.map((command) => `${JSON.stringify(command)}\n`).join(''));
  }

  /** Until it has said so. */
  async says(line: string): Promise<void> {
    await expect
      .poll(() => this.lines.some((said) => said.startsWith(line)) || this.stderr, { timeout: 10_000 })
      .toBe(true);
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}

const enqueue = (id: string, retryDelaysMs: number[] = [200]) => ({ enqueue: { id, url, retryDelaysMs } });

/** Starts after a crash, waits until nothing is pending, and tells what is left. */
async function recover(): Promise<{ pending: number; failedIds: string[] }> {
  gateway = new Gateway();
  gateway.tell({});
  await gateway.says('idle');
  const [status, failedIds] = JSON.parse(gateway.lines.at(-1)?.slice('idle '.length) ?? '');
  expect(gateway.stderr).toBe(''); // nor does SQLite's module warn
  return { pending: status.pending, failedIds };
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'outbox-process-test-'));
  received = [];
  statusOf = () => 200;
  server = createServer((request, response) => {
    const id = String(request.headers['webhook-id']);
    received.push(id);
    const status = statusOf(id);
    if (status !== 'no answer') response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterEach(async () => {
  await gateway.kill();
  server.closeAllConnections();
  server.close();
  await rm(directory, { recursive: true });
});

test('0: killed while it persists: not acknowledged, never sent', async () => {
  gateway = new Gateway();
  await gateway.says('ready');
  const lock = new DatabaseSync(join(directory, 'outbox.sqlite'));
  lock.exec('BEGIN IMMEDIATE');
  gateway.tell(enqueue('m'));
  await new Promise((resolve) => setTimeout(resolve, 200)); // it waits for the lock, 500 ms at most
  await gateway.kill();
  lock.exec('ROLLBACK');
  lock.close();
  expect(gateway.lines).toEqual(['ready']);
  expect(await recover()).toEqual({ pending: 0, failedIds: [] });
  expect(received).toEqual([]);
});

test('1: killed after it persisted, before it sends: sent by the next', async () => {
  gateway = new Gateway('persisted');
  gateway.tell(enqueue('m'));
  await gateway.says('acknowledged m');
  await gateway.says('persisted');
  await gateway.kill();
  expect(received).toEqual([]);
  expect(await recover()).toEqual({ pending: 0, failedIds: [] });
  expect(received).toEqual(['m']);
});

test('2: killed while the receiver works: sent again, under the same id', async () => {
  statusOf = () => 'no answer';
  gateway = new Gateway();
  gateway.tell(enqueue('m'));
  await expect.poll(() => received).toEqual(['m']);
  await gateway.kill();
  statusOf = () => 200;
  expect(await recover()).toEqual({ pending: 0, failedIds: [] });
  expect(received).toEqual(['m', 'm']);
});

test('3: killed after the confirmation, before the deletion: sent again, under the same id', async () => {
  gateway = new Gateway('confirmed');
  gateway.tell(enqueue('m'));
  await gateway.says('confirmed');
  await gateway.kill();
  expect(await recover()).toEqual({ pending: 0, failedIds: [] });
  expect(received).toEqual(['m', 'm']);
});

test('4: killed after the deletion: done', async () => {
  gateway = new Gateway();
  gateway.tell(enqueue('m'));
  await gateway.says('webhook delivered');
  await gateway.kill();
  expect(await recover()).toEqual({ pending: 0, failedIds: [] });
  expect(received).toEqual(['m']);
});

test('5: killed after a refusal, before it is noted: the attempt is made again', async () => {
  statusOf = () => 500;
  gateway = new Gateway('refused');
  gateway.tell(enqueue('m', []));
  await gateway.says('refused');
  await gateway.kill();
  statusOf = () => 200;
  expect(await recover()).toEqual({ pending: 0, failedIds: [] });
  expect(received).toEqual(['m', 'm']);
});

test('6: killed between two attempts: the schedule goes on', async () => {
  statusOf = () => 500;
  gateway = new Gateway();
  gateway.tell(enqueue('m', [1000]));
  await gateway.says('webhook failed, to be retried');
  await gateway.kill();
  expect(received).toEqual(['m']);
  expect(await recover()).toEqual({ pending: 0, failedIds: ['m'] }); // one retry was left, not two
  expect(received).toEqual(['m', 'm']);
});

test('7: killed after it gave up: kept, visible, not sent again', async () => {
  statusOf = () => 500;
  gateway = new Gateway();
  gateway.tell(enqueue('m', []));
  await gateway.says('webhook given up');
  await gateway.kill();
  expect(await recover()).toEqual({ pending: 0, failedIds: ['m'] });
  expect(received).toEqual(['m']);
});

test('killed again and again at any moment: whatever was acknowledged arrives', async () => {
  const acknowledged = new Set<string>();
  // Every third is refused the first time.
  statusOf = (id) =>
    Number(id.slice(1)) % 3 === 0 && received.filter((other) => other === id).length === 1 ? 503 : 200;
  for (let round = 0; round < 5; round += 1) {
    gateway = new Gateway();
    await gateway.says('ready');
    gateway.tell(...Array.from({ length: 200 }, (_, index) => enqueue(`m${round * 1000 + index}`)));
    await gateway.says(`acknowledged m${round * 1000 + 20 + round * 17}`);
    await gateway.kill();
    for (const line of gateway.lines) if (line.startsWith('acknowledged ')) acknowledged.add(line.slice(13));
  }
  expect(await recover()).toEqual({ pending: 0, failedIds: [] });
  expect(acknowledged.size).toBeGreaterThan(100);
  expect([...acknowledged].filter((id) => statusOf(id) !== 200 || !received.includes(id))).toEqual([]);
});
