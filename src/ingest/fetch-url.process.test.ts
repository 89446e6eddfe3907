// Over real sockets: a server that does what servers of strangers do.
import { createHash } from 'node:crypto';
import type { LookupAddress } from 'node:dns';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { GatewayError } from '../errors.ts';
import { FakeClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { createUrlGuard, type UrlGuard } from '../lib/safe-url.ts';
import { createFetchUrl, type FetchUrl } from './fetch-url.ts';
import { createIngest, type Ingest } from './ingest.ts';
import { type IngestSettings, ingestSettings } from './settings.ts';

const AUDIO = Buffer.alloc(300_000, 'audio ');
const LOOPBACK = [{ address: '127.0.0.1', family: 4 }];

let server: Server;
let origin: string;
let asked: IncomingMessage[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

let directory: string;
let ingest: Ingest;
let clock: FakeClock;
let fetchUrl: FetchUrl;

/** `media.test` is our server by decree; every other name goes the strict way, to what `resolve` says. */
function guardOf(resolve: (name: string) => Promise<LookupAddress[]> = async () => LOOPBACK): UrlGuard {
  const strict = createUrlGuard({ allowPrivate: false, resolve });
  return {
    check: strict.check,
    lookup(name, options, callback) {
      if (name === 'media.test') callback(null, LOOPBACK);
      else strict.lookup(name, options, callback);
    },
  };
}

async function open(settings: Partial<IngestSettings> = {}, guard = guardOf()): Promise<void> {
  const all = { ...ingestSettings.parse({}), ...settings };
  ingest = await createIngest({ settings: all, directory, log: silentLog, clock });
  fetchUrl = createFetchUrl({ settings: all, guard, receive: ingest.receive, clock });
}

const live = new AbortController().signal;
const fetchPath = (path: string) => fetchUrl(`${origin}${path}`, live);
const failure = (fetching: Promise<unknown>): Promise<GatewayError> =>
  fetching.then(
    () => expect.fail('it was fetched'),
    (error) => {
      expect(error).toBeInstanceOf(GatewayError);
      return error;
    },
  );

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://media.test:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

beforeEach(async () => {
  asked = [];
  answer = (_request, response) => response.end(AUDIO);
  clock = new FakeClock();
  directory = await mkdtemp(join(tmpdir(), 'fetch-url-test-'));
  await open();
});
afterEach(async () => {
  server.closeAllConnections();
  expect(clock.pendingCount).toBe(0);
  await ingest.close();
  await rm(directory, { recursive: true });
});

describe('a file', () => {
  test('arrives whole, hashed, in the spool', async () => {
    const recording = await fetchPath('/a.wav?x=1');
    expect(recording.sha256).toBe(createHash('sha256').update(AUDIO).digest('hex'));
    expect(recording.bytes).toBe(AUDIO.length);
    expect(await readFile(await recording.stored.path())).toEqual(AUDIO);
    expect(asked.map(({ method, url }) => [method, url])).toEqual([['GET', '/a.wav?x=1']]);
    await recording.release();
    expect(await readdir(directory)).toEqual([]);
  });

  test('is asked for as it is, and stored as it came when the server compresses it all the same', async () => {
    const compressed = gzipSync(Buffer.alloc(50_000_000));
    answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(compressed);
    expect((await fetchPath('/bomb')).bytes).toBe(compressed.length);
    expect(asked[0]?.headers['accept-encoding']).toBe('identity');
  });

  test('is asked for with the credentials of its URL', async () => {
    await fetchUrl(origin.replace('//', '//user:secret@'), live);
    expect(asked[0]?.headers.authorization).toBe(`Basic ${Buffer.from('user:secret').toString('base64')}`);
    expect(asked[0]?.headers.host).toBe(new URL(origin).host);
  });
});

describe('redirects', () => {
  test.each([301, 302, 303, 307, 308])('%i is followed', async (status) => {
    answer = (request, response) => {
      if (request.url === '/to/b.wav') response.end(AUDIO);
      else response.writeHead(status, { location: '../to/b.wav' }).end('moved');
    };
    expect((await fetchPath('/from/a.wav')).bytes).toBe(AUDIO.length);
  });

  test('credentials stay with their server', async () => {
    const elsewhere = createServer((request, response) => {
      asked.push(request);
      response.end(AUDIO);
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const other = `http://media.test:${(elsewhere.address() as AddressInfo).port}/`;
    answer = (request, response) =>
      response.writeHead(302, { location: request.url === '/first' ? '/second' : other }).end();
    await fetchUrl(`${origin.replace('//', '//user:secret@')}/first`, live);
    expect(asked.map(({ headers }) => headers.authorization !== undefined)).toEqual([true, true, false]);
    elsewhere.closeAllConnections();
    elsewhere.close();
  });

  test('are followed five times, not six', async () => {
    answer = (request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end(AUDIO);
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    };
    expect((await fetchPath('/5')).bytes).toBe(AUDIO.length);
    asked = [];
    expect(await failure(fetchPath('/6'))).toMatchObject({
      code: 'url-unreachable',
      remoteFault: { kind: 'too-many-redirects' },
    });
    expect(asked.length).toBe(6);
  });

  test('a loop ends', async () => {
    answer = (_request, response) => response.writeHead(302, { location: '' }).end();
    expect(await failure(fetchPath('/'))).toMatchObject({ remoteFault: { kind: 'too-many-redirects' } });
  });

  test.each([
    'http://127.0.0.1:1/',
    'http://[::ffff:127.0.0.1]/',
    '//2130706433/',
    'http://169.254.169.254/latest/meta-data',
    'http://inside.test/',
  ])('to %s are forbidden', async (location) => {
    answer = (_request, response) => response.writeHead(302, { location }).end();
    expect(await failure(fetchPath('/'))).toMatchObject({ code: 'url-forbidden' });
    expect(asked.length).toBe(1);
  });

  test.each(['file:///etc/passwd', 'http://', 'data:audio/wav;base64,AAAA'])(
    'to %s are a fault of the server',
    async (location) => {
      answer = (_request, response) => response.writeHead(302, { location }).end();
      expect(await failure(fetchPath('/'))).toMatchObject({
        code: 'url-unreachable',
        remoteFault: { kind: 'invalid-data' },
      });
    },
  );

  test('to our own server are not followed by its address', async () => {
    const { port } = server.address() as AddressInfo;
    answer = (_request, response) => response.writeHead(302, { location: `http://127.0.0.1:${port}/secret` }).end();
    expect(await failure(fetchPath('/'))).toMatchObject({ code: 'url-forbidden' });
    expect(asked.map(({ url }) => url)).toEqual(['/']);
  });
});

describe('addresses', () => {
  const port = () => new URL(origin).port;

  test('a name that resolves to a private one is never connected to', async () => {
    expect(await failure(fetchUrl(`http://inside.test:${port()}/`, live))).toMatchObject({ code: 'url-forbidden' });
    expect(await failure(fetchUrl(`http://127.0.0.1:${port()}/`, live))).toMatchObject({ code: 'url-forbidden' });
    expect(asked).toEqual([]);
  });

  test('a name that changes is judged by the very answer that each connection uses', async () => {
    const answers = [[{ address: '1.1.1.1', family: 4 }], LOOPBACK];
    const strict = createUrlGuard({ allowPrivate: false, resolve: async () => answers.shift() ?? [] });
    const connectedTo: unknown[] = [];
    await open(
      {},
      {
        check: strict.check,
        lookup: (name, options, callback) =>
          strict.lookup(name, options, (error, addresses) => {
            if (!error) connectedTo.push(addresses);
            callback(error, error ? '' : LOOPBACK); // our server plays the public one
          }),
      },
    );
    answer = (_request, response) => response.writeHead(302, { location: '/again', connection: 'close' }).end();
    expect(await failure(fetchUrl(`http://changing.test:${port()}/`, live))).toMatchObject({ code: 'url-forbidden' });
    expect(connectedTo).toEqual([[{ address: '1.1.1.1', family: 4 }]]);
    expect(asked.map(({ url }) => url)).toEqual(['/']);
  });

  test('a name nobody knows, a port nobody listens on', async () => {
    await open(
      {},
      guardOf(async () => Promise.reject(Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' }))),
    );
    expect(await failure(fetchUrl('http://nowhere.test/', live))).toMatchObject({
      code: 'url-unreachable',
      remoteFault: { kind: 'invalid-data' },
    });
    expect(await failure(fetchUrl('http://media.test:1/', live))).toMatchObject({ code: 'url-unreachable' });
    expect(await failure(fetchUrl('no URL', live))).toMatchObject({ code: 'url-invalid' });
  });
});

describe('servers that fail', () => {
  test.each([
    [404, { kind: 'client-error', status: '404 Not Found' }],
    [403, { kind: 'client-error', status: '403 Forbidden' }],
    [499, { kind: 'client-error', status: '499' }],
    [502, { kind: 'server-error', status: '502 Bad Gateway' }],
    [304, { kind: 'invalid-data' }],
    [302, { kind: 'invalid-data' }],
    [204, { kind: 'invalid-data' }],
  ])('%i', async (status, remoteFault) => {
    answer = (_request, response) => response.writeHead(status, 'Its <b>own</b> words').end();
    const error = await failure(fetchPath('/'));
    expect(error).toMatchObject({ code: 'url-unreachable', status: 400, remoteFault });
    expect(error.message).not.toContain('<b>');
  });

  test('a long error page is not read', async () => {
    answer = (_request, response) => response.writeHead(500, { 'content-length': 1e12 }).write('sorry '.repeat(10_000));
    expect(await failure(fetchPath('/'))).toMatchObject({ remoteFault: { kind: 'server-error' } });
  });

  test('an empty file', async () => {
    answer = (_request, response) => response.end();
    expect(await failure(fetchPath('/'))).toMatchObject({ remoteFault: { kind: 'invalid-data' } });
    expect(await readdir(directory)).toEqual([]);
  });

  test('a body that breaks off', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': AUDIO.length * 2 });
      response.write(AUDIO, () => response.destroy());
    };
    expect(await failure(fetchPath('/'))).toMatchObject({ remoteFault: { kind: 'invalid-data' } });
    expect(await readdir(directory)).toEqual([]);
  });

  test('a body that drips ends with its time, however it drips', async () => {
    await open({ URL_FETCH_SECONDS_MAX: 60 });
    let drip: NodeJS.Timeout | undefined;
    answer = (_request, response) => {
      drip = setInterval(() => response.write('.'), 5);
    };
    const fetching = failure(fetchPath('/'));
    await expect.poll(() => ingest.spoolBytes()).toBeGreaterThan(3);
    await clock.advance(59_999);
    expect(ingest.spoolBytes()).toBeGreaterThan(3);
    await clock.advance(1);
    expect(await fetching).toMatchObject({ code: 'url-unreachable', remoteFault: { kind: 'invalid-data' } });
    expect(await readdir(directory)).toEqual([]);
    clearInterval(drip);
  });

  test('a server that says nothing ends with the idle time', async () => {
    await open({ UPLOAD_IDLE_SECONDS: 0.2 });
    answer = () => {};
    expect(await failure(fetchPath('/'))).toMatchObject({ remoteFault: { kind: 'invalid-data' } });
    answer = (_request, response) => response.write('RIFF');
    expect(await failure(fetchPath('/'))).toMatchObject({ remoteFault: { kind: 'invalid-data' } });
    expect(await readdir(directory)).toEqual([]);
  });

  test('a body without end stops at the limit', async () => {
    await open({ UPLOAD_BYTES_MAX: 1_000_000 });
    let sent = 0;
    answer = (_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(AUDIO)) sent += AUDIO.length;
      };
      response.on('drain', more);
      more();
    };
    expect(await failure(fetchPath('/'))).toMatchObject({ code: 'body-too-large', status: 413 });
    expect(sent).toBeLessThan(50_000_000);
    expect(await readdir(directory)).toEqual([]);
  });

  test('a length that is too large is refused before the body', async () => {
    answer = (_request, response) => response.writeHead(200, { 'content-length': 3 * 1024 ** 3 }).flushHeaders();
    expect(await failure(fetchPath('/'))).toMatchObject({ code: 'body-too-large' });
  });

  test('a disk that is full is not the server’s fault', async () => {
    await open({ SPOOL_BYTES_MAX: 1000 });
    expect(await failure(fetchPath('/'))).toMatchObject({ code: 'disk-full' });
  });
});

describe('what is no HTTP', () => {
  let strange: TcpServer;
  let sockets: Socket[];
  let strangeUrl: string;
  let say: (socket: Socket) => void;
  beforeAll(async () => {
    sockets = [];
    strange = createTcpServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.once('data', () => say(socket));
    });
    await new Promise<void>((resolve) => strange.listen(0, '127.0.0.1', resolve));
    strangeUrl = `http://media.test:${(strange.address() as AddressInfo).port}/`;
  });
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    strange.close();
  });

  test.each([
    ['rubbish', (socket: Socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n')],
    ['nothing', (socket: Socket) => socket.end()],
    ['headers without end', (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(200_000)}`)],
    ['two locations', (socket: Socket) => socket.write('HTTP/1.1 302 Found\r\nlocation: /a\r\nlocation: /b\r\n\r\n')],
    [
      'two lengths',
      (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 9\r\n\r\na'),
    ],
    ['a switch of protocol', (socket: Socket) => socket.write('HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n')],
    ['a bad chunk', (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n')],
  ])('%s', async (_name, speak) => {
    say = speak;
    expect(await failure(fetchUrl(strangeUrl, live))).toMatchObject({
      code: 'url-unreachable',
      remoteFault: { kind: 'invalid-data' },
    });
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('callers who leave', () => {
  test.each(['before', 'while the server thinks', 'in the middle of the body'])('%s', async (when) => {
    const caller = new AbortController();
    const reason = new Error('left');
    if (when === 'before') caller.abort(reason);
    answer = (_request, response) => {
      if (when !== 'while the server thinks') response.write(AUDIO);
    };
    const fetching = fetchUrl(origin, caller.signal);
    if (when === 'while the server thinks') await expect.poll(() => asked.length).toBe(1);
    if (when === 'in the middle of the body') await expect.poll(() => ingest.spoolBytes()).toBeGreaterThan(0);
    caller.abort(reason);
    await expect(fetching).rejects.toBe(reason);
    expect(await readdir(directory)).toEqual([]);
    await expect.poll(() => asked.every(({ socket }) => socket.destroyed)).toBe(true);
  });

  test('while a name is looked up: nobody waits for it', async () => {
    await open(
      {},
      guardOf(() => new Promise(() => {})),
    );
    const caller = new AbortController();
    const fetching = fetchUrl('http://slow.test/', caller.signal);
    setImmediate(() => caller.abort(new Error('left')));
    await expect(fetching).rejects.toThrow('left');
  }, 3000); // a connection may take ten seconds
});
