// The `@deepgram/sdk` package for JavaScript, each major in use, against real inference.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { DeepgramApiError as ApiError3 } from 'deepgram3';
import { DeepgramApiError as ApiError4 } from 'deepgram4';
import { Deepgram, DeepgramError as DeepgramError5 } from 'deepgram5';
import { describe, expect, test } from 'vitest';
import { expectSpeech, ffmpeg, SPEECH_PATH, SPEECH_SECONDS, speech, speechAs } from '../audio.ts';
import { useGateway } from '../gateway.ts';
import { MAJORS, type Options } from './majors.ts';
import { type Channel, expectAnswer, PLAIN_TRANSCRIPT, UUID } from './shapes.ts';
import { useWebServer } from './web-server.ts';

const KEY = 'compat-key';

const gateway = useGateway({ API_KEYS: `another-key,${KEY}`, ALLOW_PRIVATE_URLS: 'true' });
const files = useWebServer((_request, response) => createReadStream(SPEECH_PATH).pipe(response));

/** The whole sentence on the left, its first three seconds on the right. */
const stereo = ffmpeg(
  [
    ...['-i', SPEECH_PATH, '-ac', '2', '-filter_complex'],
    `[0:a]asplit[left][copy];[copy]atrim=0:3,apad=whole_dur=${SPEECH_SECONDS}[right];[left][right]amerge=inputs=2`,
  ],
  'wav',
);

describe.each(MAJORS)('@deepgram/sdk $major', ({ major, connect }) => {
  const client = (key = KEY) => connect(gateway().url, { key });
  const thrownBy = (call: Promise<unknown>) =>
    call.then(
      () => undefined,
      (error: unknown) => error,
    );
  const transcribe = (options?: Options) => client().transcribeFile(speech(), options);
  const alternativeOf = async (options: Options) => {
    const [channel] = (await transcribe(options)).results.channels;
    return channel?.alternatives[0] ?? expect.fail('no channel');
  };
  const channelOf = async (options: Options): Promise<Channel> => {
    const [channel] = (await transcribe(options)).results.channels;
    return channel ?? expect.fail('no channel');
  };

  describe('audio', () => {
    test('a URL, with a repeated keyterm', async () => {
      const body = await client().transcribeUrl(`${files().url}/speech.wav`, {
        model: 'nova-3',
        keyterm: ['fellow Americans', 'country'],
      });
      expect(expectAnswer(body).transcript).toMatch(PLAIN_TRANSCRIPT);
      expect(body.metadata.sha256).toBe(sha256(speech()));
    });

    test('a buffer, whose digest is that of the file', async () => {
      const body = await client().transcribeFile(speech(), { model: 'nova-2-meeting' });
      expect(expectAnswer(body).transcript).toMatch(PLAIN_TRANSCRIPT);
      expect(body.metadata).toMatchObject({ duration: SPEECH_SECONDS, channels: 1, sha256: sha256(speech()) });
    });

    test('a stream, in chunks', async () => {
      const body = await client().transcribeFile(createReadStream(SPEECH_PATH), { model: 'nova-3', punctuate: true });
      expectSpeech(expectAnswer(body, { word: ['punctuated_word'] }).transcript);
    });

    test('an mp3, which is recognised by its content', async () => {
      const body = await client().transcribeFile(speechAs('mp3'), { model: 'base', punctuate: true });
      expectSpeech(expectAnswer(body, { word: ['punctuated_word'] }).transcript);
    });

    test('no options at all', async () => expectAnswer(await client().transcribeFile(speech())));
  });

  describe('formatting', () => {
    test('nothing asked: lowercase words without marks', async () => {
      const { transcript, words } = expectAnswer(await transcribe({ punctuate: false }));
      expect(transcript).toMatch(/^[a-z ]+$/);
      expect(transcript).toMatch(PLAIN_TRANSCRIPT);
      expect(words[0]).toMatchObject({ word: 'and' });
    });

    test('punctuate: words gain their punctuated form, and stay bare', async () => {
      const { transcript, words } = expectAnswer(await transcribe({ punctuate: true }), { word: ['punctuated_word'] });
      expect(transcript).toMatch(/^And so,? my fellow Americans\b.*country\.$/);
      expect(words.map(({ word }) => word).join(' ')).toMatch(PLAIN_TRANSCRIPT);
      const stripped = words.map(({ punctuated_word = '' }) => punctuated_word.toLowerCase().replace(/[,.]$/, ''));
      expect(stripped).toEqual(words.map(({ word }) => word));
    });

    test.each([{ smart_format: true }, { paragraphs: true }])('%j: paragraphs too', async (options) => {
      const { transcript, words, paragraphs } = expectAnswer(await transcribe(options), {
        alternative: ['paragraphs'],
        word: ['punctuated_word'],
      });
      expect(paragraphs?.transcript).toBe(`\n${transcript}`);
      const [paragraph, ...others] = paragraphs?.paragraphs ?? [];
      expect(others).toEqual([]);
      expect(Object.keys(paragraph ?? {})).toEqual(['sentences', 'num_words', 'start', 'end']);
      expect(paragraph).toMatchObject({
        num_words: words.length,
        start: words[0]?.start,
        end: words.at(-1)?.end,
        sentences: [{ text: transcript, start: words[0]?.start, end: words.at(-1)?.end }],
      });
    });

    test('utterances split at pauses of utt_split', async () => {
      const count = async (utt_split: number) => {
        const body = await transcribe({ utterances: true, utt_split });
        expectAnswer(body, { results: ['utterances'] });
        const utterances = body.results.utterances ?? [];
        expect(utterances.map(({ transcript }) => transcript).join(' ')).toMatch(PLAIN_TRANSCRIPT);
        expect(new Set(utterances.map(({ id }) => id)).size).toBe(utterances.length);
        for (const [index, { start }] of utterances.slice(1).entries()) {
          expect(start - (utterances[index]?.end ?? 0)).toBeGreaterThan(utt_split);
        }
        return utterances.length;
      };
      const [many, few] = [await count(0.3), await count(2)];
      expect(many).toBeGreaterThan(few);
      expect(few).toBe(1);
    });

    test('multichannel: each channel by itself, utterances of both in the order of time', async () => {
      const body = await client().transcribeFile(stereo, { multichannel: true, utterances: true });
      expectAnswer(body, { results: ['utterances'] });
      const { channels, utterances = [] } = body.results;
      expect(body.metadata.channels).toBe(2);
      const [left, right] = channels.map(({ alternatives }) => alternatives[0]?.transcript);
      expect(left).toMatch(PLAIN_TRANSCRIPT);
      expect(right).toMatch(/^and so my fellow americans\b/);
      expect(right).not.toContain('country');
      expect(new Set(utterances.map(({ channel }) => channel))).toEqual(new Set([0, 1]));
      const starts = utterances.map(({ start }) => start);
      expect(starts).toEqual(starts.toSorted((one, other) => one - other));
    });

    test('without multichannel the channels are mixed down to one', async () => {
      const body = await client().transcribeFile(stereo, {});
      expect(expectAnswer(body).transcript).toContain('what your country can do for you');
      expect(body.metadata.channels).toBe(1);
    });

    test.each([
      { detect_language: true },
      { detect_language: ['en', 'es'] },
      { language: 'de', detect_language: ['es', 'en'] },
    ])('%j: the language is among those that were to be expected', async (options) => {
      const body = await transcribe(options);
      expect(expectAnswer(body, { channel: ['detected_language'] }).transcript).toMatch(PLAIN_TRANSCRIPT);
      expect(body.results.channels[0]?.detected_language).toBe('en');
    });

    test('language multi: every word says its language', async () => {
      const { languages, words } = expectAnswer(await transcribe({ language: 'multi' }), {
        alternative: ['languages'],
        word: ['language'],
      });
      expect(languages).toEqual(['en']);
      expect(new Set(words.map(({ language }) => language))).toEqual(new Set(['en']));
    });

    test('replace: in any case, by more words in the same time, by nothing', async () => {
      const before = await alternativeOf({ model: 'nova-3' });
      const after = await alternativeOf({ model: 'nova-3', replace: ['americans:People of Earth', 'fellow:'] });
      expect(after.transcript).toMatch(/^and so my People of Earth ask not/);
      const [americans] = before.words.filter(({ word }) => word === 'americans');
      const replaced = after.words.slice(3, 6);
      expect(replaced.map(({ confidence }) => confidence)).toEqual(Array(3).fill(americans?.confidence));
      expect([replaced[0]?.start, replaced[2]?.end]).toEqual([americans?.start, americans?.end]);
      expect((await alternativeOf({ replace: ['Country:town', 'ask:tell'] })).transcript).toMatch(
        /tell not .* country/,
      );
    });

    test('search: the best hits first, those of nothing too', async () => {
      const { search = [] } = await channelOf({ search: ['country', 'nothing like it'] });
      expect(search.map(({ query }) => query)).toEqual(['country', 'nothing like it']);
      const [hits, none] = search.map((found) => found.hits);
      expect(hits?.slice(0, 2).map(({ snippet }) => snippet)).toEqual(['country', 'country']);
      for (const { confidence } of hits?.slice(0, 2) ?? []) expect(confidence).toBeGreaterThan(0.5);
      for (const found of [hits, none]) {
        const confidences = found?.map(({ confidence }) => confidence) ?? [];
        expect(confidences.length).toBeGreaterThan(0);
        expect(confidences).toEqual(confidences.toSorted((one, other) => other - one));
      }
      expect(Math.max(...(none?.map(({ confidence }) => confidence) ?? []))).toBeLessThan(0.5);
    });

    test('what cannot be done is accepted and named', async () => {
      const body = await transcribe({
        ...{ diarize: true, detect_entities: true, sentiment: true, topics: true, intents: true, summarize: 'v2' },
        ...{ redact: 'name', alternatives: 2 },
      });
      expectAnswer(body, { metadata: ['warnings'], alternative: ['entities'], word: ['punctuated_word'] });
      expect(body.results.channels[0]?.alternatives[0]?.entities).toEqual([]);
      const { warnings = [] } = body.metadata;
      for (const warning of warnings) expect(Object.keys(warning)).toEqual(['parameter', 'type', 'message']);
      const named = new Set(warnings.map(({ parameter }) => parameter));
      const all = ['diarize', 'detect_entities', 'sentiment', 'topics', 'intents', 'summarize', 'redact'];
      expect(named).toEqual(new Set(major === 5 ? all : [...all, 'alternatives']));
    });
  });

  describe('the request', () => {
    test('extra and tag are echoed', async () => {
      const body = await transcribe({ extra: ['order:17', 'a:b:c', 'order:18'], tag: ['nightly', 'two words'] });
      expectAnswer(body, { metadata: ['tags', 'extra'] });
      expect(body.metadata).toMatchObject({ extra: { order: '18', a: 'b:c' }, tags: ['nightly', 'two words'] });
    });

    test('an option that is undefined or null is absent', async () => {
      const undecided = Object.fromEntries(
        [
          'language',
          'detect_language',
          'utt_split',
          'summarize',
          'callback_method',
          'redact',
          'tag',
          'diarize_model',
        ].map((name, index) => [name, index % 2 ? null : undefined]),
      );
      expect(expectAnswer(await transcribe(undecided)).transcript).toMatch(PLAIN_TRANSCRIPT);
    });

    test('models: by list and by UUID', async () => {
      const { stt } = await client().models();
      expect(stt.map(({ canonical_name }) => canonical_name)).toContain('tiny-q5_1');
      for (const model of stt) {
        expect(model).toMatchObject({
          name: `${model.canonical_name.replaceAll('.', '-')}-whisper`,
          architecture: 'whisper',
          languages: expect.arrayContaining(['en']),
          version: expect.stringMatching(/^\d{4}-\d\d-\d\d\.\d+$/),
          uuid: expect.stringMatching(UUID),
          batch: true,
          streaming: false,
          formatted_output: false,
        });
      }
      const served = stt.find(({ canonical_name }) => canonical_name === 'tiny-q5_1');
      const uuid = String(served?.uuid);
      expect(await client().model(uuid)).toMatchObject({ uuid, canonical_name: 'tiny-q5_1' });
      const { metadata } = await transcribe({ model: uuid });
      expect(metadata.models).toEqual([uuid]);
      expect(metadata.model_info[uuid]).toEqual({ name: served?.name, version: served?.version, arch: 'whisper' });
    });

    test('a token for a while, asked for without a body', async () => {
      const granted = await client().grant();
      expect(granted).toEqual({ access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/), expires_in: 30 });
      if (major === 3) return;
      const holder = connect(gateway().url, { accessToken: granted.access_token });
      expectAnswer(await holder.transcribeFile(speech(), { model: 'nova-3' }));
      const error = await thrownBy(holder.grant());
      expect(statusOf(error)).toBe(403);
      expect(envelopeOf(error)).toMatchObject({ err_code: 'FORBIDDEN', err_msg: 'Insufficient permissions.' });
    });
  });

  describe('refusals', () => {
    test('a wrong key', async () => {
      const error = await thrownBy(client('wrong').transcribeFile(speech(), { model: 'nova-3' }));
      expectKind(error);
      expect(statusOf(error)).toBe(401);
      expect(envelopeOf(error)).toEqual({
        err_code: 'INVALID_AUTH',
        err_msg: 'Invalid credentials.',
        request_id: expect.stringMatching(UUID),
      });
    });

    test.skipIf(major === 3)('a key in the place of a token', async () => {
      const error = await thrownBy(connect(gateway().url, { accessToken: KEY }).transcribeFile(speech(), {}));
      expect(statusOf(error)).toBe(401);
      expect(envelopeOf(error)).toMatchObject({ err_code: 'INVALID_AUTH' });
    });

    test('a language that there is not', async () => {
      const error = await thrownBy(transcribe({ model: 'nova-3', language: 'english' }));
      expectKind(error);
      expect(statusOf(error)).toBe(400);
      const envelope = envelopeOf(error);
      expect(envelope).toEqual({
        err_code: 'Bad Request',
        err_msg: 'Bad Request: No such model/language/tier combination found.',
        request_id: expect.stringMatching(UUID),
      });
      if (major !== 5) return;
      expect(error).toBeInstanceOf(Deepgram.BadRequestError);
      expect((error as DeepgramError5).requestId).toBe(`req_${envelope.request_id.replaceAll('-', '')}`);
    });

    test('an unknown model, a URL that answers nothing, bytes that are no audio', async () => {
      const unknown = await thrownBy(transcribe({ model: 'no-such-model' }));
      expect(statusOf(unknown)).toBe(403);
      expect(envelopeOf(unknown)).toMatchObject({ err_code: 'INSUFFICIENT_PERMISSIONS' });
      const unreachable = await thrownBy(client().transcribeUrl('http://127.0.0.1:9/speech.wav', {}));
      expect(statusOf(unreachable)).toBe(400);
      expect(envelopeOf(unreachable)).toMatchObject({ err_code: 'REMOTE_CONTENT_ERROR' });
      const noAudio = await thrownBy(client().transcribeFile(Readable.from([Buffer.from('{"url": "x"}')]), {}));
      expect(statusOf(noAudio)).toBe(400);
      expect(envelopeOf(noAudio)).toMatchObject({ err_msg: expect.stringMatching(/corrupt or unsupported data$/) });
    });

    function expectKind(error: unknown): void {
      const kinds = { 3: ApiError3, 4: ApiError4, 5: DeepgramError5 } as Record<number, new (...of: never[]) => Error>;
      expect(error).toBeInstanceOf(kinds[major]);
    }
  });

  function statusOf(error: unknown): number | undefined {
    const { status, statusCode } = error as { status?: number; statusCode?: number };
    return major === 5 ? statusCode : status;
  }

  /** Majors 3 and 4 have it as the message, 5 parsed. */
  function envelopeOf(error: unknown): { err_code: string; err_msg: string; request_id: string } {
    const { message, body } = error as Error & { body?: unknown };
    return (major === 5 ? body : JSON.parse(message)) as never;
  }
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
