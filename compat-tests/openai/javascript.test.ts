// The `openai` package for JavaScript, each major in use, against real inference.
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectSpeech, SPEECH_PATH, speech, speechAs } from '../audio.ts';
import { eventually, useGateway } from '../gateway.ts';
import { MAJORS } from './majors.ts';
import { DURATION_USAGE, expectVerbose, srtOf, type Verbose, type VerboseSegment, vttOf } from './shapes.ts';

const KEY = 'compat-key';
const UPLOAD_BYTES_MAX = 25 * 1024 ** 2;

const gateway = useGateway({ API_KEYS: `another-key,${KEY}`, UPLOAD_BYTES_MAX: String(UPLOAD_BYTES_MAX) });

let directory: string;
let largePath: string;
let tooLargePath: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'compat-'));
  largePath = await speechPaddedTo(UPLOAD_BYTES_MAX - 1024 ** 2);
  tooLargePath = await speechPaddedTo(UPLOAD_BYTES_MAX + 2 * 1024 ** 2);
});

async function speechPaddedTo(bytes: number): Promise<string> {
  const path = join(directory, `${bytes}.wav`);
  const file = await open(path, 'w');
  await file.write(speech());
  await file.truncate(bytes);
  await file.close();
  return path;
}
afterAll(() => rm(directory, { recursive: true, force: true }));

describe.each(MAJORS)('openai $major', ({ major, OpenAI, toFile }) => {
  const client = (options: Partial<ConstructorParameters<typeof OpenAI>[0]> = {}) =>
    new OpenAI({ apiKey: KEY, baseURL: `${gateway().url}/v1`, ...options });
  const requestIdOf = (error: unknown) => {
    const { requestID, request_id } = error as { requestID?: string; request_id?: string };
    return major === 4 ? request_id : requestID;
  };

  test('a read stream gives the text, and json has no more than text and usage', async () => {
    const answer = await client().audio.transcriptions.create({
      // Majors 6 and 7 send the parts in this order, in chunks; 4 and 5 send the file last and say how long it is.
      file: createReadStream(SPEECH_PATH),
      model: 'whisper-1',
    });
    expectSpeech(answer.text);
    expect(answer.text).toBe(answer.text.trim());
    expect({ ...answer, text: '' }).toEqual({ text: '', usage: DURATION_USAGE });
  });

  test('an mp3 in a buffer without a name or a type is recognised by its content', async () => {
    const file = await toFile(speechAs('mp3'));
    expect(file.name).toBe('unknown_file');
    const { text } = await client().audio.transcriptions.create({ model: 'gpt-4o-mini-transcribe', file });
    expectSpeech(text);
  });

  test('response_format text is a string that ends in one newline', async () => {
    const text: unknown = await client().audio.transcriptions.create({
      model: 'whisper-1',
      file: createReadStream(SPEECH_PATH),
      response_format: 'text',
    });
    expect(text).toBeTypeOf('string');
    expectSpeech(String(text));
    expect(text).toMatch(/[^\n]\n$/);
  });

  test('verbose_json by default has segments of ten finite keys and no words; srt and vtt are those segments, byte for byte', async () => {
    const create = <T>(response_format: 'verbose_json' | 'srt' | 'vtt') =>
      client().audio.transcriptions.create({
        model: 'whisper-1',
        file: createReadStream(SPEECH_PATH),
        response_format,
      }) as Promise<unknown> as Promise<T>;
    const verbose = await create<Verbose>('verbose_json');
    expectSpeech(verbose.text);
    expectVerbose(verbose, ['segments']);
    const segments = verbose.segments as VerboseSegment[];
    expect(await create('srt')).toBe(srtOf(segments));
    expect(await create('vtt')).toBe(vttOf(segments));
  });

  test.each<{ asked: ('word' | 'segment')[]; lists: ('words' | 'segments')[] }>([
    { asked: ['word'], lists: ['words'] },
    { asked: ['segment'], lists: ['segments'] },
    { asked: ['word', 'segment'], lists: ['segments', 'words'] },
  ])('timestamp_granularities $asked gives $lists', async ({ asked, lists }) => {
    const verbose = await client().audio.transcriptions.create({
      model: 'whisper-1',
      file: createReadStream(SPEECH_PATH),
      response_format: 'verbose_json',
      timestamp_granularities: asked,
    });
    expectVerbose(verbose as Verbose, lists);
  });

  test.each(['gpt-4o-transcribe', 'whisper-1'])(
    'stream=true on %s: the deltas are the text of one last done',
    async (model) => {
      const stream = await client().audio.transcriptions.create(
        { model, file: createReadStream(SPEECH_PATH), stream: true },
        // One of the two streams while the engine still works, the other from the cache: both must look alike.
        { headers: model === 'whisper-1' ? {} : { 'cache-control': 'no-cache' } },
      );
      const events = [];
      for await (const event of stream as AsyncIterable<{ type: string; delta?: string; text?: string }>)
        events.push(event);
      const deltas = events.slice(0, -1);
      expect(deltas.length).toBeGreaterThan(0);
      expect(new Set(deltas.map(({ type }) => type))).toEqual(new Set(['transcript.text.delta']));
      const done = events.at(-1);
      expect(done?.type).toBe('transcript.text.done');
      expect(deltas.map(({ delta }) => delta).join('')).toBe(done?.text);
      expectSpeech(done?.text ?? '');
    },
  );

  test('include logprobs and a chunking_strategy object are understood', async () => {
    const answer = await client().audio.transcriptions.create({
      model: 'gpt-4o-transcribe',
      file: createReadStream(SPEECH_PATH),
      response_format: 'json',
      include: ['logprobs'],
      chunking_strategy: { type: 'server_vad', threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 200 },
    });
    expectSpeech(answer.text);
    const logprobs = answer.logprobs as { token: string; logprob: number; bytes: number[] }[];
    expect(
      logprobs
        .map(({ token }) => token)
        .join('')
        .trim(),
    ).toBe(answer.text);
    for (const entry of logprobs) {
      expect(Object.keys(entry)).toEqual(['token', 'logprob', 'bytes']);
      expect(entry.logprob).toBeLessThanOrEqual(0);
      expect(Buffer.from(entry.bytes).toString()).toBe(entry.token);
    }
  });

  test('a translation is English text; whisper-1 says so', async () => {
    const answer = (await client().audio.translations.create({
      model: 'whisper-1',
      file: createReadStream(SPEECH_PATH),
      response_format: 'verbose_json',
    })) as Verbose;
    expect(answer).toMatchObject({ task: 'translate', language: 'english' });
    expect(answer.text).toMatch(/country/i);
    expect(answer).not.toHaveProperty('words');
    expect(answer).not.toHaveProperty('usage');
  });

  test('a missing file is a BadRequestError with a message and a request id', async () => {
    const error = await client()
      .audio.transcriptions.create({ model: 'whisper-1' } as never)
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', param: null, code: null });
    expect((error as Error).message).toMatch(/file/);
    expect((error as Error).message).toMatch(/missing/);
    expect(requestIdOf(error)).toMatch(/^req_[0-9a-f]{32}$/);
  });

  test('an unknown model is a NotFoundError', async () => {
    const error = await client()
      .audio.transcriptions.create({ model: 'no-such-model', file: createReadStream(SPEECH_PATH) })
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ status: 404, type: 'invalid_request_error', param: null, code: 'model_not_found' });
    expect((error as Error).message).toContain('no-such-model');
  });

  test('a wrong key is an AuthenticationError and is not tried again', async () => {
    const refusals = () => gateway().log.filter(({ msg, status }) => msg === 'answered' && status === 401).length;
    const before = refusals();
    const error = await client({ apiKey: 'wrong' })
      .audio.transcriptions.create({ model: 'whisper-1', file: await toFile(speech(), 'speech.wav') })
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(error).toMatchObject({ status: 401, type: 'invalid_request_error', param: null, code: 'invalid_api_key' });
    await eventually(async () => expect(refusals()).toBe(before + 1), 1000);
  });

  test.each([
    ['a wrong key', 'a 401', 401, { apiKey: 'wrong' }, 'whisper-1'],
    ['an unknown model', 'a 404', 404, {}, 'no-such-model'],
  ])('%s is %s however large the file is', async (_case, _answer, status, options, model) => {
    await expect(
      client(options).audio.transcriptions.create({ model, file: createReadStream(largePath) }),
    ).rejects.toMatchObject({ status });
  });

  test('an upload over the limit is a 413 APIError while it is still being sent, and the client goes on working', async () => {
    const sdk = client();
    const error = await sdk.audio.transcriptions
      .create({ model: 'whisper-1', file: createReadStream(tooLargePath) })
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect(error).toMatchObject({ status: 413, type: 'server_error', param: null, code: null });
    const { text } = await sdk.audio.transcriptions.create({ model: 'whisper-1', file: createReadStream(SPEECH_PATH) });
    expectSpeech(text);
    await gateway().expectEmptySpool();
  });

  test('models.list iterates, and models.retrieve takes ids with a slash however they are encoded', async () => {
    const listed = [];
    for await (const model of client().models.list()) listed.push(model);
    expect(listed.map(({ id }) => id)).toEqual(expect.arrayContaining(['whisper-1', 'tiny-q5_1']));
    const shape = {
      id: expect.any(String),
      object: 'model',
      created: expect.toSatisfy((seconds) => Number.isInteger(seconds) && seconds < 1e11),
      owned_by: expect.any(String),
    };
    // The list serves the clients of other vendors too: ours is in it whole, beside theirs.
    for (const model of listed) expect({ ...model }).toMatchObject(shape);
    const id = 'Systran/faster-whisper-tiny';
    expect({ ...(await client().models.retrieve(id)) }).toMatchObject({ ...shape, id });
    await expect(client().models.retrieve('no/such')).rejects.toThrow(OpenAI.NotFoundError);
  });
});
