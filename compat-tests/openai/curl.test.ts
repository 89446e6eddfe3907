// curl: the bytes as they are, without an SDK to smooth them.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { expectSpeech, SPEECH_PATH } from '../audio.ts';
import { useGateway } from '../gateway.ts';
import { streamRecords } from '../requests.ts';
import { DURATION_USAGE, srtOf, vttOf } from './shapes.ts';

const gateway = useGateway();

interface CurlAnswer {
  status: number;
  contentType: string;
  headers: string;
  body: string;
}

async function curl(path: string, ...options: string[]): Promise<CurlAnswer> {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '-i', ...options, `${gateway().url}${path}`]);
  // An interim `100 Continue` comes first when the upload is large.
  const answer = stdout.replace(/^(HTTP\/1\.1 100 .*\r\n\r\n)+/, '');
  const split = answer.indexOf('\r\n\r\n');
  const headers = answer.slice(0, split).toLowerCase();
  return {
    status: Number(headers.split(' ')[1]),
    contentType: /^content-type: (.*)$/m.exec(headers)?.[1]?.trim() ?? '',
    headers,
    body: answer.slice(split + 4),
  };
}

const transcribe = (...options: string[]) =>
  curl('/v1/audio/transcriptions', '-F', `file=@${SPEECH_PATH}`, '-F', 'model=whisper-1', ...options);

test('json is compact, ends without a newline, and its answer carries an id and what the cache did', async () => {
  const answer = await transcribe();
  expect(answer).toMatchObject({ status: 200, contentType: 'application/json' });
  const parsed: { text: string } = JSON.parse(answer.body);
  expectSpeech(parsed.text);
  expect(answer.body).toBe(JSON.stringify({ text: parsed.text, usage: DURATION_USAGE }));
  expect(answer.headers).toMatch(/^x-request-id: req_[0-9a-f]{32}\r?$/m);
  expect(answer.headers).toMatch(/^x-cache: (miss|hit)\r?$/m);
  expect(answer.headers).toMatch(/^openai-version: 2020-10-01\r?$/m);
  expect(answer.headers).toMatch(/^openai-processing-ms: \d+\r?$/m);
});

test('text is plain text with one newline at its end', async () => {
  const answer = await transcribe('-F', 'response_format=text');
  expect(answer).toMatchObject({ status: 200, contentType: 'text/plain; charset=utf-8' });
  expect(answer.body).toMatch(/^\S[^\n]*\S\n$/);
  expectSpeech(answer.body);
});

test('srt and vtt are plain text, exactly the segments of verbose_json', async () => {
  const verbose = await transcribe('-F', 'response_format=verbose_json');
  expect(verbose).toMatchObject({ status: 200, contentType: 'application/json' });
  const { segments } = JSON.parse(verbose.body);

  const srt = await transcribe('-F', 'response_format=srt');
  expect(srt).toMatchObject({ status: 200, contentType: 'text/plain; charset=utf-8', body: srtOf(segments) });
  expect(srt.body).toMatch(/^1\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}\n\S/);
  expect(srt.body).toMatch(/\S\n\n\n$/);

  const vtt = await transcribe('-F', 'response_format=vtt');
  expect(vtt).toMatchObject({ status: 200, contentType: 'text/plain; charset=utf-8', body: vttOf(segments) });
  expect(vtt.body).toMatch(/^WEBVTT\n\n\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}\n\S/);
  expect(vtt.body).toMatch(/\S\n\n$/);
});

test('translations come in the same formats', async () => {
  const translate = (...options: string[]) =>
    curl('/v1/audio/translations', '-F', `file=@${SPEECH_PATH}`, '-F', 'model=whisper-1', ...options);
  const json = await translate();
  expect(json).toMatchObject({ status: 200, contentType: 'application/json' });
  const { text } = JSON.parse(json.body);
  expect(await translate('-F', 'response_format=text')).toMatchObject({
    contentType: 'text/plain; charset=utf-8',
    body: `${text}\n`,
  });
  expect((await translate('-F', 'response_format=srt')).body).toMatch(/^1\n00:00:[\s\S]*\S\n\n\n$/);
  expect((await translate('-F', 'response_format=vtt')).body).toMatch(/^WEBVTT\n\n00:00:/);
});

test('a chunked upload works, with the file before or after the other fields', async () => {
  for (const parts of [
    ['-F', `file=@${SPEECH_PATH}`, '-F', 'model=whisper-1'],
    ['-F', 'model=whisper-1', '-F', `file=@${SPEECH_PATH}`],
  ]) {
    const answer = await curl('/v1/audio/transcriptions', '-H', 'Transfer-Encoding: chunked', ...parts);
    expect(answer.status).toBe(200);
    expectSpeech(JSON.parse(answer.body).text);
  }
});

test('stream=true is data records alone and ends with [DONE] and a blank line, for a miss as for a hit', async () => {
  const stream = async (...options: string[]) => {
    const answer = await transcribe('-N', '-F', 'stream=true', ...options);
    expect(answer.status).toBe(200);
    expect(answer.contentType).toMatch(/^text\/event-stream/);
    // curl undoes the chunking of the transfer, not our records.
    const records = streamRecords(answer.body);
    expect(records.at(-1)).toBe('[DONE]');
    const events = records.slice(0, -1).map((record) => JSON.parse(record));
    const done = events.at(-1);
    expect(done).toEqual({
      type: 'transcript.text.done',
      text: expect.any(String),
      usage: {
        type: 'tokens',
        input_tokens: expect.any(Number),
        input_token_details: { text_tokens: expect.any(Number), audio_tokens: expect.any(Number) },
        output_tokens: expect.any(Number),
        total_tokens: done.usage.input_tokens + done.usage.output_tokens,
      },
    });
    for (const event of events.slice(0, -1)) {
      expect(event).toEqual({ type: 'transcript.text.delta', delta: expect.any(String) });
      expect(event.delta).not.toBe('');
    }
    expect(
      events
        .slice(0, -1)
        .map(({ delta }) => delta)
        .join(''),
    ).toBe(done.text);
    return { cache: /^x-cache: (\w+)/m.exec(answer.headers)?.[1], done };
  };
  const miss = await stream('-H', 'Cache-Control: no-cache');
  const hit = await stream();
  expect([miss.cache, hit.cache]).toEqual(['miss', 'hit']);
  expect(miss.done).toEqual(hit.done);
});

test('the same routes answer without /v1 and with a slash at the end', async () => {
  const form = ['-F', `file=@${SPEECH_PATH}`, '-F', 'model=whisper-1'];
  for (const path of ['/audio/transcriptions', '/v1/audio/transcriptions/', '/audio/transcriptions/']) {
    expect({ path, status: (await curl(path, ...form)).status }).toEqual({ path, status: 200 });
  }
  for (const path of ['/models', '/v1/models/', '/models/whisper-1', '/v1/models/whisper-1/']) {
    expect({ path, status: (await curl(path)).status }).toEqual({ path, status: 200 });
  }
});

test('a wrong method is 405, a wrong path 404, both in the usual envelope', async () => {
  for (const [path, method, status] of [
    ['/v1/audio/transcriptions', 'GET', 405],
    ['/v1/models', 'DELETE', 405],
    ['/v1/audio/speech', 'POST', 404],
    ['/nowhere', 'GET', 404],
  ] as const) {
    const answer = await curl(path, '-X', method);
    expect({ path, status: answer.status, body: JSON.parse(answer.body) }).toEqual({
      path,
      status,
      body: { error: { message: expect.any(String), type: 'invalid_request_error', param: null, code: null } },
    });
  }
});

test('health, readiness, the API description and its page answer', async () => {
  expect(JSON.parse((await curl('/health')).body)).toMatchObject({
    status: 'ok',
    model: 'tiny-q5_1',
    model_state: 'ready',
    queue_depth: 0,
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
  });
  expect(JSON.parse((await curl('/ready')).body)).toMatchObject({ ready: true, model: 'tiny-q5_1' });
  const description = JSON.parse((await curl('/openapi.json')).body);
  expect(description.openapi).toMatch(/^3\.1/);
  expect(Object.keys(description.paths)).toEqual(
    expect.arrayContaining(['/v1/audio/transcriptions', '/v1/audio/translations', '/v1/models']),
  );
  const page = await curl('/docs');
  expect(page).toMatchObject({ status: 200, contentType: expect.stringContaining('text/html') });
  // A page that loads anything from elsewhere is blank on a machine without internet.
  expect(page.body).not.toMatch(/(?:src|href)=["']?(?:https?:)?\/\//);
});
