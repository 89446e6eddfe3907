// A program: makes the load, in a process of its own so that the sides do not pay for it. Sends what its parent asks for, one
// task after the other, and answers each with how long every request took.
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, type ClientRequest, request } from 'node:http';

export interface LoadTask {
  url: string;
  headers?: Record<string, string>;
  /** Fields of the form before the file. */
  fields: Record<string, string>;
  path: string;
  filename: string;
  /**
   * What makes every request one that was never sent before: a few samples of a WAV file from this byte on, by next to
   * nothing; or a prompt of its own, for files of which no byte is of no consequence. Without, all are the same.
   */
  vary?: { samplesAt: number } | 'prompt';
  /** So many bytes are sent for the file, zeros behind its own; they are never held in memory. */
  padTo?: number;
  connections: number;
  /** Either so many requests, or for so long. */
  count?: number;
  forMs?: number;
}

export interface LoadResult {
  ms: number[];
  /** From the first request to the last answer. */
  tookMs: number;
  /** The beginning of the last answer, and its headers. */
  lastBody: string;
  lastHeaders: Record<string, string | string[] | undefined>;
}

interface Form {
  contentType: string;
  /** Everything up to the end of the file's own bytes. */
  body: Buffer;
  padBytes: number;
  tail: Buffer;
}

const BODY_CHARACTERS_KEPT = 2_000;
const PROMPT_BYTES = 16;
const VARIED_SAMPLES = 8;
/** Of 32,768: -54 dB. */
const VARIED_BY_MAX = 64;
const zeros = Buffer.alloc(256 * 1024);
const agents = new Map<string, Agent>();

async function run(task: LoadTask): Promise<LoadResult> {
  const origin = new URL(task.url).origin;
  const agent = agents.get(origin) ?? new Agent({ keepAlive: true });
  agents.set(origin, agent);
  const { form, change } = prepare(task);
  const result: LoadResult = { ms: [], tookMs: 0, lastBody: '', lastHeaders: {} };
  const startedMs = performance.now();
  let left = task.count ?? Number.POSITIVE_INFINITY;
  const work = async () => {
    // Of its own for each connection: it is still being sent while another is changed.
    const own = { ...form, body: Buffer.from(form.body) };
    while (left > 0 && performance.now() - startedMs < (task.forMs ?? Number.POSITIVE_INFINITY)) {
      left -= 1;
      change(own.body);
      const sentMs = performance.now();
      const answer = await send(task, agent, own);
      result.ms.push(performance.now() - sentMs);
      result.lastBody = answer.body;
      result.lastHeaders = answer.headers;
    }
  };
  await Promise.all(Array.from({ length: task.connections }, work));
  return { ...result, tookMs: performance.now() - startedMs };
}

function prepare({ fields: given, path, filename, vary, padTo = 0 }: LoadTask) {
  const file = readFileSync(path);
  const fields = vary === 'prompt' ? { ...given, prompt: '0'.repeat(2 * PROMPT_BYTES) } : given;
  const boundary = `bench-${randomBytes(12).toString('hex')}`;
  const field = (name: string) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"`;
  const parts = Object.entries(fields).map(([name, value]) => `${field(name)}\r\n\r\n${value}\r\n`);
  const head = Buffer.from(
    `${parts.join('')}${field('file')}; filename="${filename}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
  );
  const promptAt = head.indexOf('"prompt"') + '"prompt"\r\n\r\n'.length;
  const change = (body: Buffer) => {
    if (vary === 'prompt') body.write(randomBytes(PROMPT_BYTES).toString('hex'), promptAt);
    else if (vary) {
      for (let sample = 0; sample < VARIED_SAMPLES; sample += 1) {
        body.writeInt16LE(randomInt(-VARIED_BY_MAX, VARIED_BY_MAX), head.length + vary.samplesAt + 2 * sample);
      }
    }
  };
  const form: Form = {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([head, file]),
    padBytes: Math.max(0, padTo - file.length),
    tail: Buffer.from(`\r\n--${boundary}--\r\n`),
  };
  return { form, change };
}

function send(task: LoadTask, agent: Agent, form: Form) {
  return new Promise<{ body: string; headers: LoadResult['lastHeaders'] }>((resolve, reject) => {
    const sent = request(task.url, {
      method: 'POST',
      agent,
      headers: {
        ...task.headers,
        'content-type': form.contentType,
        'content-length': form.body.length + form.padBytes + form.tail.length,
      },
    });
    sent.once('error', reject);
    sent.once('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        if (text.length < BODY_CHARACTERS_KEPT) text += part;
      });
      answer.once('error', reject);
      answer.once('end', () => {
        if (answer.statusCode === 200) resolve({ body: text, headers: answer.headers });
        else reject(new Error(`${task.url} answered ${answer.statusCode}: ${text}`));
      });
    });
    upload(sent, form).catch(reject);
  });
}

async function upload(sent: ClientRequest, { body, padBytes, tail }: Form): Promise<void> {
  sent.write(body);
  for (let left = padBytes; left > 0; left -= zeros.length) {
    if (!sent.write(zeros.subarray(0, left))) await once(sent, 'drain');
  }
  sent.end(tail);
}

process.on('message', (task: LoadTask) => {
  run(task).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ failure: String(error) }),
  );
});
