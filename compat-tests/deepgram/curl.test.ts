// Bytes as they are, by curl and by hand: the text of bodies, headers, types of content, and what lies around transcription.
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { promisify } from 'node:util';
import OpenAI from 'openai7';
import { describe, expect, test } from 'vitest';
import { expectSpeech, ffmpeg, SPEECH_PATH, SPEECH_SECONDS, speech, speechAs } from '../audio.ts';
import { useGateway } from '../gateway.ts';
import type { Answer } from '../requests.ts';
import { bodyOf, expectNames, expectRefusal, INVALID_CREDENTIALS, listen, type Query } from './listen.ts';
import { expectAnswer, expectFloatTexts, type ModelEntry, PLAIN_TRANSCRIPT, UUID } from './shapes.ts';

const gateway = useGateway();
const send = (query?: Query | string, headers: Record<string, string> = {}, body: Buffer = speech()) =>
  listen(gateway().url, body, { query: query ?? {}, headers });

async function curl(path: string, ...options: string[]): Promise<Answer> {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '-i', ...options, `${gateway().url}${path}`]);
  // An interim `100 Continue` comes first when the upload is large.
  const answer = stdout.replace(/^(HTTP\/1\.1 100 .*\r\n\r\n)+/, '');
  const split = answer.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = answer.slice(0, split).split('\r\n');
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: new Headers(
      lines.map((line): [string, string] => [line.split(':', 1)[0] ?? '', line.replace(/^.*?: */, '')]),
    ),
    text: answer.slice(split + 4),
  };
}

describe('the text of the body', () => {
  test('is compact, begins as the vendor begins, and has its numbers', async () => {
    const answer = await curl('/v1/listen?model=nova-3', '--data-binary', `@${SPEECH_PATH}`);
    const body = bodyOf(answer);
    expectAnswer(body);
    expect(answer.text).toMatch(/^\{"metadata":\{"transaction_key":"deprecated","request_id":"/);
    expect(answer.text).toContain(`"duration":${SPEECH_SECONDS}.0,"channels":1,"models":[`);
    expect(answer.text).toMatch(/\}\]\}\]\}\}$/);
    expectFloatTexts(answer.text);
  });

  test('has floats everywhere that there are times and confidences', async () => {
    const answer = await send({ smart_format: 'true', utterances: 'true', search: ['country', 'xyzzy'] });
    expectAnswer(bodyOf(answer), {
      results: ['utterances'],
      channel: ['search'],
      alternative: ['paragraphs'],
      word: ['punctuated_word'],
    });
    expectFloatTexts(answer.text);
    expect(answer.text).toContain('"confidence":0.0,');
  });

  test('of silence: an empty transcript, no words, a confidence of 0.0', async () => {
    const silence = ffmpeg(['-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '3'], 'wav');
    const answer = await send({ smart_format: 'true', utterances: 'true' }, {}, silence);
    const { results } = bodyOf(answer);
    expect(answer.text).toContain('"alternatives":[{"transcript":"","confidence":0.0,"words":[]');
    expect(answer.text).toContain('"duration":3.0,');
    expect(results.utterances).toEqual([]);
  });

  test('the models that serve recordings are named as they are', async () => {
    const [first, again] = [bodyOf(await send()), bodyOf(await send({ model: 'whisper-large' }))];
    expect(first.metadata.models).toHaveLength(1);
    expect(again.metadata.model_info[String(again.metadata.models[0])]).toMatchObject({ arch: 'whisper' });
    expect(bodyOf(await send({ model: 'tiny-q5_1' })).metadata.models).toEqual(first.metadata.models);
  });
});

describe('audio', () => {
  test.each(['deepgram/audio+video', 'application/octet-stream', 'audio/mpeg', 'text/plain', 'multipart/form-data'])(
    'is read whatever it is called: %s',
    async (type) => {
      expect(expectAnswer(bodyOf(await send({}, { 'content-type': type }))).transcript).toMatch(PLAIN_TRANSCRIPT);
    },
  );

  test('is read when it is called nothing', async () => {
    const answer = await curl('/v1/listen', '-H', 'Content-Type:', '--data-binary', `@${SPEECH_PATH}`);
    expect(expectAnswer(bodyOf(answer)).transcript).toMatch(PLAIN_TRANSCRIPT);
  });

  test('is read in chunks of any size', async () => {
    const answer = await new Promise<Answer>((resolve, reject) => {
      const upload = request(`${gateway().url}/v1/listen`, { method: 'POST' }, async (response) => {
        const text = (await response.setEncoding('utf8').toArray()).join('');
        resolve({ status: response.statusCode ?? 0, headers: new Headers(response.headers as never), text });
      }).on('error', reject);
      for (let at = 0; at < speech().length; at += 9999) upload.write(speech().subarray(at, at + 9999));
      upload.end();
    });
    expect(expectAnswer(bodyOf(answer)).transcript).toMatch(PLAIN_TRANSCRIPT);
  });

  test('in a container', async () => {
    const answer = await send({ punctuate: 'true' }, {}, speechAs('webm'));
    expectSpeech(expectAnswer(bodyOf(answer), { word: ['punctuated_word'] }).transcript);
  });

  test.each([
    ['linear16', '16000', ['-f', 's16le', '-ar', '16000']],
    ['mulaw', '8000', ['-f', 'mulaw', '-ar', '8000']],
  ])('without a header, as %s', async (encoding, rate, options) => {
    const raw = speechAs('raw', '-ac', '1', ...options);
    const { results, metadata } = bodyOf(await send({ encoding, sample_rate: rate, channels: '1' }, {}, raw));
    expect(results.channels[0]?.alternatives[0]?.transcript).toContain('what your country can do for you');
    expect(metadata.duration).toBeCloseTo(SPEECH_SECONDS, 1);
  });

  test('with a header is believed more than its encoding', async () => {
    const answer = await send({ encoding: 'mulaw', sample_rate: '8000' });
    expect(expectAnswer(bodyOf(answer)).transcript).toMatch(PLAIN_TRANSCRIPT);
  });
});

describe('options as clients write them', () => {
  test.each([
    'punctuate=True',
    'punctuate=TRUE&language=undefined&redact=null&utt_split=',
    'smart_format=undefined&punctuate=true',
    'punctuate=true&tier=&unheard_of=1&vad_turnoff=500&is_final=true&interim_results=true&endpointing=25',
  ])('%s', async (query) => {
    const body = bodyOf(await send(query));
    expect(expectAnswer(body, { word: ['punctuated_word'] }).transcript).toMatch(/^And so,? my fellow/);
  });

  test('extra[key]=value, beside key:value', async () => {
    const { metadata } = bodyOf(await send('extra[order]=17&extra=shop:a&extra[shop]=b'));
    expect(metadata.extra).toEqual({ order: '17', shop: 'b' });
  });

  // As they were seen to send them (section 11 of the contract).
  test.each([
    [
      'LiveKit',
      'model=nova-3&punctuate=true&smart_format=false&no_delay=true&filler_words=true&profanity_filter=false&numerals=false&mip_opt_out=false&language=en-US',
    ],
    [
      'pipecat',
      'model=nova-3-general&language=en&interim_results=true&punctuate=true&profanity_filter=true&smart_format=false&detect_entities=false&diarize=false&dictation=false&numerals=false&channels=1&multichannel=false',
    ],
    ['n8n', 'model=nova-2&punctuate=true&keywords=Americans:2,country:1.5'],
  ])('%s', async (_client, query) => {
    const body = bodyOf(await send(query));
    expectSpeech(expectAnswer(body, { word: ['punctuated_word'] }).transcript);
  });

  test('clients older than the models', async () => {
    const { metadata, results } = bodyOf(
      await send('tier=nova&model=2-ea&vad_turnoff=10&alternatives=1&version=latest&is_final=true'),
    );
    expect(results.channels[0]?.alternatives[0]?.transcript).toMatch(PLAIN_TRANSCRIPT);
    expect(metadata.warnings?.map(({ parameter }) => parameter)).toEqual(['tier']);
  });
});

describe('formatting of one recording', () => {
  test('costs one inference, whatever is asked for', async () => {
    const first = await send({ model: 'nova-3' }, { 'cache-control': 'no-cache' });
    expect(first.headers.get('x-cache')).toBe('miss');
    for (const query of [
      '',
      'smart_format=true&utterances=true&utt_split=0.3',
      'model=nova-2-phonecall&numerals=true&measurements=true&dictation=true&punctuate=true&filler_words=true',
      'redact=pci&redact=ssn&replace=country:town&search=ask&profanity_filter=true&tag=a&extra=b:c',
      'language=en-GB&paragraphs=true&diarize=true&detect_entities=true',
    ]) {
      expect({ query, cache: (await send(query)).headers.get('x-cache') }).toEqual({ query, cache: 'hit' });
    }
    // A prompt makes the engine hear other words.
    expect((await send({ keyterm: 'Americans' })).headers.get('x-cache')).toBe('miss');
  });

  const speaks = promisify(execFile)('ffmpeg', ['-v', 'error', '-filters']).then(({ stdout }) =>
    / flite /.test(stdout),
  );
  test('profanity becomes asterisks, a number is redacted', async (context) => {
    if (!(await speaks)) return context.skip('this ffmpeg has no voice');
    const sentence = 'What a damn shame. My number is five five five, one two three four.';
    const audio = ffmpeg(['-f', 'lavfi', '-i', `flite=text='${sentence}':voice=slt`, '-ar', '16000'], 'wav');
    const transcriptOf = async (query: string) =>
      bodyOf(await send(query, {}, audio)).results.channels[0]?.alternatives[0]?.transcript;
    expect(await transcriptOf('')).toMatch(/damn .*\d{3}/);
    const filtered = await transcriptOf('profanity_filter=true&redact=numbers');
    expect(filtered).toMatch(/what a \*{4} shame my number is \[REDACTED\]/);
    expect(filtered).not.toMatch(/\d/);
  });
});

describe('around transcription', () => {
  test('one list of models satisfies the clients of both vendors', async () => {
    const answer = await curl('/v1/models', '-H', 'Authorization: Token none');
    expectNames(answer);
    const body: { object: string; data: { id: string }[]; stt: ModelEntry[]; tts: unknown[] } = JSON.parse(answer.text);
    expect(body).toMatchObject({ object: 'list', tts: [] });
    expect(body.stt.every(({ uuid }) => UUID.test(uuid))).toBe(true);
    const listed = [];
    const openai = new OpenAI({ baseURL: `${gateway().url}/v1`, apiKey: 'none' });
    for await (const { id } of openai.models.list()) listed.push(id);
    expect(listed).toEqual(body.data.map(({ id }) => id));
    expect(listed).toEqual(expect.arrayContaining(['tiny-q5_1', 'whisper-1']));

    const [{ uuid, canonical_name }] = body.stt as [ModelEntry];
    const one = JSON.parse((await curl(`/v1/models/${uuid}`)).text);
    expect(one).toMatchObject({ object: 'model', id: canonical_name, uuid, canonical_name });
    const ofProject = JSON.parse((await curl('/v1/projects/any/models?include_outdated=true')).text);
    expect(ofProject).toEqual({ stt: body.stt, tts: [] });
  });

  test('an unknown model is not found, in the words of whoever asks', async () => {
    const path = '/v1/models/00000000-0000-4000-8000-000000000000';
    const answer = await curl(path, '-H', 'Authorization: Token none');
    expectRefusal(answer, 404, 'Not Found', /\S/);
    expect(JSON.parse((await curl(path)).text)).toMatchObject({ error: { code: 'model_not_found' } });
  });

  test('status, of the system and of its engine', async () => {
    const status = await curl('/v1/status');
    expectNames(status);
    expect(status.text).toBe('{"system_health":"Healthy","active_batch_requests":0,"active_stream_requests":0}');
    const engine = await curl('/v1/status/engine');
    expect(engine).toMatchObject({ status: 200, text: '{"engine_connection_status":"Connected"}' });
  });

  test('without keys any credential will do, and none', async () => {
    for (const header of [
      'Authorization: Token any',
      'Authorization: token any',
      'Authorization: Bearer any',
      'X: y',
    ]) {
      const answer = await curl('/v1/auth/token', '-H', header);
      expect({ header, status: answer.status, body: JSON.parse(answer.text) }).toEqual({
        header,
        status: 200,
        body: {},
      });
    }
  });

  test.each([
    ['GET', '/v1/listen', 405, 'Method Not Allowed'],
    ['PUT', '/v1/listen', 405, 'Method Not Allowed'],
    ['GET', '/v1/auth/grant', 405, 'Method Not Allowed'],
    ['DELETE', '/v1/status', 405, 'Method Not Allowed'],
    ['GET', '/v2/listen', 404, 'Not Found'],
    ['POST', '/v1/speak', 404, 'Not Found'],
    ['POST', '/v1/read', 404, 'Not Found'],
  ])('%s %s is refused in Deepgram’s envelope', async (method, path, status, code) => {
    expectRefusal(await curl(path, '-X', method, '-H', 'Authorization: Token none'), status, code, /\S/);
  });
});

describe('keys', () => {
  const guarded = useGateway({ API_KEYS: 'first-key,second-key' });
  const ask = (headers: Record<string, string>, path = '/v1/auth/token', method = 'GET') =>
    fetch(`${guarded().url}${path}`, { method, headers }).then(async (answer) => ({
      status: answer.status,
      headers: answer.headers,
      text: await answer.text(),
    }));

  test.each(['Token first-key', 'token second-key', 'TOKEN  first-key'])('%s is one', async (authorization) => {
    expect((await ask({ authorization })).status).toBe(200);
  });

  test.each(['', 'Token wrong', 'Token', 'Bearer first-key', 'Basic first-key', 'Token first-key,second-key'])(
    '%j is none, for any route that needs one',
    async (authorization) => {
      const headers: Record<string, string> = authorization ? { authorization } : {};
      for (const [method, path] of [
        ['POST', '/v1/listen'],
        ['GET', '/v1/auth/token'],
        ['POST', '/v1/auth/grant'],
        ['GET', '/v1/projects/any/models'],
        ['GET', '/v1/listen'],
      ] as const) {
        expectRefusal(await ask(headers, path, method), ...INVALID_CREDENTIALS);
      }
    },
  );

  test('status needs none: probes have none', async () => {
    for (const path of ['/v1/status', '/v1/status/engine']) expect((await ask({}, path)).status).toBe(200);
  });

  test('a token opens until its time is over, and only a token of ours', async () => {
    const authorization = 'Token first-key';
    const grant = async (body: string, type = 'application/json') => {
      const answer = await fetch(`${guarded().url}/v1/auth/grant`, {
        method: 'POST',
        headers: { authorization, 'content-type': type },
        body,
      });
      return { status: answer.status, headers: answer.headers, text: await answer.text() };
    };
    for (const body of ['', '{}', '{"ttl_seconds":30}']) {
      expect(JSON.parse((await grant(body)).text)).toEqual({ access_token: expect.any(String), expires_in: 30 });
    }
    const { access_token, expires_in } = JSON.parse((await grant('{"ttl_seconds":3}')).text);
    expect(expires_in).toBe(3);
    expect(JSON.parse((await grant('{"ttl_seconds":3601}')).text)).toMatchObject({ expires_in: 3600 });
    const holder = { authorization: `Bearer ${access_token}` };
    expect((await ask(holder)).status).toBe(200);
    expect((await ask({ authorization: `bearer ${access_token}` })).status).toBe(200);
    expectRefusal(await ask({ authorization: `Token ${access_token}` }), ...INVALID_CREDENTIALS);
    const [head, content, signature] = access_token.split('.');
    const longer = Buffer.from(JSON.stringify({ iat: 0, exp: 9_999_999_999 })).toString('base64url');
    for (const forged of [`${head}.${longer}.${signature}`, `${head}.${content}.`, `${head}.${content}`]) {
      expectRefusal(await ask({ authorization: `Bearer ${forged}` }), ...INVALID_CREDENTIALS);
    }
    expectRefusal(await ask(holder, '/v1/auth/grant', 'POST'), 403, 'FORBIDDEN', 'Insufficient permissions.');
    for (const body of ['{"ttl_seconds":0}', '{"ttl_seconds":"long"}', '[]', '{']) {
      expect((await grant(body)).status).toBe(400);
    }
    await expect.poll(async () => (await ask(holder)).status, { timeout: 6000, interval: 250 }).toBe(401);
  });
});

describe('a browser', () => {
  const origin = 'https://app.example';
  const EXPOSED = 'dg-model-name,dg-model-uuid,dg-char-count,dg-request-id,dg-project-id,dg-error';

  test('its preflight is granted to its origin, with the headers that the SDKs send', async () => {
    const asked = ['authorization', 'content-type', 'x-deepgram-session-id', 'x-fern-language', 'x-client-info'];
    for (const path of ['/v1/listen', '/v1/auth/grant', '/v1/projects/any/models']) {
      const answer = await fetch(`${gateway().url}${path}`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': asked.join(','),
        },
      });
      expect([200, 204]).toContain(answer.status);
      expectGranted(answer.headers);
      const granted = answer.headers.get('access-control-allow-headers')?.toLowerCase();
      for (const name of asked) expect(granted).toContain(name);
      expect(answer.headers.get('access-control-allow-methods')).toContain('POST');
    }
  });

  test('it may read every answer, refusals too', async () => {
    const answers = [await send({}, { origin }), await send({ model: 'no-such-model' }, { origin })];
    expect(answers.map(({ status }) => status)).toEqual([200, 403]);
    for (const { headers } of answers) expectGranted(headers);
  });

  function expectGranted(headers: Headers): void {
    expect(headers.get('access-control-allow-origin')).toBe(origin);
    expect(headers.get('access-control-allow-credentials')).toBe('true');
    expect(headers.get('vary')?.toLowerCase()).toContain('origin');
    const exposed = headers.get('access-control-expose-headers')?.toLowerCase().split(/, */);
    expect(exposed).toEqual(expect.arrayContaining(EXPOSED.split(',')));
  }
});
