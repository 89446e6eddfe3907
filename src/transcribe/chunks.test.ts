import { beforeEach, describe, expect, test } from 'vitest';
import { GatewayError } from '../errors.ts';
import { inFile } from '../lib/stored.ts';
import type { Model } from '../models/model.ts';
import type { Backend } from '../pool/protocol.ts';
import type { LeaseNeed } from '../schedule/scheduler.ts';
import type { ChunkEvent, ChunkFinal, Progress, SegmentDraft } from '../transcript/event.ts';
import type { Chunk, VoicedChunk } from '../transcript/recording.ts';
import type { DecodingOptions } from '../transcript/request.ts';
import type { Segment } from '../transcript/transcript.ts';
import { type ChunkedResult, transcribeChunks } from './chunks.ts';
import { type KnownChunks, knownChunks } from './known-chunks.ts';

const CHUNK_MS = 20_000;
const model: Model = {
  name: 'base',
  path: '/models/ggml-base.bin',
  digest: 'd1',
  bytes: 1,
  rank: 1,
  memoryMb: 1,
  multilingual: true,
  translates: true,
  timestamps: true,
};
const options: DecodingOptions = { task: 'transcribe', language: null, prompt: 'Names.', temperature: 0 };
const forever = new AbortController().signal;
const crash = () => new GatewayError('engine-failed', 'The engine ended.');

function chunkAt(index: number): VoicedChunk {
  const startMs = index * CHUNK_MS;
  const durationMs = CHUNK_MS;
  return {
    stored: inFile('pcm'),
    byteOffset: startMs * 32,
    byteLength: durationMs * 32,
    startMs,
    durationMs,
    voice: [{ startMs, endMs: startMs + durationMs }],
  };
}

/** Twenty seconds of plain speech: two such chunks decide a language. */
function said(index: number, language = 'en', text = ` and chunk ${index} went on speaking for a while`): ChunkFinal {
  const startMs = index * CHUNK_MS;
  const words = Array.from({ length: CHUNK_MS / 500 }, (_, at) => ({
    text: `word${index}x${at}`,
    startMs: startMs + at * 500,
    endMs: startMs + at * 500 + 500,
    probability: 0.9,
  }));
  const segment: Segment = {
    startMs,
    endMs: startMs + CHUNK_MS,
    text,
    tokenIds: [],
    pieces: [],
    words,
    temperature: 0,
    avgLogprob: -0.1,
    noSpeechProbability: 0.05,
  };
  return { type: 'chunk-final', language, segments: [segment] };
}

/** One inference, to be ended by the test. */
interface Inference {
  index: number;
  options: DecodingOptions;
  need: LeaseNeed;
  backend: string;
  isEnded: boolean;
  answer(final: ChunkFinal): Promise<void>;
  fail(error: Error): Promise<void>;
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A pool that leases at once and remembers what ran. */
class FakePool {
  slotCount = 2;
  /** What the engine takes a chunk for before it writes; nothing unless a test says so. */
  detect: (index: number) => { language: string; probability: number } | undefined = () => undefined;
  readonly inferences: Inference[] = [];
  leased = 0;
  released = 0;

  async lease(need: LeaseNeed, signal: AbortSignal) {
    signal.throwIfAborted();
    this.leased += 1;
    const id = `backend-${this.leased}`;
    const run = (chunk: Chunk, given: DecodingOptions, runSignal: AbortSignal) =>
      this.#run({ chunk, options: given, need, id }, runSignal);
    const release = () => {
      this.released += 1;
    };
    return { backend: { id, model, run } as unknown as Backend, release };
  }

  async *#run(
    of: { chunk: Chunk; options: DecodingOptions; need: LeaseNeed; id: string },
    signal: AbortSignal,
  ): AsyncGenerator<ChunkEvent> {
    const { promise, resolve, reject } = Promise.withResolvers<ChunkFinal>();
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    const inference: Inference = {
      index: of.chunk.startMs / CHUNK_MS,
      options: of.options,
      need: of.need,
      backend: of.id,
      isEnded: false,
      answer: async (final) => {
        resolve(final);
        await settled();
      },
      fail: async (error) => {
        reject(error);
        await settled();
      },
    };
    this.inferences.push(inference);
    try {
      const detected = of.options.language === null && this.detect(inference.index);
      if (detected) yield { type: 'language-detected', ...detected };
      yield await promise;
    } finally {
      inference.isEnded = true;
    }
  }

  get running(): Inference[] {
    return this.inferences.filter(({ isEnded }) => !isEnded);
  }

  /** The one that runs for this chunk. */
  on(index: number): Inference {
    const found = this.running.filter((inference) => inference.index === index);
    expect(found, `runs of chunk ${index}`).toHaveLength(1);
    return found[0] as Inference;
  }
}

/** What a caller sees, as it comes. */
class Listener {
  readonly events: (Progress | SegmentDraft)[] = [];
  result: ChunkedResult | undefined;
  failure: unknown;
  readonly #iterator: AsyncGenerator<Progress | SegmentDraft, ChunkedResult>;

  constructor(iterator: AsyncGenerator<Progress | SegmentDraft, ChunkedResult>) {
    this.#iterator = iterator;
    void this.#listen().catch((failure: unknown) => {
      this.failure = failure;
    });
  }

  async #listen(): Promise<void> {
    for (let step = await this.#iterator.next(); ; step = await this.#iterator.next()) {
      if (step.done) {
        this.result = step.value;
        return;
      }
      this.events.push(step.value);
    }
  }

  get drafts(): number[] {
    return this.events.flatMap((event) => (event.type === 'segment-draft' ? [event.startMs / CHUNK_MS] : []));
  }

  get fractions(): number[] {
    return this.events.flatMap((event) => (event.type === 'progress' ? [event.fraction] : []));
  }
}

async function* sourceOf(count: number): AsyncGenerator<VoicedChunk> {
  for (let index = 0; index < count; index += 1) yield chunkAt(index);
}

let pool: FakePool;
beforeEach(() => {
  pool = new FakePool();
});

async function start(
  of: {
    count?: number;
    chunks?: AsyncIterable<VoicedChunk>;
    durationMs?: Promise<number>;
    language?: string | null;
    model?: Model;
    caller?: string;
    signal?: AbortSignal;
    known?: KnownChunks;
    languagePerChunk?: boolean;
  } = {},
): Promise<Listener> {
  const count = of.count ?? 1;
  const listener = new Listener(
    transcribeChunks(
      {
        chunks: of.chunks ?? sourceOf(count),
        durationMs: of.durationMs ?? Promise.resolve(count * CHUNK_MS),
      },
      {
        scheduler: pool,
        model: of.model ?? model,
        options: { ...options, language: of.language ?? null, languagePerChunk: of.languagePerChunk ?? false },
        caller: of.caller,
        known: of.known,
      },
      of.signal ?? forever,
    ),
  );
  await settled();
  return listener;
}

/** Answers whatever runs, in the order given, until nothing runs any more. */
async function answerAll(language = 'en'): Promise<void> {
  for (let next = pool.running[0]; next; next = pool.running[0]) await next.answer(said(next.index, language));
}

describe('order', () => {
  test('chunks that finish in any order are told in the order of the recording', async () => {
    pool.slotCount = 3;
    const listener = await start({ count: 4, language: 'en' });
    await pool.on(2).answer(said(2));
    await pool.on(1).answer(said(1));
    expect(listener.drafts).toEqual([]);
    await pool.on(0).answer(said(0));
    expect(listener.drafts.slice(0, 2)).toEqual([0, 1]);
    await pool.on(3).answer(said(3));
    expect(listener.drafts).toEqual([0, 1, 2, 3]);
    expect(listener.result?.segments.map(({ startMs }) => startMs / CHUNK_MS)).toEqual([0, 1, 2, 3]);
  });

  test('a prefix is told as soon as it is complete, while the rest is still running or not even known', async () => {
    const more = Promise.withResolvers<void>();
    const chunks = (async function* () {
      yield chunkAt(0);
      yield chunkAt(2);
      await more.promise;
      yield chunkAt(4);
    })();
    const listener = await start({ chunks, durationMs: new Promise(() => {}), language: 'en' });
    await pool.on(0).answer(said(0));
    expect(listener.drafts).toEqual([0]);
    more.resolve();
    await settled();
    await answerAll();
    expect(listener.drafts).toEqual([0, 2, 4]);
  });

  test('a recording without voice has no text and asks for no device', async () => {
    const listener = await start({ count: 0, durationMs: Promise.resolve(1_800_000) });
    expect(listener.result).toEqual({ language: 'en', segments: [], diagnostics: [] });
    expect(pool.leased).toBe(0);
  });
});

describe('how many run at a time', () => {
  test.each([1, 2, 4])('with %i slots: one more than that is asked for, whatever the length', async (slotCount) => {
    pool.slotCount = slotCount;
    const listener = await start({ count: 12, language: 'en' });
    let most = pool.running.length;
    for (let next = pool.running.at(-1); next; next = pool.running.at(-1)) {
      await next.answer(said(next.index));
      most = Math.max(most, pool.running.length);
    }
    expect(most).toBe(slotCount + 1);
    expect(listener.result?.segments).toHaveLength(12);
    expect(pool.released).toBe(12);
  });

  test('the first chunk starts before the second is known', async () => {
    const chunks = (async function* () {
      yield chunkAt(0);
      await new Promise(() => {});
    })();
    await start({ chunks });
    expect(pool.running).toHaveLength(1);
  });

  test('only the chunks after the first stand back for others; all are of one caller and one recording', async () => {
    await start({ count: 3, caller: 'key-1' });
    expect(pool.inferences.map(({ need }) => need.caller)).toEqual(['key-1', 'key-1', 'key-1']);
    const [first, second, third] = pool.inferences.map(({ need }) => need.recording);
    expect(first).toBeUndefined();
    expect(second).toEqual(expect.any(String));
    expect(third).toBe(second);
  });
});

describe('language', () => {
  test('nothing is told before it is decided; from then on chunks are told it', async () => {
    const listener = await start({ count: 4 });
    expect(pool.inferences.map(({ options: { language } }) => language)).toEqual([null, null, null]);
    await pool.on(0).answer(said(0, 'de'));
    expect(listener.drafts).toEqual([]);
    await pool.on(1).answer(said(1, 'de'));
    expect(listener.drafts).toEqual([0, 1]);
    expect(pool.on(3).options.language).toBeNull(); // it had begun when one place was free and nothing was decided
    await answerAll('de');
    expect(listener.result?.language).toBe('de');
    expect(pool.inferences).toHaveLength(4);
  });

  test('a chunk asked for after the decision is pinned, and not judged by what it then claims to hear', async () => {
    pool.slotCount = 1;
    const listener = await start({ count: 5 });
    await pool.on(0).answer(said(0, 'de'));
    await pool.on(1).answer(said(1, 'de'));
    expect(pool.on(3).options.language).toBe('de');
    await pool.on(2).answer(said(2, 'de'));
    await pool.on(3).answer(said(3, 'nl'));
    await pool.on(4).answer(said(4, 'de'));
    expect(listener.drafts).toEqual([0, 1, 2, 3, 4]);
    expect(pool.inferences).toHaveLength(5);
  });

  test('a chunk that was taken for another language is run again in the right one, and only that text is kept', async () => {
    const listener = await start({ count: 4 });
    await pool.on(0).answer(said(0, 'cy', ' llanfair pwllgwyngyll gogerych'));
    await pool.on(1).answer(said(1, 'de'));
    await pool.on(2).answer(said(2, 'de'));
    await pool.on(3).answer(said(3, 'de'));
    const again = pool.on(0);
    expect(again.options).toMatchObject({ ...options, language: 'de' });
    expect(listener.drafts).toEqual([]);
    await again.answer(said(0, 'de'));
    expect(listener.drafts).toEqual([0, 1, 2, 3]);
    expect(listener.result?.language).toBe('de');
    expect(listener.result?.segments.map(({ text }) => text).join('')).not.toContain('llanfair');
  });

  test('is decided by what was written of the first chunk and what the engine takes the next for', async () => {
    pool.slotCount = 1;
    pool.detect = () => ({ language: 'de', probability: 0.95 });
    const listener = await start({ count: 4 });
    expect(pool.inferences.map(({ options: { language } }) => language)).toEqual([null, null]);
    await pool.on(0).answer(said(0, 'de'));
    expect(listener.drafts).toEqual([0]);
    await answerAll('de');
    expect(pool.inferences.map(({ options: { language } }) => language)).toEqual([null, null, 'de', 'de']);
    expect(listener.result?.language).toBe('de');
  });

  test.each([
    ['is not sure of the next', { language: 'de', probability: 0.79 }],
    ['takes the next for another', { language: 'nl', probability: 0.99 }],
  ])('waits for the next to be written where the engine %s', async (_, next) => {
    pool.detect = (index) => (index === 1 ? next : undefined);
    const listener = await start({ count: 3 });
    await pool.on(0).answer(said(0, 'de'));
    expect(listener.drafts).toEqual([]);
    await pool.on(1).answer(said(1, 'de'));
    expect(listener.drafts).toEqual([0, 1]);
  });

  test('is not decided before anything is written', async () => {
    pool.slotCount = 3;
    pool.detect = () => ({ language: 'de', probability: 0.99 });
    await start({ count: 8 });
    await pool.on(1).answer(said(1, 'de'));
    expect(pool.on(4).options.language).toBeNull();
  });

  test('chunks are counted in the order of the recording, not of their ending', async () => {
    pool.slotCount = 3;
    const listener = await start({ count: 4 });
    await pool.on(3).answer(said(3, 'fr'));
    await pool.on(2).answer(said(2, 'fr'));
    expect(listener.drafts).toEqual([]);
    await pool.on(0).answer(said(0, 'es'));
    await pool.on(1).answer(said(1, 'es'));
    expect(pool.running.map(({ index, options: { language } }) => [index, language])).toEqual([
      [3, 'es'],
      [2, 'es'],
    ]);
    await answerAll('es');
    expect(listener.result?.language).toBe('es');
    expect(listener.drafts).toEqual([0, 1, 2, 3]);
  });

  test('one chunk alone is what it is taken for, in one run', async () => {
    const listener = await start({ count: 1 });
    await pool.on(0).answer(said(0, 'ja', ' はい'));
    expect(listener.result).toMatchObject({ language: 'ja', segments: [{ text: ' はい' }] });
    expect(pool.inferences).toHaveLength(1);
  });

  test('a recording that ends undecided takes the leader, and the others are run again', async () => {
    const listener = await start({ count: 2 });
    await pool.on(0).answer(said(0, 'en'));
    await pool.on(1).answer(said(1, 'fr'));
    expect(pool.on(1).options.language).toBe('en');
    expect(listener.result).toBeUndefined();
    await pool.on(1).answer(said(1, 'en'));
    expect(listener.result?.language).toBe('en');
    expect(listener.drafts).toEqual([0, 1]);
  });

  test('what the caller names is not voted on', async () => {
    const listener = await start({ count: 2, language: 'fr' });
    await pool.on(0).answer(said(0, 'en'));
    expect(listener.drafts).toEqual([0]);
    await pool.on(1).answer(said(1, 'en'));
    expect(listener.result?.language).toBe('fr');
    expect(pool.inferences.map((inference) => inference.options.language)).toEqual(['fr', 'fr']);
  });

  test('a chunk in which nothing was written is not run again for its language', async () => {
    const listener = await start({ count: 3 });
    await pool.on(0).answer({ type: 'chunk-final', language: 'ru', segments: [] });
    // Somebody is heard there, so that it is tried once more.
    await pool.on(0).answer({ type: 'chunk-final', language: 'ru', segments: [] });
    await pool.on(1).answer(said(1, 'de'));
    await pool.on(2).answer(said(2, 'de'));
    expect(pool.inferences).toHaveLength(4);
    expect(listener.result).toMatchObject({ language: 'de', diagnostics: [{ rule: 'nothing-heard', startMs: 0 }] });
  });
});

describe('trust', () => {
  const loop = (index: number) => said(index, 'en', ' thank you so much'.repeat(60));

  test('a loop is decoded once more with other settings; the better text stays and the reason is kept', async () => {
    const listener = await start({ count: 2, language: 'en' });
    await pool.on(1).answer(loop(1));
    expect(pool.on(1).options).toMatchObject({ ...options, language: 'en', prompt: null, temperature: 0.2 });
    await pool.on(1).answer(said(1));
    await pool.on(0).answer(said(0));
    expect(listener.result?.segments.map(({ text }) => text)).toEqual([
      said(0).segments[0]?.text,
      said(1).segments[0]?.text,
    ]);
    expect(listener.result?.diagnostics).toEqual([
      expect.objectContaining({ action: 'retried', startMs: CHUNK_MS, endMs: 2 * CHUNK_MS }),
    ]);
  });

  test('what cannot be believed twice is left out, with the reason, and there is no third try', async () => {
    const listener = await start({ count: 2, language: 'en' });
    await pool.on(0).answer(said(0));
    await pool.on(1).answer(loop(1));
    await pool.on(1).answer(said(1, 'en', ' you are welcome now'.repeat(60)));
    expect(pool.running).toEqual([]);
    expect(listener.result?.segments).toHaveLength(1);
    expect(listener.result?.diagnostics.map(({ action }) => action)).toEqual(['retried', 'dropped']);
  });

  test('a second try that fails leaves what can be believed of the first', async () => {
    const listener = await start({ count: 2, language: 'en' });
    await pool.on(0).answer(said(0));
    await pool.on(1).answer(loop(1));
    await pool.on(1).fail(new GatewayError('audio-undecodable', 'No.'));
    expect(listener.result?.segments).toHaveLength(1);
    expect(listener.result?.diagnostics.map(({ action }) => action)).toEqual(['retried', 'dropped']);
  });

  test('diagnostics are in the order of the recording, not of its running', async () => {
    const listener = await start({ count: 2, language: 'en' });
    for (const index of [1, 0]) {
      await pool.on(index).answer(loop(index));
      await pool.on(index).answer(said(index));
    }
    expect(listener.result?.diagnostics.map(({ startMs }) => startMs)).toEqual([0, CHUNK_MS]);
  });

  test('a model without times is taken at its word', async () => {
    const listener = await start({ count: 1, model: { ...model, timestamps: false } });
    await pool.on(0).answer(loop(0));
    expect(listener.result).toMatchObject({ diagnostics: [], segments: [{ text: loop(0).segments[0]?.text }] });
  });
});

describe('a language for each chunk', () => {
  test('nobody votes, nothing is run again or told a language, and text is told from the first chunk on', async () => {
    const listener = await start({ count: 4, languagePerChunk: true });
    await pool.on(0).answer(said(0, 'fr'));
    expect(listener.drafts).toEqual([0]);
    await pool.on(1).answer(said(1, 'de'));
    await pool.on(3).answer(said(3, 'nl'));
    await pool.on(2).answer(said(2, 'de'));
    expect(pool.inferences.map((inference) => inference.options.language)).toEqual([null, null, null, null]);
    expect(listener.result?.segments.map(({ language }) => language)).toEqual(['fr', 'de', 'de', 'nl']);
    expect(listener.result?.language).toBe('de');
  });

  test('of silence it is English, as ever', async () => {
    expect((await start({ count: 0, languagePerChunk: true })).result?.language).toBe('en');
  });

  test('elsewhere segments have none of their own', async () => {
    const listener = await start({ count: 2 });
    await answerAll();
    for (const segment of listener.result?.segments ?? []) expect(segment).not.toHaveProperty('language');
  });
});

describe('progress', () => {
  const told = (listener: Listener) => listener.events.filter((event) => event.type === 'progress');

  test('counts chunks from the first without a gap, after their text, and ends at the whole', async () => {
    pool.slotCount = 3;
    const listener = await start({ count: 4, language: 'en' });
    expect(told(listener).at(-1)).toMatchObject({ fraction: 0, chunk: 0, chunksTotal: 4 });
    await pool.on(2).answer(said(2));
    await pool.on(1).answer(said(1));
    expect(told(listener).at(-1)?.chunk).toBe(0);
    await pool.on(0).answer(said(0));
    expect(listener.events.slice(-4)).toEqual([
      ...[0, 1, 2].map((index) => expect.objectContaining({ type: 'segment-draft', startMs: index * CHUNK_MS })),
      { type: 'progress', fraction: 0.75, chunk: 3, chunksTotal: 4 },
    ]);
    await pool.on(3).answer(said(3));
    expect(listener.events.at(-1)).toEqual({ type: 'progress', fraction: 1, chunk: 4, chunksTotal: 4 });
  });

  test('never runs back, nor twice the same, in whatever order chunks end', async () => {
    pool.slotCount = 3;
    const listener = await start({ count: 12 });
    for (let turn = 0; pool.running.length > 0; turn += 1) {
      const next = pool.running.at(turn % 2 === 0 ? -1 : 0) as Inference;
      await next.answer(said(next.index, turn === 2 ? 'fr' : 'en'));
    }
    for (const figures of [listener.fractions, told(listener).map(({ chunk }) => chunk)])
      expect(figures).toEqual([...figures].sort((one, other) => one - other));
    expect(new Set(told(listener).map((event) => JSON.stringify(event))).size).toBe(told(listener).length);
    expect(told(listener).at(-1)).toMatchObject({ fraction: 1, chunk: 12, chunksTotal: 12 });
  });

  test('the whole is estimated by the length of the recording until it is cut to its end', async () => {
    const isCut = Promise.withResolvers<void>();
    const chunks = (async function* () {
      yield* sourceOf(2);
      await isCut.promise;
      yield chunkAt(2);
    })();
    const listener = await start({ chunks, durationMs: Promise.resolve(9.5 * CHUNK_MS), language: 'en' });
    expect(told(listener).at(-1)).toMatchObject({ chunk: 0, chunksTotal: 10 });
    await pool.on(0).answer(said(0));
    expect(told(listener).at(-1)).toEqual({ type: 'progress', fraction: 1 / 9.5, chunk: 1, chunksTotal: 10 });
    isCut.resolve();
    await settled();
    expect(told(listener).at(-1)).toMatchObject({ chunk: 1, chunksTotal: 3 });
    await answerAll();
    expect(told(listener).at(-1)).toEqual({ type: 'progress', fraction: 1, chunk: 3, chunksTotal: 3 });
  });

  test('waits for the vote, as the text does', async () => {
    const listener = await start({ count: 3 });
    await pool.on(0).answer(said(0));
    expect(told(listener).at(-1)?.chunk).toBe(0);
    await pool.on(1).answer(said(1));
    expect(told(listener).at(-1)?.chunk).toBe(2);
  });

  test('does not count a chunk whose last words wait for the next one', async () => {
    const last = chunkAt(1);
    const isFound = Promise.withResolvers<void>();
    const chunks = (async function* () {
      yield chunkAt(0);
      await isFound.promise;
      yield { ...last, startMs: last.startMs - 1_000, durationMs: last.durationMs + 1_000, overlapBeforeMs: 1_000 };
    })();
    const listener = await start({ chunks, durationMs: Promise.resolve(2 * CHUNK_MS), language: 'en' });
    await pool.on(0).answer(said(0));
    expect(listener.drafts).toEqual([]);
    expect(told(listener).at(-1)?.chunk).toBe(0);
    isFound.resolve();
    await settled();
    await (pool.running[0] as Inference).answer(said(1));
    expect(told(listener).at(-1)).toMatchObject({ chunk: 2, fraction: 1 });
  });

  test('a recording of one chunk is 1 of 1', async () => {
    const listener = await start({ count: 1 });
    await answerAll();
    expect(listener.events.at(-1)).toEqual({ type: 'progress', fraction: 1, chunk: 1, chunksTotal: 1 });
  });

  test('silence is done at once', async () => {
    const listener = await start({ count: 0 });
    expect(listener.events).toEqual([{ type: 'progress', fraction: 1, chunk: 0, chunksTotal: 0 }]);
  });

  test('is not told while nobody knows how long the recording is', async () => {
    const listener = await start({ count: 2, language: 'en', durationMs: new Promise(() => {}) });
    await pool.on(0).answer(said(0));
    expect(listener.fractions).toEqual([]);
    await answerAll();
    expect(listener.fractions).toEqual([1]);
    expect(listener.drafts).toEqual([0, 1]);
  });
});

describe('a run that was broken off', () => {
  let kept: Map<string, ChunkFinal>;
  let known: KnownChunks;
  beforeEach(() => {
    kept = new Map();
    const memory = {
      recall: (key: string) => kept.get(key),
      keep: (key: string, final: ChunkFinal) => void kept.set(key, structuredClone(final)),
    };
    const recording = { audioSha256: 'a', selection: { channel: null, raw: null }, modelDigest: 'd', engine: 'e' };
    known = knownChunks(memory, recording, forever);
  });

  /** Runs until so many inferences have ended, then ends the run as if the process had been killed. */
  async function breakOffAfter(
    count: number,
    script: (inference: Inference) => ChunkFinal,
    order: 0 | -1,
  ): Promise<void> {
    const killed = new AbortController();
    await start({ count: 8, known, signal: killed.signal });
    for (let ended = 0; ended < count; ended += 1) {
      const next = pool.running.at(order) as Inference;
      await next.answer(script(next));
    }
    killed.abort(new Error('killed'));
    await settled();
  }

  const scripts: [string, (inference: Inference) => ChunkFinal][] = [
    ['plain speech', ({ index, options: { language } }) => said(index, language ?? 'de')],
    [
      'a language that is heard wrongly',
      ({ index, options }) => said(index, options.language ?? (index === 1 ? 'nl' : 'de')),
    ],
    [
      'text that is not believed at first',
      ({ index, options: { language, temperature } }) =>
        index % 3 === 1 && temperature === 0
          ? said(index, language ?? 'de', ' thank you so much'.repeat(60))
          : said(index, language ?? 'de'),
    ],
  ];
  const detections = [() => undefined, () => ({ language: 'de', probability: 0.95 })];
  for (const [what, script] of scripts)
    for (const detect of detections)
      for (const slotCount of [1, 3])
        for (const order of [0, -1] as const)
          test(`${what}, ${detect() ? 'detected beforehand, ' : ''}${slotCount} slots, the ${order === 0 ? 'first' : 'last'} to start ends first: nothing that ended is run again`, async () => {
            Object.assign(pool, { slotCount, detect });
            const whole = await start({ count: 8 });
            for (let next = pool.running.at(order); next; next = pool.running.at(order))
              await next.answer(script(next));
            const inferences = pool.inferences.length;
            for (let ended = 0; ended <= inferences; ended += 1) {
              kept.clear();
              pool = Object.assign(new FakePool(), { slotCount, detect });
              await breakOffAfter(Math.min(ended, inferences), script, order);
              pool = Object.assign(new FakePool(), { slotCount, detect });
              const resumed = await start({ count: 8, known });
              for (let next = pool.running.at(order); next; next = pool.running.at(order))
                await next.answer(script(next));
              expect(pool.inferences.length, `after ${ended}`).toBeLessThanOrEqual(inferences - ended);
              expect(resumed.result).toEqual(whole.result);
            }
          });

  test('what cannot be kept ends it, even a second try', async () => {
    const full = new GatewayError('disk-full', 'No.');
    let keeps = 0;
    const listener = await start({
      count: 2,
      known: {
        recall: () => undefined,
        keep: () => {
          keeps += 1;
          if (keeps === 2) throw full;
        },
      },
    });
    await pool.on(0).answer(said(0, 'en', ' thank you so much'.repeat(60)));
    await pool.on(0).answer(said(0));
    expect(listener.failure).toBe(full);
    expect(pool.released).toBe(pool.leased);
  });

  test('nothing is kept for one who has left', async () => {
    const left = new AbortController();
    const memory = { recall: () => undefined, keep: () => expect.fail('kept') };
    left.abort();
    const recording = { audioSha256: 'a', selection: { channel: null, raw: null }, modelDigest: 'd', engine: 'e' };
    knownChunks(memory, recording, left.signal).keep(chunkAt(0), options, said(0));
  });
});

describe('failure', () => {
  test('a chunk whose backend dies is run again alone, elsewhere', async () => {
    const listener = await start({ count: 3, language: 'en' });
    const dead = pool.on(1);
    await dead.fail(crash());
    expect(pool.inferences.map(({ index }) => index)).toEqual([0, 1, 2, 1]);
    expect(pool.on(1).need.avoid?.id).toBe(dead.backend);
    expect(pool.on(1).need.recording).toBe(dead.need.recording);
    await answerAll();
    expect(listener.drafts).toEqual([0, 1, 2]);
    expect(pool.released).toBe(4);
  });

  test('each chunk may lose a backend', async () => {
    const listener = await start({ count: 3, language: 'en' });
    for (const index of [0, 1, 2]) await pool.on(index).fail(crash());
    await answerAll();
    expect(listener.drafts).toEqual([0, 1, 2]);
    expect(pool.inferences).toHaveLength(6);
  });

  test('a chunk that fails twice fails the recording: the others are ended and every lease is given back', async () => {
    let isSourceEnded = false;
    const chunks = (async function* () {
      try {
        yield* sourceOf(100);
      } finally {
        isSourceEnded = true;
      }
    })();
    const listener = await start({ chunks, durationMs: new Promise(() => {}), language: 'en' });
    await pool.on(1).fail(crash());
    await pool.on(1).fail(crash());
    await settled();
    expect(listener.failure).toMatchObject({ code: 'engine-failed' });
    expect(pool.running).toEqual([]);
    expect(pool.released).toBe(pool.leased);
    expect(pool.inferences).toHaveLength(4);
    expect(isSourceEnded).toBe(true);
  });

  test('is told at once, even while the next chunk is still being looked for', async () => {
    const chunks = (async function* () {
      yield chunkAt(0);
      await new Promise(() => {});
    })();
    const listener = await start({ chunks, durationMs: new Promise(() => {}) });
    await pool.on(0).fail(new GatewayError('internal', 'No.'));
    await settled();
    expect(listener.failure).toMatchObject({ code: 'internal' });
  });

  test('audio that turns out broken while every device is busy fails the recording, and nothing else', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      pool.slotCount = 1;
      const undecodable = new GatewayError('audio-undecodable', 'No.');
      const chunks = (async function* () {
        yield* sourceOf(2);
        throw undecodable;
      })();
      const durationMs = Promise.reject(undecodable);
      const listener = await start({ chunks, durationMs, language: 'en' });
      await settled();
      expect(pool.leased).toBe(2);
      expect(listener.failure).toBe(undecodable);
      expect(pool.running).toEqual([]);
      expect(pool.released).toBe(pool.leased);
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  test('a caller that leaves ends every inference and gives every lease back', async () => {
    const caller = new AbortController();
    const listener = await start({ count: 10, signal: caller.signal });
    expect(pool.running).toHaveLength(3);
    caller.abort(new Error('left'));
    await settled();
    expect(listener.failure).toMatchObject({ message: 'left' });
    expect(pool.running).toEqual([]);
    expect(pool.released).toBe(3);
    expect(pool.leased).toBe(3);
  });

  test('whoever stops reading ends every inference likewise', async () => {
    const iterator = transcribeChunks(
      { chunks: sourceOf(10), durationMs: Promise.resolve(10 * CHUNK_MS) },
      { scheduler: pool, model, options: { ...options, language: 'en' }, caller: undefined },
      forever,
    );
    const first = iterator.next();
    await settled();
    await pool.on(0).answer(said(0));
    await first;
    await iterator.return({ language: 'en', segments: [], diagnostics: [] });
    await settled();
    expect(pool.running).toEqual([]);
    expect(pool.released).toBe(pool.leased);
  });
});
