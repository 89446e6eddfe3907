// What every dialect must do alike, whatever its wire looks like: say every error in its vendor's words, refuse strangers,
// stop when the caller leaves, and never lose a recording; whether it answers with the transcript or with a job's id. Each dialect runs `describeDialect` in its own test.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Hono } from 'hono';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ERROR_CODES, type ErrorCode, GatewayError } from '../errors.ts';
import { createKeyRing } from '../http/auth.ts';
import type { HttpEnvironment } from '../http/environment.ts';
import { requestId } from '../http/request-id.ts';
import { createTemporaryTokens, type TemporaryTokens } from '../http/temporary-token.ts';
import { settle } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { inFile } from '../lib/stored.ts';
import type { ModelListing, Run, Transcriber } from '../transcribe/recorded.ts';
import type { TranscriptEvent } from '../transcript/event.ts';
import type { Recording } from '../transcript/recording.ts';
import type { TranscriptionRequest } from '../transcript/request.ts';
import type { Transcript } from '../transcript/transcript.ts';
import type { Dialect, DialectServices } from './dialect.ts';
import { FAKE_WRITERS, FakeJobs, FakeLifecycle } from './fake-jobs.cases.ts';

export const CODES = Object.keys(ERROR_CODES) as ErrorCode[];
export const KNOWN_KEY = 'key-of-a-friend';

/** Those of the server under test, or of one that has other keys or another time. */
export const tokensOf = (keys: string[], epochMs?: () => number): TemporaryTokens =>
  createTemporaryTokens(keys, Buffer.from('kept by the server'), epochMs);

/** A transcriber without engines: keeps what it was asked, answers with `events`, counts the recordings it gave out. */
export class FakeTranscriber implements Transcriber {
  readonly requests: TranscriptionRequest[] = [];
  readonly signals: AbortSignal[] = [];
  /** SHA-256 of every upload received whole. */
  readonly uploads: string[] = [];
  listings: ModelListing[] = [];
  cache: Run['cache'] = 'miss';
  events: (signal: AbortSignal) => AsyncIterable<TranscriptEvent>;
  onReceive: () => void = () => {};
  onTranscribe: () => void = () => {};
  channels = 2;
  recordingsHeld = 0;
  runsHeld = 0;

  constructor(transcript: Transcript) {
    this.events = () => eventsOf({ type: 'transcript-final', transcript });
  }

  async receive(upload: Readable, signal: AbortSignal): Promise<Recording> {
    this.signals.push(signal);
    this.onReceive();
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of upload) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    const sha256 = hash.digest('hex');
    this.uploads.push(sha256);
    this.recordingsHeld++;
    return {
      stored: inFile('/nowhere'),
      sha256,
      bytes,
      release: async () => {
        this.recordingsHeld--;
      },
    };
  }

  async fetch(url: string, signal: AbortSignal): Promise<Recording> {
    return this.receive(Readable.from([url]), signal);
  }

  async transcribeChannels(recording: Recording, request: TranscriptionRequest, signal: AbortSignal): Promise<Run[]> {
    this.recordingsHeld += this.channels - 1;
    const channels = Array.from({ length: this.channels }, (_, channel) => channel);
    return Promise.all(channels.map((channel) => this.transcribe(recording, { ...request, channel }, signal)));
  }

  async transcribe(recording: Recording, request: TranscriptionRequest, signal: AbortSignal): Promise<Run> {
    await recording.release();
    this.requests.push(request);
    this.signals.push(signal);
    this.onTranscribe();
    return { cache: this.cache, events: this.#counted(this.events(signal)) };
  }

  models = {
    list: async () => this.listings,
    find: async (id: string) => this.listings.find((listing) => listing.id === id),
  };

  async *#counted(events: AsyncIterable<TranscriptEvent>): AsyncGenerator<TranscriptEvent> {
    this.runsHeld++;
    try {
      yield* events;
    } finally {
      this.runsHeld--;
    }
  }
}

export const listingOf = (id: string, servedBy = id, rest: Partial<ModelListing> = {}): ModelListing => ({
  id,
  installed: true,
  createdAtMs: 1_700_000_000_000,
  servedBy,
  uuid: `00000000-0000-4000-8000-${createHash('md5').update(servedBy).digest('hex').slice(0, 12)}`,
  languages: ['en', 'es', 'zh', 'yue'],
  timestamps: true,
  ...rest,
});

export async function* eventsOf(...items: (TranscriptEvent | Error)[]): AsyncGenerator<TranscriptEvent> {
  for (const item of items) {
    if (item instanceof Error) throw item;
    yield item;
  }
}

/** Ends only with the caller, as a run on a busy device does. */
export function eventsUntilAborted(...first: TranscriptEvent[]) {
  return async function* (signal: AbortSignal): AsyncGenerator<TranscriptEvent> {
    yield* first;
    await new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  };
}

export interface FakeServices extends DialectServices {
  jobs: FakeJobs;
  lifecycle: FakeLifecycle;
}

export function fakeServices(transcriber: Transcriber, { keys = [] as string[] } = {}): FakeServices {
  return {
    transcriber,
    keys: createKeyRing(keys),
    tokens: tokensOf(keys),
    jobs: new FakeJobs(),
    lifecycle: new FakeLifecycle(),
    measureGpu: () => () => null,
    writers: FAKE_WRITERS,
    readiness: async () => ({ ready: true, state: 'ready', model: 'base' }),
    enabledModels: async () => null,
    limits: { uploadBytesMax: 1024 ** 2, uploadIdleMs: 60_000 },
    log: silentLog,
  };
}

/** The dialect behind the same first middleware as in the app, at its root. */
export function serve(dialect: Dialect): Hono<HttpEnvironment> {
  return new Hono<HttpEnvironment>({ strict: false }).use(requestId).route('/', dialect.routes);
}

export interface DialectSubject {
  build(services: DialectServices): Dialect;
  transcript: Transcript;
  /** What the model is called by the time that the transcriber is asked for it. */
  model: string;
  /** A well-formed request; `fields` are further options in whatever place the vendor puts options. */
  transcribeRequest(init?: {
    headers?: Record<string, string>;
    signal?: AbortSignal;
    fields?: [string, string][];
  }): Request;
  keyHeaders(key: string): Record<string, string>;
  /**
   * Of an API whose answer comes before the transcript: the request becomes a job. `status` is that answer's, `source` what
   * `transcribeRequest` sends: audio, or where it is to be fetched from once the job runs.
   */
  later?: { status: number; source: 'upload' | 'url' };
  /** From the vendor's contract, not from the code: status and body of every error. */
  errors: Record<ErrorCode, { status: number; body: unknown }>;
}

/**
 * The errors of an API that has the gateway's statuses, and its sentences, but for `theirs`: a status, a sentence or both.
 * `bodyOf` puts a sentence where this API has it.
 */
export function errorsLikeOurs(
  theirs: Partial<Record<ErrorCode, number | string | [status: number, sentence: string]>>,
  bodyOf: (sentence: unknown) => unknown,
): DialectSubject['errors'] {
  const rows = CODES.map((code) => {
    const own = [theirs[code] ?? []].flat();
    const status = own.find((part) => typeof part === 'number') ?? ERROR_CODES[code].status;
    const sentence = own.find((part) => typeof part === 'string') ?? expect.stringMatching(/./);
    return [code, { status, body: bodyOf(sentence) }];
  });
  return Object.fromEntries(rows);
}

export function describeDialect(name: string, subject: DialectSubject): void {
  const { later } = subject;
  const answeredStatus = later?.status ?? 200;

  describe(`${name}, as every dialect`, () => {
    let transcriber: FakeTranscriber;
    let services: FakeServices;
    let app: Hono<HttpEnvironment>;
    const logged = vi.spyOn(silentLog, 'error');
    const build = (keys: string[] = []) => {
      services = fakeServices(transcriber, { keys });
      return serve(subject.build(services));
    };
    /** Every transcription that was begun, or will be. */
    const asked = (): TranscriptionRequest[] =>
      later ? services.jobs.accepted.map((job) => job.transcription) : transcriber.requests;

    beforeEach(() => {
      logged.mockClear();
      transcriber = new FakeTranscriber(subject.transcript);
      transcriber.listings = [listingOf(subject.model, subject.transcript.model), listingOf(subject.transcript.model)];
      app = build();
    });
    afterEach(async () => {
      await settle();
      expect(transcriber.recordingsHeld, 'recordings not released').toBe(0);
      expect(transcriber.runsHeld, 'runs not left').toBe(0);
      if (later) expect(transcriber.requests, 'runs before the job has its turn').toEqual([]);
    });

    test('answers', async () => {
      const response = await app.request(subject.transcribeRequest());
      expect(response.status).toBe(answeredStatus);
      expect(response.headers.get('x-cache')).toBe(later ? null : 'miss');
      expect(response.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
      expect(asked()).toMatchObject([{ model: subject.model, cache: 'use' }]);
    });

    test.each([
      ['no-cache', 'refresh'],
      ['no-store', 'bypass'],
      ['No-Cache, No-Store', 'bypass'],
      ['max-age=0', 'use'],
    ])('reads Cache-Control: %s as %s', async (value, cache) => {
      await app.request(subject.transcribeRequest({ headers: { 'cache-control': value } }));
      expect(asked()).toMatchObject([{ cache }]);
    });

    test('ignores options that it does not know', async () => {
      const fields: [string, string][] = [
        ['vad_filter', 'true'],
        ['hotwords', 'x'],
        ['__proto__', 'x'],
      ];
      const response = await app.request(subject.transcribeRequest({ fields }));
      expect(response.status).toBe(answeredStatus);
    });

    const receiving: Stage = ['while receiving', (error) => (transcriber.onReceive = () => raise(error))];
    const accepting: Stage = ['while the job is accepted', (error) => (services.jobs.onAccept = () => raise(error))];
    const transcribing: Stage[] = [
      ['before the run', (error) => (transcriber.onTranscribe = () => raise(error))],
      ['as the first event', (error) => (transcriber.events = () => eventsOf(error))],
      [
        'after a draft',
        (error) =>
          (transcriber.events = () => eventsOf({ type: 'segment-draft', startMs: 0, endMs: 1, text: ' so' }, error)),
      ],
    ];
    const stages = [...(later?.source === 'url' ? [] : [receiving]), ...(later ? [accepting] : transcribing)];
    describe.each(stages)('an error %s', (_stage, fail) => {
      test.each(CODES)('%s has its status and body', async (code) => {
        fail(new GatewayError(code, 'What happened.', { retryAfterSeconds: 2.5 }));
        const response = await app.request(subject.transcribeRequest());
        expect(response.status).toBe(subject.errors[code].status);
        expect(await response.json()).toEqual(subject.errors[code].body);
        expect(response.headers.get('retry-after')).toBe('3');
        expect(response.headers.get('x-request-id')).toMatch(/^req_/);
      });

      test('a bug shows nothing of itself', async () => {
        fail(new TypeError('secret of the house'));
        const response = await app.request(subject.transcribeRequest());
        expect(response.status).toBe(subject.errors.internal.status);
        expect(await response.text()).not.toContain('secret');
      });

      test('a wait of no time is a second', async () => {
        fail(new GatewayError('queue-full', 'Full.', { retryAfterSeconds: 0 }));
        const response = await app.request(subject.transcribeRequest());
        expect(response.headers.get('retry-after')).toBe('1');
      });
    });

    test('refuses strangers before it reads their upload', async () => {
      app = build([KNOWN_KEY]);
      for (const [headers, code] of [
        [{}, 'key-missing'],
        [subject.keyHeaders('wrong'), 'key-invalid'],
      ] as const) {
        const response = await app.request(subject.transcribeRequest({ headers }));
        expect(response.status).toBe(subject.errors[code].status);
        expect(await response.json()).toEqual(subject.errors[code].body);
      }
      expect(transcriber.uploads).toEqual([]);
      expect(asked()).toEqual([]);
      const friend = await app.request(subject.transcribeRequest({ headers: subject.keyHeaders(KNOWN_KEY) }));
      expect(friend.status).toBe(answeredStatus);
    });

    test('a model nobody knows is refused, and the upload is not kept', async () => {
      transcriber.listings = [];
      const response = await app.request(subject.transcribeRequest());
      expect(response.status).toBe(subject.errors['model-unknown'].status);
      expect(await response.json()).toEqual(subject.errors['model-unknown'].body);
      expect(asked()).toEqual([]);
    });

    if (later?.source !== 'url') {
      test('a caller who left before the upload was read starts nothing', async () => {
        const caller = new AbortController();
        transcriber.onReceive = () => caller.abort();
        const response = await app.request(subject.transcribeRequest({ signal: caller.signal }));
        expect(response.status).toBeLessThan(500);
        expect(asked()).toEqual([]);
        expect(logged).not.toHaveBeenCalled();
      });
    }
    if (later) return;

    test.each(['hit', 'miss', 'shared'] as const)('says that the cache was a %s', async (cache) => {
      transcriber.cache = cache;
      const response = await app.request(subject.transcribeRequest());
      expect(response.headers.get('x-cache')).toBe(cache);
    });

    test('a caller who leaves stops the run, and it is no error', async () => {
      const caller = new AbortController();
      transcriber.events = eventsUntilAborted({ type: 'progress', fraction: 0.1, chunk: 1, chunksTotal: 2 });
      const answer = app.request(subject.transcribeRequest({ signal: caller.signal }));
      await vi.waitFor(() => expect(transcriber.runsHeld).toBe(1));
      caller.abort();
      expect((await answer).status).toBeLessThan(500);
      expect(transcriber.signals.every((signal) => signal.aborted)).toBe(true);
      expect(logged).not.toHaveBeenCalled();
    });
  });
}

type Stage = [name: string, fail: (error: Error) => void];

function raise(error: Error): never {
  throw error;
}
