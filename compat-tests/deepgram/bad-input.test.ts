// What makes no request: each kind gets the vendor's own error, in bounded time, and nothing of it stays on disk.
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { ffmpeg, speech, speechAs } from '../audio.ts';
import { paced, useGateway } from '../gateway.ts';
import type { Answer } from '../requests.ts';
import {
  BAD_JSON,
  bodyOf,
  CORRUPT_AUDIO,
  expectNames,
  expectRefusal,
  INVALID_QUERY,
  type ListenInit,
  listen,
  listenToUrl,
} from './listen.ts';
import { useWebServer } from './web-server.ts';

const UPLOAD_BYTES_MAX = 1024 * 1024;
const FETCH_SECONDS = 2;
const LIMITS = {
  ...paced(),
  UPLOAD_BYTES_MAX: String(UPLOAD_BYTES_MAX),
  UPLOAD_IDLE_SECONDS: '1',
  URL_FETCH_SECONDS_MAX: String(FETCH_SECONDS),
  URL_REDIRECTS_MAX: '3',
};
const gateway = useGateway(LIMITS);
afterEach(() => gateway().expectEmptySpool());

const send = (init: ListenInit = {}, body: Buffer | string = speech()) => listen(gateway().url, body, init);
const json = (body: string, type = 'application/json') => send({ headers: { 'content-type': type } }, body);

describe('audio', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a header alone', speech().subarray(0, 44)],
    ['text', Buffer.from('This is no audio, whatever it is called.')],
    ['a page', Buffer.from('<!doctype html><title>Not found</title>')],
    ['noise', Buffer.from(Array.from({ length: 50_000 }, (_, at) => (at * 7919) % 251))],
    ['an mp3 cut in its first frame', speechAs('mp3').subarray(0, 100)],
    ['video without sound', ffmpeg(['-f', 'lavfi', '-i', 'color=s=16x16:d=1'], 'mp4')],
    ['a playlist of local files', Buffer.from('#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n')],
  ])('%s', async (_case, body) => expectRefusal(await send({}, body), ...CORRUPT_AUDIO));

  test('JSON that is not called JSON', async () => {
    for (const type of ['text/plain', 'application/octet-stream', 'deepgram/audio+video']) {
      expectRefusal(await json('{"url":"https://example.com/speech.wav"}', type), ...CORRUPT_AUDIO);
    }
  });

  test('over the limit, with its length told and without', async () => {
    const large = Buffer.alloc(UPLOAD_BYTES_MAX + 1);
    speech().copy(large);
    expectRefusal(await send({}, large), 413, 'PAYLOAD_TOO_LARGE', /\S/);
    const pieces = Array.from({ length: 17 }, () => new Uint8Array(64 * 1024 + 1));
    expectRefusal(await listen(gateway().url, ReadableStream.from(pieces)), 413, 'PAYLOAD_TOO_LARGE', /\S/);
  });

  test('that stands still', async () => {
    const answer = await new Promise<Answer>((resolve, reject) => {
      const headers = { 'content-length': speech().length };
      const upload = request(`${gateway().url}/v1/listen`, { method: 'POST', headers }, async (response) => {
        const text = (await response.setEncoding('utf8').toArray()).join('');
        resolve({ status: response.statusCode ?? 0, headers: new Headers(response.headers as never), text });
        upload.destroy();
      }).on('error', reject);
      upload.write(speech().subarray(0, 1000));
    });
    expectRefusal(answer, 408, 'Request Timeout', /\S/);
  });
});

describe('a JSON body', () => {
  test.each([
    ['cut', '{"url":'],
    ['empty', ''],
    ['of another kind', '[]'],
    ['null', 'null'],
    ['without a url', '{"uri":"https://example.com"}'],
    ['with a url that is no text', '{"url":17}'],
    ['that is audio', speech().subarray(0, 2000).toString('latin1')],
    ['larger than any URL', JSON.stringify({ url: `https://example.com/${'a'.repeat(100_000)}` })],
  ])('%s', async (_case, body) => {
    expectRefusal(await json(body), ...BAD_JSON);
  });

  test('of any JSON type', async () => {
    for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/vnd.api+json']) {
      expectRefusal(await json('{', type), ...BAD_JSON);
    }
  });
});

describe('the query', () => {
  test.each([
    ...['punctuate=perhaps', 'smart_format=2', 'utterances=%F0%9F%92%A9', 'utt_split=long', 'utt_split=-1'],
    ...['utt_split=NaN', 'utt_split=Infinity', 'summarize=v9', 'alternatives=0', 'alternatives=many', 'channels=0'],
    ...['sample_rate=1.5', 'callback=example.com', 'callback_method=GET&callback=https://example.com'],
    ...[`tag=${'a'.repeat(129)}`, `extra=k:${'a'.repeat(2048)}`],
  ])('%s', async (query) => expectRefusal(await send({ query }), ...INVALID_QUERY));

  test.each(['english', 'en_US', 'xx', 'en-', '-', 'klingon', 'e'.repeat(5000)])('language=%s', async (language) => {
    const combination = 'Bad Request: No such model/language/tier combination found.';
    expectRefusal(await send({ query: { model: 'nova-3', language } }), 400, 'Bad Request', combination);
    expectRefusal(await send({ query: { detect_language: ['en', language] } }), 400, 'Bad Request', combination);
  });

  test.each(['no-such-model', 'nova-4', 'whisper-huge', '../../etc/passwd', '00000000-0000-4000-8000-000000000000'])(
    'model=%s',
    async (model) => {
      const message = 'Project does not have access to the requested model.';
      expectRefusal(await send({ query: { model } }), 403, 'INSUFFICIENT_PERMISSIONS', message);
    },
  );

  test('more keyterms than 500 tokens', async () => {
    const message = 'Bad Request: Keyterm limit exceeded. The maximum number of tokens across all keyterms is 500.';
    const keyterm = Array.from({ length: 501 }, (_, at) => `word${at}`);
    expectRefusal(await send({ query: { model: 'nova-3', keyterm } }), 400, 'Bad Request', message);
    expectRefusal(await send({ query: { keyterm: keyterm.join(' ') } }), 400, 'Bad Request', message);
  });

  test.each(['diarize=true', 'diarize_version=latest'])('diarize_model=latest&%s', async (other) => {
    const message = 'diarize_model cannot be used together with diarize or diarize_version.';
    expectRefusal(await send({ query: `diarize_model=latest&${other}` }), 400, 'Bad Request', message);
  });

  test('a summary of what is not in English', async () => {
    const message = 'Summarization v2 not supported for non-English languages';
    expectRefusal(await send({ query: 'summarize=v2&language=es' }), 400, 'Bad Request', message);
    for (const query of ['summarize=v2&language=en-GB', 'summarize=v2', 'summarize=v2&language=multi']) {
      expect((await send({ query })).status).toBe(200);
    }
  });

  test('ten thousand parameters, known or not', async () => {
    for (const name of ['a', 'tag']) {
      const query = Array.from({ length: 10_000 }, () => `${name}=1`).join('&');
      expectRefusal(await send({ query }), ...INVALID_QUERY);
    }
    const tooMany = Array.from({ length: 10_000 }, (_, at) => `keyterm=word${at}`).join('&');
    expectRefusal(await send({ query: tooMany }), 431, 'Request Header Fields Too Large', /\S/);
  });

  test('a search of a megabyte; of what fits it is said that it is not searched', async () => {
    const answer = await send({ query: { search: 'a'.repeat(1024 * 1024) } });
    expectRefusal(answer, 431, 'Request Header Fields Too Large', /\S/);
    const search = 'a'.repeat(10_000);
    const { metadata, results } = bodyOf(await send({ query: { search } }));
    expect(metadata.warnings?.map(({ parameter }) => parameter)).toEqual(['search']);
    expect(results.channels[0]?.search).toEqual([{ query: search, hits: [] }]);
    expect((await send()).status).toBe(200);
  });

  test('is judged before the body arrives', async () => {
    const answer = await new Promise<Answer>((resolve, reject) => {
      const headers = { 'content-length': 500_000 };
      const path = `${gateway().url}/v1/listen?punctuate=perhaps`;
      const upload = request(path, { method: 'POST', headers }, async (response) => {
        const text = (await response.setEncoding('utf8').toArray()).join('');
        resolve({ status: response.statusCode ?? 0, headers: new Headers(response.headers as never), text });
      }).on('error', reject);
      upload.end(Buffer.alloc(500_000));
    });
    expectRefusal(answer, ...INVALID_QUERY);
  });
});

const REMOTE = [400, 'REMOTE_CONTENT_ERROR'] as const;
const NO_URI = 'Could not parse URL as a URI.';
const NOT_PUBLIC = 'URL for media download must be publicly routable.';
const server = 'The remote server hosting the media';

describe('a URL', () => {
  test.each(['', 'speech.wav', 'example.com/speech.wav', '/speech.wav', 'http://', 'http://[::1', 'https:'])(
    '%j is none',
    async (url) => expectRefusal(await listenToUrl(gateway().url, url), ...REMOTE, NO_URI),
  );

  test.each(['file:///etc/passwd', 'ftp://example.com/a', 'data:audio/wav;base64,AAAA', 'gopher://example.com'])(
    '%s is of no kind that is fetched',
    async (url) => expectRefusal(await listenToUrl(gateway().url, url), ...REMOTE, NO_URI),
  );

  test.each([
    ...['http://127.0.0.1:9/a', 'http://127.1:9/a', 'http://2130706433:9/a', 'http://0x7f000001:9/a', 'http://0:9/a'],
    ...['http://[::1]:9/a', 'http://[::ffff:127.0.0.1]:9/a', 'http://[fe80::1]/a', 'http://[fd00::1]/a'],
    ...['http://10.0.0.1/a', 'http://172.16.0.1/a', 'http://192.168.1.1/a', 'http://100.64.0.1/a'],
    ...['http://169.254.169.254/latest/meta-data/', 'http://user:password@127.0.0.1:9/a'],
    'http://localhost:9/a',
  ])('%s is not public', async (url) => {
    expectRefusal(await listenToUrl(gateway().url, url), ...REMOTE, NOT_PUBLIC);
  });

  test('to the gateway itself', async () => {
    expectRefusal(await listenToUrl(gateway().url, `${gateway().url}/health`), ...REMOTE, NOT_PUBLIC);
  });
});

describe('the server of a URL', () => {
  const trusting = useGateway({ ...LIMITS, ALLOW_PRIVATE_URLS: 'true' });
  afterEach(() => trusting().expectEmptySpool());
  const left: string[] = [];
  const remote = useWebServer((incoming, response) => {
    const path = incoming.url ?? '';
    response.once('close', () => left.push(path));
    const [, status] = /^\/status\/(\d+)$/.exec(path) ?? [];
    if (status) response.writeHead(Number(status)).end('No.');
    else PAGES[path]?.(response, incoming);
  });
  const chunk = Buffer.alloc(64 * 1024, 7);
  const PAGES: Record<string, (response: ServerResponse, incoming: IncomingMessage) => void> = {
    '/speech.wav': (response) => response.end(speech()),
    '/page': (response) => response.end('<!doctype html>'),
    '/nothing': (response) => response.end(),
    '/moved': (response) => response.writeHead(302, { location: '/speech.wav' }).end(),
    '/loop': (response) => response.writeHead(302, { location: '/loop' }).end(),
    '/to-file': (response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    '/to-nowhere': (response) => response.writeHead(302, { location: 'http://[' }).end(),
    '/without-location': (response) => response.writeHead(302).end(),
    '/hangs-up': (response) => response.destroy(),
    '/breaks-off': (response) => {
      response.writeHead(200, { 'content-length': speech().length }).write(speech().subarray(0, 50_000));
      setTimeout(() => response.destroy(), 100);
    },
    '/says-nothing': () => {},
    '/stands-still': (response) => void response.write(speech().subarray(0, 50_000)),
    '/drips': (response) => {
      const timer = setInterval(() => response.write(speech().subarray(0, 1)), 500);
      response.once('close', () => clearInterval(timer)).write('RIFF');
    },
    '/never-ends': (response) => {
      const pour = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', pour);
      response.write(speech());
      pour();
    },
    '/announces-too-much': (response) => {
      response.writeHead(200, { 'content-length': UPLOAD_BYTES_MAX + 1 }).write(speech());
    },
    '/guarded': (response, { headers }) => {
      const isKnown = headers.authorization === `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
      if (isKnown) response.end(speech());
      else response.writeHead(401).end();
    },
  };
  const fetchOf = (path: string, base = remote().url) => listenToUrl(trusting().url, `${base}${path}`);

  test('gives audio, directly, by a redirect, and for the credentials of the URL', async () => {
    for (const path of ['/speech.wav', '/moved']) expect(bodyOf(await fetchOf(path)).metadata.duration).toBe(11);
    expect((await fetchOf('/guarded', remote().url.replace('//', '//user:p%40ss@'))).status).toBe(200);
  });

  test.each([
    ['/status/404', `${server} returned a client error: 404 Not Found.`],
    ['/status/403', `${server} returned a client error: 403 Forbidden.`],
    ['/guarded', `${server} returned a client error: 401 Unauthorized.`],
    ['/status/500', /^The remote server hosting the media returned a server error: 500 Internal Server Error\.$/],
    ['/status/503', /^The remote server hosting the media returned a server error: 503 Service Unavailable\.$/],
    ['/nothing', `${server} failed to return valid data.`],
    ['/loop', `${server} returned too many redirects.`],
    ['/without-location', `${server} failed to return valid data.`],
    ['/to-nowhere', `${server} failed to return valid data.`],
    ['/to-file', `${server} failed to return valid data.`],
    ['/hangs-up', `${server} failed to return valid data.`],
    ['/breaks-off', `${server} failed to return valid data.`],
  ])('%s', async (path, message) => expectRefusal(await fetchOf(path), ...REMOTE, message));

  test('does not exist', async () => {
    const message = `${server} failed to return valid data.`;
    expectRefusal(await listenToUrl(trusting().url, 'http://127.0.0.1:9/a'), ...REMOTE, message);
    expectRefusal(await listenToUrl(trusting().url, 'http://no-such-host.invalid/a'), ...REMOTE, message);
  });

  test('gives what is no audio', async () => expectRefusal(await fetchOf('/page'), ...CORRUPT_AUDIO));

  test.each(['/says-nothing', '/stands-still', '/drips'])('%s: given up in time, and left', async (path) => {
    const startedMs = performance.now();
    expectRefusal(await fetchOf(path), ...REMOTE, `${server} failed to return valid data.`);
    expect(performance.now() - startedMs).toBeLessThan((FETCH_SECONDS + 2) * 1000);
    await expect.poll(() => left).toContain(path);
  });

  test.each(['/never-ends', '/announces-too-much'])('%s: no more is taken than fits, and it is left', async (path) => {
    expectRefusal(await fetchOf(path), 413, 'PAYLOAD_TOO_LARGE', /\S/);
    await expect.poll(() => left).toContain(path);
  });

  test('is left when the client leaves', async () => {
    left.length = 0;
    const abort = new AbortController();
    const url = `${remote().url}/drips`;
    const answer = listenToUrl(trusting().url, url, { signal: abort.signal }).catch((error: Error) => error.name);
    setTimeout(() => abort.abort(), 300);
    expect(await answer).toBe('AbortError');
    await expect.poll(() => left, { timeout: 1500 }).toContain('/drips');
  });
});

test('every refusal has the names of its request', async () => {
  const answers = [await send({ query: 'punctuate=perhaps' }), await send({}, 'text'), await json('{')];
  expect(new Set(answers.map(expectNames)).size).toBe(3);
});
