import { Readable } from 'node:stream';
import { beforeEach, describe, expect, test } from 'vitest';
import { InFlight } from '../cache/in-flight.ts';
import { GatewayError } from '../errors.ts';
import { FakeClock } from '../lib/clock.ts';
import { Gate } from '../lib/gate.ts';
import { inFile } from '../lib/stored.ts';
import type { Model } from '../models/model.ts';
import type { Backend } from '../pool/protocol.ts';
import type { ChunkEvent, ChunkFinal, TranscriptEvent } from '../transcript/event.ts';
import type { AudioSelection, Chunk, VoicedChunk } from '../transcript/recording.ts';
import type { DecodingOptions, TranscriptionRequest } from '../transcript/request.ts';
import type { Segment, Transcript } from '../transcript/transcript.ts';
import { createTranscriber, type TranscriberParts } from './recorded.ts';

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
const segment: Segment = {
  startMs: 0,
  endMs: 900,
  text: ' Hello.',
  tokenIds: [1],
  pieces: [{ text: ' Hello.', probability: 0.9 }],
  words: [{ text: 'Hello.', startMs: 0, endMs: 900, probability: 0.9 }],
  temperature: 0,
  avgLogprob: -0.1,
  noSpeechProbability: 0,
};
const draft: ChunkEvent = { type: 'segment-draft', startMs: 0, endMs: 900, text: ' Hello.' };
const final: ChunkEvent = { type: 'chunk-final', language: 'en', segments: [segment] };
const request: TranscriptionRequest = {
  model: 'whisper-1',
  options: { task: 'transcribe', language: null, prompt: null, temperature: 0 },
  cache: 'use',
  channel: null,
  raw: null,
};
const forever = new AbortController().signal;

/** What one run on one backend does. */
type Script = (options: DecodingOptions, signal: AbortSignal) => AsyncIterable<ChunkEvent>;

const succeed: Script = async function* () {
  yield draft;
  yield final;
};
const crashAfterDraft: Script = async function* () {
  yield draft;
  throw new GatewayError('engine-failed', 'The engine ended.');
};

const chunkAt = (startMs: number): VoicedChunk => ({
  stored: inFile('pcm'),
  byteOffset: startMs * 32,
  byteLength: 32_000,
  startMs,
  durationMs: 1000,
  voice: [{ startMs, endMs: startMs + 900 }],
});

/** The parts below the story, faked, counting what must balance. */
class Below implements TranscriberParts {
  scripts: Script[] = [];
  stored = new Map<string, Transcript>();
  released = { recordings: 0, decoded: 0, leases: 0 };
  leases: { avoid: Backend | undefined }[] = [];
  decodes = 0;
  decodeFailure: GatewayError | undefined;
  channels = 2;
  channelsDecoded: (number | null)[] = [];
  countFailure: GatewayError | undefined;
  resolved = model;

  engine = 'test';
  gate = new Gate();
  inFlight = new InFlight<TranscriptEvent>();
  models = { resolve: async () => this.resolved, list: async () => [], find: async () => undefined };
  cache = {
    recall: async (key: string) => this.stored.get(key),
    remember: async (key: string, transcript: Transcript) => {
      this.stored.set(key, transcript);
    },
  };
  ingest = {
    receive: async () => this.recording(),
    fetch: async (url: string) => this.recording(url),
    countChannels: async () => {
      if (this.countFailure) throw this.countFailure;
      return this.channels;
    },
    split: async (_recording: unknown, { channel }: AudioSelection) => {
      this.decodes++;
      this.channelsDecoded.push(channel);
      if (this.decodeFailure) throw this.decodeFailure;
      const release = async () => {
        this.released.decoded++;
      };
      return { chunks: Readable.from(this.chunks), durationMs: Promise.resolve(1000), release };
    },
  };
  chunks: VoicedChunk[] = [chunkAt(0)];
  scheduler = {
    slotCount: 1,
    lease: async (need: { avoid?: Backend }, signal: AbortSignal) => {
      signal.throwIfAborted();
      this.leases.push({ avoid: need.avoid });
      const script = this.scripts.shift() ?? succeed;
      const backend = {
        id: `backend-${this.leases.length}`,
        model,
        run: (_chunk: Chunk, options: DecodingOptions, runSignal: AbortSignal) => script(options, runSignal),
      } as unknown as Backend;
      const release = () => {
        this.released.leases++;
      };
      return { backend, release };
    },
  };

  recording(sha256 = 'abc') {
    const release = async () => {
      this.released.recordings++;
    };
    return { stored: inFile('upload'), sha256, bytes: 10, release };
  }
}

/** What is the same however fast somebody reads: of the progress only the latest is told. */
const withoutProgress = (events: TranscriptEvent[]) => events.filter(({ type }) => type !== 'progress');

async function collect(events: AsyncIterable<TranscriptEvent>): Promise<TranscriptEvent[]> {
  const all: TranscriptEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

let below: Below;
beforeEach(() => {
  below = new Below();
});
const transcribe = (overrides: Partial<TranscriptionRequest> = {}, signal = forever) =>
  createTranscriber(below).transcribe(below.recording(), { ...request, ...overrides }, signal);

describe('one request', () => {
  test('runs through to a transcript and leaves nothing behind', async () => {
    const run = await transcribe();
    expect(run.cache).toBe('miss');
    const events = await collect(run.events);
    expect(events.map((event) => event.type)).toEqual(['progress', 'segment-draft', 'progress', 'transcript-final']);
    expect(events[2]).toEqual({ type: 'progress', fraction: 1, chunk: 1, chunksTotal: 1 });
    expect(events.at(-1)).toMatchObject({ transcript: { model: 'base', durationMs: 1000, language: 'en' } });
    expect(below.released).toEqual({ recordings: 1, decoded: 1, leases: 1 });
  });

  test('is answered from the cache the second time, without decoding', async () => {
    await collect((await transcribe()).events);
    const again = await transcribe();
    expect(again.cache).toBe('hit');
    expect(await collect(again.events)).toMatchObject([{ type: 'transcript-final' }]);
    expect(below.decodes).toBe(1);
    expect(below.released.recordings).toBe(2);
  });

  test.each([
    ['refresh', 1],
    ['bypass', 0],
  ] as const)('%s computes anew and leaves %i transcripts in the cache', async (cache, kept) => {
    await collect((await transcribe({ cache })).events);
    expect((await transcribe({ cache })).cache).toBe('miss');
    expect(below.stored.size).toBe(kept);
  });

  test('shares a run with an identical one in flight, but not when a fresh result was asked for', async () => {
    const transcriber = createTranscriber(below);
    const [first, second, fresh] = await Promise.all([
      transcriber.transcribe(below.recording(), request, forever),
      transcriber.transcribe(below.recording(), request, forever),
      transcriber.transcribe(below.recording(), { ...request, cache: 'refresh' }, forever),
    ]);
    expect([first.cache, second.cache, fresh.cache]).toEqual(['miss', 'shared', 'miss']);
    expect(withoutProgress(await collect(second.events))).toEqual(withoutProgress(await collect(first.events)));
    await collect(fresh.events);
    expect(below.decodes).toBe(2);
    expect(below.released.recordings).toBe(3);
  });
});

describe('with a memory', () => {
  const memoryOf = (kept = new Map<string, ChunkFinal>()) => ({
    kept,
    recall: (key: string) => kept.get(key),
    keep: (key: string, final: ChunkFinal) => void kept.set(key, final),
  });

  test('a chunk that is known is not run again', async () => {
    const memory = memoryOf();
    const transcriber = createTranscriber(below);
    const bypass = { ...request, cache: 'bypass' as const };
    const first = await collect((await transcriber.transcribe(below.recording(), bypass, forever, memory)).events);
    expect(memory.kept.size).toBe(1);
    expect(below.leases).toHaveLength(1);
    const again = await collect((await transcriber.transcribe(below.recording(), bypass, forever, memory)).events);
    expect(again).toEqual(first);
    expect(below.leases).toHaveLength(1);
    await collect((await transcriber.transcribe(below.recording('other'), bypass, forever, memory)).events);
    expect(below.leases).toHaveLength(2);
  });

  test('each channel has chunks of its own', async () => {
    const memory = memoryOf();
    const runs = await createTranscriber(below).transcribeChannels(below.recording(), request, forever, memory);
    await Promise.all(runs.map((run) => collect(run.events)));
    expect(memory.kept.size).toBe(2);
  });

  test('it shares no run that fills another memory, or none; who has none may share its run', async () => {
    const transcriber = createTranscriber(below);
    const [one, other] = [memoryOf(), memoryOf()];
    const runs = [
      await transcriber.transcribe(below.recording(), request, forever, one),
      await transcriber.transcribe(below.recording(), request, forever, other),
      await transcriber.transcribe(below.recording(), request, forever),
    ];
    expect(runs.map(({ cache }) => cache)).toEqual(['miss', 'miss', 'shared']);
    await Promise.all(runs.map((run) => collect(run.events)));
    expect([one.kept.size, other.kept.size]).toEqual([1, 1]);
    expect(below.released).toEqual({ recordings: 3, decoded: 2, leases: 2 });
  });

  test('a fresh result is not shared, by whatever name', async () => {
    const transcriber = createTranscriber(below);
    const fresh = { ...request, cache: 'refresh' as const };
    const first = await transcriber.transcribe(below.recording(), fresh, forever, memoryOf());
    const second = await transcriber.transcribe(below.recording(), request, forever);
    expect([first.cache, second.cache]).toEqual(['miss', 'miss']);
    await Promise.all([collect(first.events), collect(second.events)]);
  });
});

describe('the model decides', () => {
  test('an English-only model is told the language', async () => {
    below.resolved = { ...model, multilingual: false };
    let heard: string | null = null;
    below.scripts.push(async function* (options) {
      heard = options.language;
      yield final;
    });
    await collect((await transcribe()).events);
    expect(heard).toBe('en');
  });

  test('an English-only model has no language for each chunk, and shares the transcript of who asked for English', async () => {
    below.resolved = { ...model, multilingual: false };
    const perChunk = { ...request.options, languagePerChunk: true };
    const [event] = withoutProgress(await collect((await transcribe({ options: perChunk })).events)).slice(-1);
    expect(event).toMatchObject({ transcript: { language: 'en', segments: [segment] } });
    expect((await transcribe({ options: { ...request.options, language: 'en' } })).cache).toBe('hit');
  });

  test('an English-only model refuses another language, and the recording is released', async () => {
    below.resolved = { ...model, multilingual: false };
    await expect(transcribe({ options: { ...request.options, language: 'fr' } })).rejects.toMatchObject({
      code: 'option-unsupported',
      field: 'language',
    });
    expect(below.released.recordings).toBe(1);
  });
});

describe('failure', () => {
  test('a backend that dies is replaced once, and the caller hears nothing twice', async () => {
    below.scripts.push(crashAfterDraft);
    const events = await collect((await transcribe()).events);
    expect(withoutProgress(events).map((event) => event.type)).toEqual(['segment-draft', 'transcript-final']);
    expect(below.leases[1]?.avoid?.id).toBe('backend-1');
    expect(below.released.leases).toBe(2);
  });

  test('a chunk that brings down two backends fails', async () => {
    below.scripts.push(crashAfterDraft, crashAfterDraft);
    await expect(collect((await transcribe()).events)).rejects.toMatchObject({ code: 'engine-failed' });
    expect(below.released).toEqual({ recordings: 1, decoded: 1, leases: 2 });
  });

  test('an error that is not the backend’s fault is not tried again', async () => {
    below.scripts.push(async function* () {
      yield draft;
      throw new GatewayError('audio-undecodable', 'No.');
    });
    await expect(collect((await transcribe()).events)).rejects.toMatchObject({ code: 'audio-undecodable' });
    expect(below.leases).toHaveLength(1);
  });

  test('audio that cannot be decoded leaves no recording and no key in flight', async () => {
    below.decodeFailure = new GatewayError('audio-undecodable', 'No.');
    await expect(collect((await transcribe()).events)).rejects.toMatchObject({ code: 'audio-undecodable' });
    expect(below.released.recordings).toBe(1);
    below.decodeFailure = undefined;
    expect((await transcribe()).cache).toBe('miss');
  });

  test('a caller that leaves ends the inference and releases everything', async () => {
    const caller = new AbortController();
    let ended = false;
    below.scripts.push(async function* (_options, signal) {
      yield draft;
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      ended = true;
      signal.throwIfAborted();
    });
    const run = await transcribe({}, caller.signal);
    const collected = collect(run.events).catch((error: unknown) => error);
    await new Promise(setImmediate);
    caller.abort();
    await collected;
    await new Promise(setImmediate);
    expect(ended).toBe(true);
    expect(below.released).toEqual({ recordings: 1, decoded: 1, leases: 1 });
  });
});

describe('channels', () => {
  const transcribeChannels = (overrides: Partial<TranscriptionRequest> = {}, signal = forever) =>
    createTranscriber(below).transcribeChannels(below.recording(), { ...request, ...overrides }, signal);
  const allOf = (runs: { events: AsyncIterable<TranscriptEvent> }[]) =>
    Promise.all(runs.map((run) => collect(run.events)));

  test('are each transcribed and kept by themselves; the recording goes after the last', async () => {
    const runs = await transcribeChannels();
    expect(runs.map((run) => run.cache)).toEqual(['miss', 'miss']);
    expect(below.released.recordings).toBe(0);
    await allOf(runs);
    expect(below.channelsDecoded).toEqual([0, 1]);
    expect(below.stored.size).toBe(2);
    expect(below.released).toEqual({ recordings: 1, decoded: 2, leases: 2 });

    expect((await transcribeChannels()).map((run) => run.cache)).toEqual(['hit', 'hit']);
    expect((await transcribe()).cache).toBe('miss');
    expect(below.released.recordings).toBe(2);
  });

  test('of one there is nothing to tell apart: it shares the transcript of the whole', async () => {
    below.channels = 1;
    await allOf(await transcribeChannels());
    expect(below.channelsDecoded).toEqual([null]);
    expect((await transcribe()).cache).toBe('hit');
  });

  test('that cannot be counted leave nothing behind', async () => {
    below.countFailure = new GatewayError('audio-undecodable', 'No.');
    await expect(transcribeChannels()).rejects.toMatchObject({ code: 'audio-undecodable' });
    expect(below.released.recordings).toBe(1);
  });

  test('one that cannot begin ends the others', async () => {
    const recall = below.cache.recall;
    let recalls = 0;
    below.cache.recall = async (key) => {
      recalls += 1;
      if (recalls === 2) throw new GatewayError('internal', 'No.');
      return recall(key);
    };
    below.scripts.push(async function* (_options, signal) {
      yield draft;
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      signal.throwIfAborted();
    });
    await expect(transcribeChannels()).rejects.toMatchObject({ code: 'internal' });
    await new Promise(setImmediate);
    expect(below.released.recordings).toBe(1);
    expect(below.released).toEqual({ recordings: 1, decoded: 1, leases: below.leases.length });
    expect(below.stored.size).toBe(0);
  });
});

test('a URL becomes a recording', async () => {
  expect((await createTranscriber(below).fetch('http://a/', forever)).sha256).toBe('http://a/');
});

test('receive hands the upload to ingest', async () => {
  const recording = await createTranscriber(below).receive(Readable.from(['x']), forever);
  expect(recording.sha256).toBe('abc');
});

describe('shutting down', () => {
  test('waits for what is inside until it is released', async () => {
    const transcriber = createTranscriber(below);
    const recording = await transcriber.receive(Readable.from(['x']), forever);
    const run = await transcriber.transcribe(recording, request, forever);
    let emptied: boolean | undefined;
    const closing = below.gate.close(1000, new FakeClock()).then((result) => (emptied = result));
    await expect(transcriber.receive(Readable.from(['x']), forever)).rejects.toMatchObject({ code: 'shutting-down' });
    expect(emptied).toBeUndefined();
    await collect(run.events);
    await closing;
    expect(emptied).toBe(true);
  });

  test('does not wait for an upload that has not arrived, and keeps nothing of it', async () => {
    const arrival = Promise.withResolvers<void>();
    below.ingest.receive = async () => {
      await arrival.promise;
      return below.recording();
    };
    const upload = createTranscriber(below).receive(Readable.from(['x']), forever);
    expect(await below.gate.close(1000, new FakeClock())).toBe(true);
    arrival.resolve();
    await expect(upload).rejects.toMatchObject({ code: 'shutting-down' });
    expect(below.released.recordings).toBe(1);
  });
});
