import { mkdir, mkdtemp, open as openFile, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { KeyvSqlite } from '@keyv/sqlite';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeClock } from '../lib/clock.ts';
import type { Transcript } from '../transcript/transcript.ts';
import { type Cache, openCache } from './cache.ts';
import { type CacheSettings, cacheSettings } from './settings.ts';

const DAY_MS = 24 * 3_600_000;

const defaults = cacheSettings.parse({});
const memoryOff = { CACHE_MEMORY_BYTES: 0 };

let parent: string;
let directory: string;
let path: string;
let clock: FakeClock;
let logged: { level: number; msg: string; err?: unknown }[];
let opened: Cache[];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'cache-test-'));
  directory = join(parent, 'cache');
  path = join(directory, 'transcripts.sqlite');
  clock = new FakeClock();
  await clock.advance(1);
  logged = [];
  opened = [];
});
afterEach(async () => {
  vi.useRealTimers();
  for (const cache of opened) await cache.close();
  await rm(parent, { recursive: true, force: true });
});

const log = pino({ level: 'warn' }, { write: (line: string) => logged.push(JSON.parse(line)) });

async function open(settings: Partial<CacheSettings> = {}): Promise<Cache> {
  const cache = await openCache({ settings: { ...defaults, ...settings }, directory, log, clock });
  opened.push(cache);
  return cache;
}

function transcript(name: string, segmentCount = 1): Transcript {
  const words = ['Grüße', '“東京”', '🙂'].map((text, index) => ({
    text,
    startMs: index * 300,
    endMs: index * 300 + 250,
    probability: 0.75,
  }));
  const pieces = words.map(({ text, probability }) => ({ text: ` ${text}`, probability }));
  const segment = {
    startMs: 0,
    endMs: 900,
    text: ` ${name} \n"quoted" \\ 🙂`,
    tokenIds: [1, 2, 50_257],
    pieces,
    words,
    temperature: 0,
    avgLogprob: -0.25,
    noSpeechProbability: 0.01,
  };
  const segments = Array.from({ length: segmentCount }, () => structuredClone(segment));
  return { task: 'transcribe', model: 'base', language: 'de', durationMs: 900, segments, diagnostics: [] };
}

/**
 * What another program finds and leaves in the file. Only while the cache is closed: two SQLite libraries in one process
 * do not see each other's locks.
 */
function inFile<Result>(work: (database: DatabaseSync) => Result): Result {
  const database = new DatabaseSync(path);
  try {
    return work(database);
  } finally {
    database.close();
  }
}
const keysInFile = () =>
  inFile((database) => database.prepare('SELECT key FROM keyv ORDER BY rowid').all()).map(({ key }) => key);

async function rememberAndClose(
  keys: string[],
  settings: Partial<CacheSettings> = {},
  segmentCount = 1,
): Promise<void> {
  const cache = await open(settings);
  for (const key of keys) await cache.remember(key, transcript(key, segmentCount));
  await cache.close();
}

const filesBeside = async () => (await readdir(directory)).sort();
const damagedFiles = async () => (await filesBeside()).filter((name) => name.includes('.damaged-'));

describe('in memory', () => {
  test('what was remembered is recalled at once, the very same object, unchangeable all the way down', async () => {
    const cache = await open();
    const remembered = transcript('one');
    await cache.remember('k', remembered);
    const recalled = await cache.recall('k');
    expect(recalled).toBe(remembered);
    expect(recalled).toEqual(transcript('one'));
    expect(() => Object.assign(recalled?.segments[0]?.words[0] ?? {}, { text: 'changed' })).toThrow(TypeError);
    expect(() => recalled?.segments.pop()).toThrow(TypeError);
    expect(await cache.recall('other')).toBeUndefined();
    expect(await cache.status()).toMatchObject({ memory: { entries: 1 }, hits: 1, misses: 1 });
  });

  test('is bounded in bytes: the least recently used goes first', async () => {
    const entryBytes = Buffer.byteLength(JSON.stringify(transcript('a')));
    const cache = await open({ CACHE_MEMORY_BYTES: entryBytes * 2, CACHE_DISK_BYTES: 0 });
    await cache.remember('a', transcript('a'));
    await cache.remember('b', transcript('b'));
    await cache.recall('a');
    await cache.remember('c', transcript('c'));
    expect(await cache.recall('a')).toBeDefined();
    expect(await cache.recall('b')).toBeUndefined();
    expect(await cache.recall('c')).toBeDefined();
    expect((await cache.status()).memory).toEqual({ entries: 2, bytes: entryBytes * 2 });
  });

  test('one transcript larger than the bound pushes nothing out', async () => {
    const cache = await open({ CACHE_MEMORY_BYTES: 5000, CACHE_DISK_BYTES: 0 });
    await cache.remember('small', transcript('small'));
    await cache.remember('large', transcript('large', 100));
    expect(await cache.recall('large')).toBeUndefined();
    expect(await cache.recall('small')).toBeDefined();
  });

  test('is bounded in age', async () => {
    const cache = await open({ CACHE_AGE_SECONDS: 60, CACHE_DISK_BYTES: 0 });
    await cache.remember('k', transcript('one'));
    await clock.advance(59_000);
    expect(await cache.recall('k')).toBeDefined();
    await clock.advance(2000);
    expect(await cache.recall('k')).toBeUndefined();
  });

  test('a later transcript replaces an earlier one, on disk too', async () => {
    const cache = await open();
    await cache.remember('k', transcript('one'));
    await cache.remember('k', transcript('two'));
    expect(await cache.recall('k')).toEqual(transcript('two'));
    await cache.close();
    expect(await (await open()).recall('k')).toEqual(transcript('two'));
  });
});

describe('on disk', () => {
  test('close writes what waits, and a new start recalls it, equal and frozen', async () => {
    await rememberAndClose(['a', 'b']);
    expect(await filesBeside()).toEqual(['transcripts.sqlite']);
    const cache = await open();
    const recalled = await cache.recall('a');
    expect(recalled).toEqual(transcript('a'));
    expect(Object.isFrozen(recalled?.segments[0]?.words)).toBe(true);
    expect(await cache.recall('a')).toBe(recalled);
    expect(await cache.status()).toMatchObject({ memory: { entries: 1 }, disk: { entries: 2 }, hits: 2, misses: 0 });
    expect(logged).toEqual([]);
  });

  test('many callers read and write at once', async () => {
    await rememberAndClose(Array.from({ length: 50 }, (_, index) => `old ${index}`));
    const cache = await open(memoryOff);
    const recalled = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        await cache.remember(`new ${index}`, transcript(`new ${index}`));
        return cache.recall(`old ${index % 50}`);
      }),
    );
    expect(recalled.map((one) => one?.segments[0]?.text)).toEqual(
      recalled.map((_, index) => transcript(`old ${index % 50}`).segments[0]?.text),
    );
    await cache.close();
    expect(keysInFile()).toHaveLength(250);
  });

  test('closed, or closed twice, it misses and fails nobody', async () => {
    const cache = await open(memoryOff);
    await cache.remember('k', transcript('one'));
    await Promise.all([cache.close(), cache.close()]);
    await cache.remember('l', transcript('two'));
    expect(await cache.recall('k')).toBeUndefined();
    expect((await cache.status()).disk).toBeNull();
    expect(clock.pendingCount).toBe(0);
    expect(keysInFile()).toEqual(['k']);
    expect(logged).toEqual([]);
  });

  test('an entry refreshed while the disk is read is not overwritten by what was read', async () => {
    await rememberAndClose(['k']);
    const cache = await open();
    const recalling = cache.recall('k');
    await cache.remember('k', transcript('newer'));
    await recalling;
    expect(await cache.recall('k')).toEqual(transcript('newer'));
  });

  test('a read that is under way when it closes still ends', async () => {
    await rememberAndClose(['k']);
    const cache = await open();
    const [recalled] = await Promise.all([cache.recall('k'), cache.close()]);
    expect(recalled).toEqual(transcript('k'));
  });

  test('is bounded in bytes: the file shrinks by its oldest entries, and one refreshed counts as new', async () => {
    const bound = 400_000;
    const settings = { CACHE_DISK_BYTES: bound };
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2030, 0, 1) });
    const cache = await open(settings);
    const remember = async (key: string) => {
      vi.setSystemTime(Date.now() + 1000);
      await cache.remember(key, transcript(key, 200));
    };
    await remember('first');
    await remember('second');
    await remember('first');
    for (let index = 0; index < 4; index++) await remember(`more ${index}`);
    await cache.close();
    const { size } = await stat(path);
    expect(size).toBeLessThanOrEqual(bound);
    expect(size).toBeGreaterThan(bound / 2);
    const kept = keysInFile();
    expect(kept).not.toContain('second');
    expect(kept).toContain('more 3');
    const newestFirst = ['more 3', 'more 2', 'more 1', 'more 0', 'first', 'second'];
    expect([...kept].sort()).toEqual(newestFirst.slice(0, kept.length).sort());
  });

  test('a bound that was lowered holds after the next write', async () => {
    await rememberAndClose(
      Array.from({ length: 20 }, (_, index) => `k${index}`),
      {},
      200,
    );
    await rememberAndClose(['new'], { CACHE_DISK_BYTES: 300_000 }, 200);
    expect((await stat(path)).size).toBeLessThanOrEqual(300_000);
    expect(keysInFile()).toContain('new');
  });

  test('one transcript larger than the bound is not written and pushes nothing out', async () => {
    const settings = { CACHE_DISK_BYTES: 100_000 };
    await rememberAndClose(['small'], settings);
    await rememberAndClose(['large'], settings, 500);
    expect(keysInFile()).toEqual(['small']);
  });

  test('an entry past its age is a miss, and one read from disk ages on in memory', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2030, 0, 1) });
    const wait = async (byMs: number) => {
      vi.setSystemTime(Date.now() + byMs);
      await clock.advance(byMs);
    };
    await rememberAndClose(['k'], { CACHE_AGE_SECONDS: 3000 });
    await wait(2_000_000);
    const cache = await open({ CACHE_AGE_SECONDS: 3000 });
    expect(await cache.recall('k')).toBeDefined();
    await wait(999_000);
    expect(await cache.recall('k')).toBeDefined();
    await wait(2000);
    expect(await cache.recall('k')).toBeUndefined();
  });

  test('what is past its age is deleted at the start, every hour, and when the age was lowered', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2030, 0, 1) });
    const old = Array.from({ length: 150 }, (_, index) => `old ${index}`);
    await rememberAndClose(old);
    vi.setSystemTime(Date.now() + 20 * DAY_MS);
    await rememberAndClose(['young']);
    vi.setSystemTime(Date.now() + 11 * DAY_MS);
    await rememberAndClose([]);
    expect(keysInFile()).toEqual(['young']);

    const cache = await open();
    vi.setSystemTime(Date.now() + 20 * DAY_MS);
    await clock.advance(3_600_000);
    await cache.close();
    expect(keysInFile()).toEqual([]);

    await rememberAndClose(['kept a month']);
    await rememberAndClose(['kept an hour'], { CACHE_AGE_SECONDS: 3600 });
    expect(keysInFile()).toEqual(['kept an hour']);
  });
});

describe('a damaged entry is a miss and is deleted', () => {
  const expires = String(Date.now() + DAY_MS);
  const complete = JSON.stringify(transcript('k'));
  test.each([
    ['cut off', expires + complete.slice(0, -20)],
    ['of another shape', `${expires} {"task":"transcribe"}`],
    ['with a number that JSON could not hold', `${expires} ${complete.replace('0.75', 'null')}`],
    ['with an unknown task', `${expires} ${complete.replace('transcribe', 'sing')}`],
    ['with nothing after its time', expires],
    ['null', `${expires} null`],
    ['empty', ''],
    ['without a time', complete],
    ['in bytes', new Uint8Array([0xff, 0x00, 0xfe])],
  ])('%s', async (_, value) => {
    await rememberAndClose(['k', 'sound']);
    inFile((database) => database.prepare("UPDATE keyv SET value = ? WHERE key = 'k'").run(value));
    const cache = await open();
    expect(await cache.recall('k')).toBeUndefined();
    expect(await cache.recall('sound')).toBeDefined();
    await cache.close();
    expect(keysInFile()).toEqual(['sound']);
    expect(await damagedFiles()).toEqual([]);
  });
});

describe('a damaged file is set aside and the cache works on', () => {
  async function expectToWorkOn(): Promise<void> {
    const cache = await open(memoryOff);
    await cache.remember('new', transcript('new'));
    await cache.close();
    expect(await (await open()).recall('new')).toEqual(transcript('new'));
  }

  test.each([1, 50, 100, 511, 1000, 4095, 4096, 5000, 8192, 30_000])('cut off after %i bytes', async (bytes) => {
    await rememberAndClose(['a', 'b', 'c'], {}, 100);
    await truncate(path, bytes);
    await expectToWorkOn();
  });

  test.each([
    ['text', 'this is no database\n'.repeat(500)],
    ['zeros', Buffer.alloc(20_000)],
    ['noise', Buffer.from(Array.from({ length: 20_000 }, (_, index) => (index * 7919 + (index >> 3) * 31) % 251))],
    ['a header and nothing behind it', `SQLite format 3\0${'x'.repeat(9000)}`],
  ])('filled with %s', async (_, content) => {
    await mkdir(directory);
    await writeFile(path, content);
    await expectToWorkOn();
    expect(await damagedFiles()).toHaveLength(1);
    expect(await readFile(join(directory, (await damagedFiles())[0] ?? ''))).toEqual(Buffer.from(content));
    expect(logged).toMatchObject([{ level: 40, msg: expect.stringContaining('damaged') }]);
  });

  test.each([
    'CREATE TABLE keyv (name TEXT, amount INTEGER)',
    'CREATE VIEW keyv AS SELECT 1 AS key, 2 AS value',
    'CREATE TABLE keyv (key TEXT, value TEXT)',
    'CREATE TABLE keyv (key TEXT PRIMARY KEY, value TEXT, more TEXT NOT NULL)',
    'CREATE TABLE keyv (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID',
  ])('of another program: %s', async (schema) => {
    await mkdir(directory);
    inFile((database) => database.exec(schema));
    const cache = await open(memoryOff);
    await cache.remember('first', transcript('first')); // The write may be what finds the damage.
    await cache.close();
    await expectToWorkOn();
    expect(await damagedFiles()).toHaveLength(1);
  });

  test('whichever page was overwritten, before the start or while it runs', async () => {
    await rememberAndClose(['a', 'b', 'c', 'd'], {}, 20);
    const sound = await readFile(path);
    for (let page = 0; page < sound.length / 4096; page++) {
      const damaged = Buffer.from(sound);
      damaged.fill(0xa5, page * 4096, (page + 1) * 4096);
      for (const name of await readdir(directory)) await rm(join(directory, name));
      await writeFile(path, damaged);
      const cache = await open(memoryOff);
      for (const key of ['a', 'b', 'c', 'd']) {
        const recalled = await cache.recall(key);
        if (recalled) expect(recalled).toEqual(transcript(key, 20));
      }
      await cache.remember('new', transcript('new'));
      await cache.close();
      await rememberAndClose(['newer']);
      const again = await open();
      expect(await again.recall('newer')).toEqual(transcript('newer'));
      await again.close();
    }
  });

  test('many readers that meet the same damage replace the file once', async () => {
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    await rememberAndClose(keys, {}, 100);
    const cache = await open(memoryOff);
    const { size } = await stat(path);
    const file = await openFile(path, 'r+');
    await file.write(Buffer.alloc(size - 20_480, 0xa5), 0, size - 20_480, 20_480);
    await file.close();
    await Promise.all(keys.map((key) => cache.recall(key)));
    await cache.remember('new', transcript('new'));
    await cache.close();
    expect(await damagedFiles()).toHaveLength(1);
    expect(keysInFile()).toEqual(['new']);
  });

  test('a byte of the header changed', async () => {
    await rememberAndClose(['a']);
    const sound = await readFile(path);
    for (const offset of [0, 16, 18, 19, 20, 21, 24, 28, 32, 36, 44, 47, 52, 56, 60, 64, 96]) {
      const damaged = Buffer.from(sound);
      damaged[offset] = (damaged[offset] ?? 0) ^ 0x55;
      for (const name of await readdir(directory)) await rm(join(directory, name));
      await writeFile(path, damaged);
      await rememberAndClose(['first']); // The write may be what finds the damage.
      await rememberAndClose(['b']);
      const again = await open(memoryOff);
      expect(await again.recall('b'), `byte ${offset}`).toEqual(transcript('b'));
      await again.close();
    }
  });

  test('only the newest damaged files are kept', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2030, 0, 1) });
    for (let count = 0; count < 5; count++) {
      vi.setSystemTime(Date.now() + 1000);
      await mkdir(directory, { recursive: true });
      await writeFile(path, `not a database, number ${count}`);
      await (await open()).close();
    }
    expect(await damagedFiles()).toEqual([
      'transcripts.sqlite.damaged-2030-01-01T00-00-04.000Z',
      'transcripts.sqlite.damaged-2030-01-01T00-00-05.000Z',
    ]);
  });

  test('a log left behind by the damaged file does not reach the new one', async () => {
    await mkdir(directory);
    await writeFile(path, 'not a database');
    await writeFile(`${path}-wal`, Buffer.alloc(5000, 7));
    await expectToWorkOn();
    expect((await readFile(path)).subarray(0, 15).toString()).toBe('SQLite format 3');
  });
});

describe('when the disk cannot be used', () => {
  test('a folder that cannot be made: one warning, memory only', async () => {
    await writeFile(directory, 'a file where the folder should be');
    const cache = await open();
    await cache.remember('k', transcript('one'));
    expect(await cache.recall('k')).toEqual(transcript('one'));
    expect(await cache.recall('other')).toBeUndefined();
    expect((await cache.status()).disk).toBeNull();
    await cache.close();
    expect(logged).toMatchObject([{ level: 40, msg: 'The cache is held in memory only.' }]);
  });

  test('a folder in place of the file: one warning, memory only', async () => {
    await mkdir(path, { recursive: true });
    const cache = await open();
    await cache.remember('k', transcript('one'));
    expect(await cache.recall('k')).toBeDefined();
    expect(logged).toHaveLength(1);
  });

  test('a file that another program has locked: requests go on, one warning a minute, and it is not set aside', async () => {
    const cache = await open();
    const other = new KeyvSqlite(`sqlite://${path}`);
    await other.query('BEGIN IMMEDIATE');
    await cache.remember('a', transcript('a'));
    await cache.remember('b', transcript('b'));
    expect(await cache.recall('a')).toBeDefined();
    await vi.waitFor(() => expect(logged).toHaveLength(1), 4000);
    await other.query('ROLLBACK');
    await other.close();
    await cache.remember('c', transcript('c'));
    await cache.close();
    expect(logged).toMatchObject([{ err: { code: 'SQLITE_BUSY' } }]);
    expect(keysInFile()).toContain('c');
    expect(await damagedFiles()).toEqual([]);
  });
});

describe('switched off', () => {
  test('CACHE=false keeps nothing anywhere', async () => {
    const cache = await open({ CACHE: false });
    await cache.remember('k', transcript('one'));
    expect(await cache.recall('k')).toBeUndefined();
    expect(await cache.status()).toEqual({ memory: { entries: 0, bytes: 0 }, disk: null, hits: 0, misses: 1 });
    await cache.close();
    expect(await readdir(parent)).toEqual([]);
  });

  test('CACHE_DISK_BYTES=0 keeps it in memory, CACHE_MEMORY_BYTES=0 on disk', async () => {
    const inMemory = await open({ CACHE_DISK_BYTES: 0 });
    await inMemory.remember('k', transcript('one'));
    expect(await inMemory.recall('k')).toBeDefined();
    expect(await readdir(parent)).toEqual([]);

    const onDisk = await open(memoryOff);
    await onDisk.remember('k', transcript('one'));
    await onDisk.close();
    const reopened = await open(memoryOff);
    expect(await reopened.recall('k')).toBeDefined();
    expect((await reopened.status()).memory.entries).toBe(0);
  });
});
