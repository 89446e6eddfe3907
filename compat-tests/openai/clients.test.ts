// Requests of programs that have no SDK here, as they were seen to send them (section 10 of the contract).
import { describe, expect, test } from 'vitest';
import { expectSpeech, SPEECH_SECONDS, speech, speechAs } from '../audio.ts';
import { paced, useGateway } from '../gateway.ts';
import { expectError, type Field, formOf, sendBytes, streamRecords, transcribe, wireForm } from '../requests.ts';
import { expectVerbose, type Verbose } from './shapes.ts';

const gateway = useGateway();

/** What a browser records. */
const webm = speechAs('webm', '-c:a', 'libopus');

async function expectText(fields: Field[], file: { name?: string; type?: string } = {}, bytes = speech()) {
  const answer = await transcribe(gateway().url, formOf(fields, { bytes, ...file }));
  expect({ status: answer.status, body: answer.text }).toMatchObject({ status: 200 });
  const body = JSON.parse(answer.text);
  expectSpeech(body.text);
  return body;
}

test('Open WebUI: webm that is named and typed wav', async () => {
  await expectText(
    [
      ['model', 'whisper-1'],
      ['language', 'en'],
    ],
    { name: 'recording.wav', type: 'audio/wav' },
    webm,
  );
});

test('LibreChat: audio.webm and a two-letter language, no key', async () => {
  await expectText(
    [
      ['model', 'whisper-1'],
      ['language', 'en'],
    ],
    { name: 'audio.webm', type: 'audio/webm' },
    webm,
  );
});

test('Home Assistant: an empty prompt, and the temperature as text', async () => {
  await expectText([
    ['model', 'whisper-1'],
    ['language', 'en'],
    ['prompt', ''],
    ['temperature', '0'],
    ['response_format', 'json'],
  ]);
});

test('wyoming_openai: probes health, then streams without a language', async () => {
  expect((await fetch(`${gateway().url}/health`)).status).toBe(200);
  const fields: Field[] = [
    ['model', 'whisper-1'],
    ['response_format', 'json'],
    ['temperature', '0.0'],
    ['prompt', ''],
    ['stream', 'True'],
  ];
  const answer = await transcribe(gateway().url, formOf(fields, { bytes: speech(), name: 'stream.wav' }));
  const records = streamRecords(answer.text);
  expect(records.pop()).toBe('[DONE]');
  const deltas = records.map((record) => JSON.parse(record)).filter(({ type }) => type === 'transcript.text.delta');
  expectSpeech(deltas.map(({ delta }) => delta).join(''));
});

test('n8n: model alone', () => expectText([['model', 'whisper-1']], { name: 'data', type: 'audio/wav' }));

test('LangChain: a file named by its MIME type', () =>
  expectText([['model', 'whisper-1']], { name: 'audio/mpeg', type: 'audio/mpeg' }, speechAs('mp3')));

test('LiveKit: verbose_json from file.wav', async () => {
  const body: Verbose = await expectText(
    [
      ['model', 'whisper-1'],
      ['language', 'en'],
      ['response_format', 'verbose_json'],
      ['prompt', ''],
    ],
    { name: 'file.wav' },
  );
  expectVerbose(body, ['segments']);
});

test('pipecat: logprobs from gpt-4o-transcribe', async () => {
  const body = await expectText([
    ['model', 'gpt-4o-transcribe'],
    ['language', 'en'],
    ['include[]', 'logprobs'],
  ]);
  expect(body.logprobs.length).toBeGreaterThan(10);
});

test('Obsidian Whisper: an empty language from a page of its own origin', async () => {
  const form = formOf(
    [
      ['model', 'whisper-1'],
      ['language', ''],
    ],
    { bytes: webm, name: 'recording.webm' },
  );
  const answer = await transcribe(gateway().url, form, { headers: { origin: 'app://obsidian.md' } });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('access-control-allow-origin')).toBe('*');
});

test('go-openai: the voice detection object as a JSON string', () =>
  expectText([
    ['model', 'gpt-4o-transcribe'],
    ['chunking_strategy', '{"type":"server_vad","prefix_padding_ms":300,"silence_duration_ms":200,"threshold":0.5}'],
  ]));

test('LiteLLM: granularities under their bare name', async () => {
  const body: Verbose = await expectText([
    ['model', 'whisper-1'],
    ['response_format', 'verbose_json'],
    ['timestamp_granularities', 'word'],
    ['timestamp_granularities', 'segment'],
  ]);
  expectVerbose(body, ['segments', 'words']);
});

test('faster-whisper clients: options we do not have are ignored, their model names are known', () =>
  expectText([
    ['model', 'Systran/faster-whisper-tiny'],
    ['vad_filter', 'true'],
    ['hotwords', 'country'],
  ]));

describe('gpt-transcribe', () => {
  test('keywords and languages are understood, and the answer tells the languages', async () => {
    const body = await expectText([
      ['model', 'gpt-transcribe'],
      ['languages[]', 'en'],
      ['keywords[]', 'Americans'],
      ['keywords[]', 'country'],
    ]);
    expect(body.languages).toEqual([{ code: 'en' }]);
  });

  test.each<{ fields: Field[]; param: string }>([
    { fields: [['keywords[]', '<b>']], param: 'keywords' },
    {
      fields: [
        ['language', 'en'],
        ['languages[]', 'en'],
      ],
      param: 'languages',
    },
  ])('$fields is refused', async ({ fields, param }) => {
    const answer = await transcribe(
      gateway().url,
      formOf([['model', 'gpt-transcribe'], ...fields], { bytes: speech() }),
    );
    expectError(answer, 400, { param, code: 'invalid_value' });
  });
});

test('granularities without verbose_json change nothing', async () => {
  const body = await expectText([
    ['model', 'whisper-1'],
    ['timestamp_granularities[]', 'word'],
  ]);
  expect(Object.keys(body).sort()).toEqual(['text', 'usage']);
});

test.each(['en-US', 'english', 'EN', 'auto'])('language %s is understood', (language) =>
  expectText([
    ['model', 'whisper-1'],
    ['language', language],
  ]),
);

test('the file may be the first part, of any type', async () => {
  const body = wireForm([
    { name: 'file', file: speech(), filename: 'upload' },
    { name: 'model', value: 'whisper-1' },
    { name: 'response_format', value: 'json' },
  ]);
  const answer = await sendBytes(gateway().url, body);
  expect(answer.status).toBe(200);
  expectSpeech(JSON.parse(answer.text).text);
});

test('a file part without a file name, and text that is not ASCII', async () => {
  const [head, ...rest] = wireForm([
    { name: 'file', file: speech(), filename: 'x', type: 'audio/wav' },
    { name: 'model', value: 'whisper-1' },
    { name: 'prompt', value: 'Übermäßig große Länder – 国' },
  ])
    .toString('latin1')
    .split('; filename="x"');
  const answer = await sendBytes(gateway().url, Buffer.from([head, ...rest].join(''), 'latin1'));
  expect(answer.status).toBe(200);
  expectSpeech(JSON.parse(answer.text).text);
});

describe('every documented container', () => {
  // What is proved here is the decoding, which needs no real engine behind it: the stand-in says one word for each 0.4 s.
  const counting = useGateway(paced());

  test.each([
    ['m4a', ['-c:a', 'aac']],
    ['mp4', ['-c:a', 'aac']],
    ['mpeg', ['-c:a', 'mp2']],
    ['mpga', ['-f', 'mp3']],
    ['oga', ['-c:a', 'flac']],
    ['ogg', ['-c:a', 'libvorbis']],
    ['opus', ['-c:a', 'libopus']],
    ['flac', []],
    ['mp3', []],
    ['webm', ['-c:a', 'libopus']],
    ['wav', ['-ar', '44100', '-ac', '2']],
  ])('%s', async (format, options) => {
    const form = formOf(
      [
        ['model', 'whisper-1'],
        ['response_format', 'verbose_json'],
      ],
      { bytes: speechAs(format, ...options), name: `speech.${format}` },
    );
    const answer = await transcribe(counting().url, form);
    expect(answer.status).toBe(200);
    const { duration, text } = JSON.parse(answer.text);
    expect(Math.abs(duration - SPEECH_SECONDS)).toBeLessThan(0.2);
    expect(Math.abs(text.split(' ').length - SPEECH_SECONDS / 0.4)).toBeLessThan(2);
  });
});

describe('a browser', () => {
  const asked = 'authorization,content-type,x-stainless-lang,x-stainless-runtime,x-stainless-retry-count';

  test('may ask first, without a key, for any header an SDK invents', async () => {
    const answer = await fetch(`${gateway().url}/v1/audio/transcriptions`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://example.com',
        'access-control-request-method': 'POST',
        'access-control-request-headers': asked,
      },
    });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.get('access-control-allow-methods')).toContain('POST');
    const granted = answer.headers
      .get('access-control-allow-headers')
      ?.split(',')
      .map((name) => name.trim());
    expect(granted).toEqual(asked.split(','));
  });

  test('may read errors and streams, and the headers an SDK looks at', async () => {
    const headers = { origin: 'https://example.com' };
    const failure = await transcribe(gateway().url, formOf([['model', 'whisper-1']]), { headers });
    const stream = await transcribe(
      gateway().url,
      formOf(
        [
          ['model', 'whisper-1'],
          ['stream', 'true'],
        ],
        { bytes: speech() },
      ),
      { headers },
    );
    expectError(failure, 400);
    for (const answer of [failure, stream]) {
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
      const exposed = answer.headers.get('access-control-expose-headers')?.toLowerCase();
      for (const name of ['x-request-id', 'retry-after', 'x-ratelimit-limit-requests']) expect(exposed).toContain(name);
      expect(answer.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
    }
  });
});

test('ids with a slash are found raw and encoded', async () => {
  for (const path of ['Systran/faster-whisper-tiny', 'Systran%2Ffaster-whisper-tiny']) {
    const answer = await fetch(`${gateway().url}/v1/models/${path}`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ id: 'Systran/faster-whisper-tiny', object: 'model' });
  }
});

test('silence is an empty text and no segments, not an error', async () => {
  const answer = await transcribe(
    gateway().url,
    formOf(
      [
        ['model', 'whisper-1'],
        ['response_format', 'verbose_json'],
      ],
      { bytes: speechAs('wav', '-af', 'volume=0') },
    ),
  );
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.text)).toMatchObject({ text: '', segments: [] });
});

test('diarized_json is refused in OpenAI’s own words', async () => {
  const answer = await transcribe(
    gateway().url,
    formOf(
      [
        ['model', 'gpt-4o-transcribe-diarize'],
        ['response_format', 'diarized_json'],
        ['chunking_strategy', 'auto'],
      ],
      { bytes: speech() },
    ),
  );
  expectError(answer, 400, { param: 'response_format', code: 'unsupported_value' });
});
