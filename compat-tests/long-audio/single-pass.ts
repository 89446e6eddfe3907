// The measure of long recordings: the same engine, started here by hand, hears the whole recording in one request.
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { eventually, ROOT } from '../gateway.ts';
import { formOf } from '../requests.ts';
import { post } from './patient-post.ts';
import type { TimedWord } from './word-alignment.ts';

export const ENGINE_PATH = process.env.WHISPER_SERVER_BIN ?? join(ROOT, 'build/whisper-server/whisper-server');
const MODEL_PATH = join(process.env.MODELS_DIR ?? join(ROOT, 'models'), 'ggml-tiny-q5_1.bin');
const START_MS_MAX = 30_000;
/** As the gateway asks it, but for beams, which the tap takes from the gateway, too. */
const FIELDS = {
  response_format: 'verbose_json',
  temperature: '0',
  temperature_inc: '0.2',
  beam_size: '1',
  best_of: '5',
  entropy_thold: '2.4',
  logprob_thold: '-1',
  no_speech_thold: '0.6',
  suppress_nst: 'true',
  max_len: '-1',
  no_language_probabilities: 'true',
};

export interface Heard {
  language: string;
  text: string;
  words: TimedWord[];
}

/** The engine's own form of a result; its `words` are tokens, each with the space before it. */
interface EngineAnswer {
  language: string;
  segments: { text: string; words?: { word: string; start: number; end: number }[] }[];
}

export class SinglePass {
  readonly #child: ChildProcess;
  readonly #url: string;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
  }

  static async start(): Promise<SinglePass> {
    const port = await freePort();
    const child = spawn(
      ENGINE_PATH,
      [
        ...['-m', MODEL_PATH, '--host', '127.0.0.1', '--port', String(port), '-t', String(availableParallelism())],
        // As the gateway starts it.
        ...['-l', 'auto', '-nlp', '-bs', '5', '-bo', '5', '-ml', '-1', '-sns'],
      ],
      { stdio: 'ignore', env: { ...process.env, OMP_WAIT_POLICY: 'passive' } },
    );
    process.once('exit', () => child.kill('SIGKILL'));
    const url = `http://127.0.0.1:${port}`;
    await eventually(async () => {
      if (!(await fetch(`${url}/health`)).ok) throw new Error('The engine is not ready.');
    }, START_MS_MAX);
    return new SinglePass(child, url);
  }

  async hear(wav: Buffer<ArrayBuffer>, language = 'auto'): Promise<Heard> {
    const fields = Object.entries({ ...FIELDS, language });
    const answer = await post(`${this.#url}/inference`, formOf(fields, { bytes: wav }));
    if (answer.status !== 200) throw new Error(`The engine answered ${answer.status}: ${answer.text}`);
    const { segments, ...heard }: EngineAnswer = JSON.parse(answer.text);
    return { ...heard, text: segments.map(({ text }) => text).join(''), words: segments.flatMap(wordsOfSegment) };
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}

function wordsOfSegment({ words: tokens = [] }: EngineAnswer['segments'][number]): TimedWord[] {
  const words: TimedWord[] = [];
  for (const { word, start, end } of tokens) {
    const last = words.at(-1);
    if (!last || word.startsWith(' ')) words.push({ text: word.trim(), startSeconds: start, endSeconds: end });
    else {
      last.text += word;
      if (/[\p{L}\p{N}]/u.test(word)) last.endSeconds = end;
    }
  }
  return words;
}

function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const server = createServer().listen(0, '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    server.close(() => resolve(port));
  });
  return promise;
}
