// A server of jobs for jobs.process.test.ts, to be killed: real store, recordings, outbox and deliveries, and a transcriber to
// which each word of a "recording" is a chunk. It stops dead before or after any step of a part that it passes in.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '../lib/clock.ts';
import { createLog } from '../lib/log.ts';
import { inFile } from '../lib/stored.ts';
import type { ChunkMemory } from '../transcribe/chunk-memory.ts';
import type { Run } from '../transcribe/recorded.ts';
import type { ChunkFinal, TranscriptEvent } from '../transcript/event.ts';
import type { Recording } from '../transcript/recording.ts';
import { createOutbox, type Outbox } from '../webhooks/outbox.ts';
import { webhooksSettings } from '../webhooks/settings.ts';
import { DIALECT, RENDERER, sha256Of, transcriptOf } from './job.cases.ts';
import { DurableJobs } from './jobs.ts';
import { Recordings } from './recordings.ts';
import { jobsSettings } from './settings.ts';
import { JobStore } from './store.ts';

export interface Ask {
  accept?: { id: string; text: string; url?: boolean; webhookUrl: string };
  cancel?: string;
  remove?: string;
  stop?: true;
  report?: true;
}

export interface Report {
  jobs: { id: string; status: string; delivery: string; text: string | undefined }[];
  audio: string[];
  spool: string[];
}

const [directory = '', heldStep = '', heldTime = '1', paceMs = '0'] = process.argv.slice(2);
const say = (line: string) => writeSync(1, `${line}\n`);
const folder = (name: string) => join(directory, name);
/** Outlives the process as an engine's own count would. */
const count = (name: string, what: string) => appendFileSync(folder(name), `${what}\n`);

let times = 0;
/** Nothing of this process goes on after it, but for its death. */
function hold(step: string): void {
  if (step !== heldStep) return;
  times += 1;
  if (times < Number(heldTime)) return;
  say(`held ${step}`);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** Each of these methods stops before and after what it does, where it is told to. */
function holdAround<Part extends object>(part: Part, name: string, methods: (keyof Part & string)[]): Part {
  for (const method of methods) {
    const original = part[method] as (...values: unknown[]) => unknown;
    const around = (...values: unknown[]) => {
      hold(`before ${name}.${method}`);
      const result = original.apply(part, values);
      if (!(result instanceof Promise)) {
        hold(`after ${name}.${method}`);
        return result;
      }
      return result.then((value) => {
        hold(`after ${name}.${method}`);
        return value;
      });
    };
    Object.defineProperty(part, method, { value: around });
  }
  return part;
}

rmSync(folder('spool'), { recursive: true, force: true });
mkdirSync(folder('spool'));
let uploads = 0;
function receive(text: string): Recording {
  const path = join(folder('spool'), String(uploads++));
  writeFileSync(path, text);
  const release = async () => rmSync(path, { force: true });
  return { stored: inFile(path), sha256: sha256Of(text), bytes: text.length, release };
}

const sleep = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    setTimeout(resolve, ms);
    signal.addEventListener('abort', () => reject(signal.reason));
  });

async function* transcribe(
  recording: Recording,
  signal: AbortSignal,
  memory?: ChunkMemory,
): AsyncGenerator<TranscriptEvent> {
  try {
    const words = readFileSync(await recording.stored.path(), 'utf8').split(' ');
    for (const [index, word] of words.entries()) {
      if (!memory?.recall(word)) {
        await sleep(Number(paceMs), signal);
        count('chunks', word);
        hold('before a chunk is kept');
        const final: ChunkFinal = { type: 'chunk-final', language: 'en', segments: [] };
        memory?.keep(word, final);
        hold('after a chunk is kept');
      }
      const fraction = (index + 1) / words.length;
      yield { type: 'progress', fraction, chunk: index + 1, chunksTotal: words.length };
    }
    yield { type: 'transcript-final', transcript: transcriptOf(words.join(' ')) };
  } finally {
    await recording.release();
  }
}

const log = createLog('silent');
const settings = jobsSettings.parse({ JOBS_RUNNING_MAX: '1' });
const webhookSettings = webhooksSettings.parse({ ALLOW_PRIVATE_URLS: 'true', WEBHOOK_RETRY_SECONDS: '0.2' });
const outbox: Outbox = await createOutbox({
  ...{ settings: webhookSettings, directory: folder('webhooks'), log, clock: systemClock },
});
const jobs = new DurableJobs({
  ...{ settings, log, clock: systemClock, agingMs: 0, rankOf: async () => 0 },
  store: holdAround(new JobStore(folder('jobs')), 'store', [
    ...(['insert', 'begin', 'noteRecording', 'end', 'requeue', 'noteWebhook', 'forget'] as const),
  ]),
  recordings: holdAround(
    new Recordings({ directory: join(folder('jobs'), 'audio'), bytesMax: settings.JOB_BYTES_MAX, log }),
    ...(['recordings', ['keep', 'drop']] as const satisfies [string, string[]]),
  ),
  outbox: holdAround(outbox, 'outbox', ['enqueue']),
  transcriber: {
    async fetch() {
      count('fetched', 'once');
      return receive('remote words');
    },
    transcribe: async (recording, _request, signal, memory): Promise<Run> => ({
      ...{ cache: 'miss', events: transcribe(recording, signal, memory) },
    }),
    transcribeChannels: () => Promise.reject(new Error('one channel here')),
  },
});
jobs.serve(DIALECT, RENDERER);
jobs.resume();
jobs.start();
say('ready');

async function accept({ id, text, url, webhookUrl }: NonNullable<Ask['accept']>): Promise<void> {
  await jobs.accept({
    ...{ id, dialect: DIALECT, source: url ? { url: 'http://media/' } : receive(text), filename: null },
    transcription: {
      ...{ model: 'tiny', cache: 'use', channel: null, raw: null },
      options: { task: 'transcribe', language: null, prompt: null, temperature: 0 },
    },
    ...{ eachChannel: false, webhook: { url: webhookUrl, method: 'POST' }, details: null, idempotencyKey: null },
  });
  say(`accepted ${id}`);
}

/** When everything that was accepted has ended and everybody has been told. */
async function report(): Promise<Report> {
  const all = () => jobs.list(DIALECT, { limit: 1000, offset: 0 }).jobs.toReversed();
  const isOver = () => all().every((job) => job.endedAtMs !== null && job.delivery.state !== 'pending');
  const audio = () => readdirSync(join(folder('jobs'), 'audio'));
  while (!isOver() || audio().length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  return {
    jobs: all().map(({ id, status, delivery }) => ({
      ...{ id, status, delivery: delivery.state },
      text: jobs.transcripts(DIALECT, id)?.[0]?.segments[0]?.text.trim(),
    })),
    audio: audio(),
    spool: existsSync(folder('spool')) ? readdirSync(folder('spool')) : [],
  };
}

setInterval(() => {}, 1000);
for await (const line of createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line) as Ask;
  // Not waited for: what follows may be meant for a job that is being accepted or runs.
  if (ask.accept) void accept(ask.accept);
  if (ask.cancel) void jobs.cancel(DIALECT, ask.cancel).then(() => say('cancelled'));
  if (ask.remove) void jobs.remove(DIALECT, ask.remove).then(() => say('removed'));
  if (ask.stop) void jobs.stop().then(() => say('stopped'));
  if (ask.report) void report().then((said) => say(`report ${JSON.stringify(said)}`));
}
