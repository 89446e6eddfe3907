import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, stat, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeClock, settle } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { CATALOGUE } from './catalogue.ts';
import type { Download } from './downloads.ts';
import { DIMENSIONS, modelFile, putModel } from './model-file.cases.ts';
import { modelsSettings } from './settings.ts';
import { createModelStore, type ModelStore } from './store.ts';

type DownloadOptions = Parameters<Download>[0];

/** Downloads that a test finishes, or not, by hand. */
class FakeDownloads {
  asked: DownloadOptions[] = [];
  #settlers: { resolve(): void; reject(error: Error): void }[] = [];

  readonly download: Download = async (options) => {
    this.asked.push(options);
    await new Promise<void>((resolve, reject) => {
      this.#settlers.push({ resolve, reject });
      options.signal?.addEventListener('abort', () => reject(options.signal?.reason));
    });
    await writeFile(options.target, modelFile({}, options.target));
    await options.verify?.(options.target);
    return { source: 'fake', sha256: 'f'.repeat(64), bytes: (await stat(options.target)).size };
  };

  get names() {
    return this.asked.map(({ target }) => /ggml-(.+)\.bin$/.exec(target)?.[1]);
  }

  finish(index: number) {
    this.#settlers[index]?.resolve();
  }

  async fail(index: number, reason = 'no source delivered it') {
    this.#settlers[index]?.reject(new Error(reason));
    await settle();
  }
}

let directory: string;
let clock: FakeClock;
let downloads: FakeDownloads;
const opened: ModelStore[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'models-'));
  clock = new FakeClock();
  downloads = new FakeDownloads();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()));
  await rm(directory, { recursive: true, force: true });
});

async function openStore(
  settings: Record<string, string> = {},
  machine: 'cpu' | 'gpu' = 'cpu',
  deviceMemoryMb = 100_000,
) {
  const store = await createModelStore({
    settings: modelsSettings.parse({ MODELS_DIR: directory, ...settings }),
    log: silentLog,
    download: downloads.download,
    machine,
    deviceMemoryMb,
    clock,
  });
  opened.push(store);
  return store;
}

describe('files in the folder', () => {
  it('serves one that was dropped in under its own name, at once', async () => {
    const store = await openStore();
    await putModel(directory, 'My-Model', DIMENSIONS.medium);
    expect(await store.resolve('My-Model', 'transcribe')).toMatchObject({
      name: 'My-Model',
      path: join(directory, 'ggml-My-Model.bin'),
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      rank: 3,
      translates: true,
    });
    expect((await store.resolve('ggml-My-Model.bin', 'transcribe')).name).toBe('My-Model');
  });

  it('makes the folder when there is none', async () => {
    await rm(directory, { recursive: true });
    expect(await (await openStore()).defaultModel()).toBeUndefined();
  });

  it('has none while the folder is gone', async () => {
    await putModel(directory, 'tiny');
    const store = await openStore();
    await rm(directory, { recursive: true });
    await clock.advance(2000);
    expect(await store.defaultInstalled()).toBeUndefined();
    expect((await store.list()).filter((row) => row.installed)).toEqual([]);
    await mkdir(directory);
    await putModel(directory, 'base');
    expect((await store.resolve('base', 'transcribe')).name).toBe('base');
  });

  it('ignores what is no model', async () => {
    await writeFile(join(directory, 'ggml-broken.bin'), 'not found');
    await writeFile(join(directory, 'ggml-part.bin.part'), modelFile());
    await mkdir(join(directory, 'ggml-folder.bin'));
    const store = await openStore();
    expect((await store.list()).filter((row) => row.installed)).toEqual([]);
    await expect(store.resolve('broken', 'transcribe')).rejects.toMatchObject({ code: 'model-unknown' });
  });

  it('judges a file that only bears a published name by its content', async () => {
    await putModel(directory, 'base', DIMENSIONS.turbo);
    expect(await (await openStore()).resolve('base', 'transcribe')).toMatchObject({ rank: 4, translates: false });
  });

  it('knows that a distilled model understands English only, whatever its vocabulary', async () => {
    const path = await putModel(directory, 'distil-large-v3', DIMENSIONS.distilLargeV3);
    await truncate(path, CATALOGUE.get('distil-large-v3')?.bytes ?? 0);
    const store = await openStore();
    expect(await store.defaultInstalled()).toMatchObject({ name: 'distil-large-v3', multilingual: false });
    expect((await store.find('distil-large-v3'))?.languages).toEqual(['en']);
  });

  it('notices that a file was replaced, and that it is gone', async () => {
    await putModel(directory, 'mine', {}, 'one');
    const store = await openStore();
    const first = await store.resolve('mine', 'transcribe');
    await putModel(directory, 'mine', DIMENSIONS.medium, 'two!');
    await clock.advance(2000);
    const second = await store.resolve('mine', 'transcribe');
    expect(second.digest).not.toBe(first.digest);
    expect(second.rank).toBe(3);
    await unlink(second.path);
    await clock.advance(2000);
    await expect(store.resolve('mine', 'transcribe')).rejects.toMatchObject({ code: 'model-unknown' });
  });

  it.each<[string, (path: string) => Promise<unknown>]>([
    ['went away', (path) => unlink(path)],
    ['grew', (path) => writeFile(path, modelFile({}, 'more weights'))],
  ])('does not serve one that %s since it was listed', async (what, change) => {
    const path = await putModel(directory, 'mine');
    const store = await openStore();
    await store.list();
    await change(path);
    await expect(store.resolve('mine', 'transcribe')).rejects.toMatchObject({
      code: 'model-not-ready',
      retryAfterSeconds: 5,
      message: expect.not.stringContaining(directory),
    });
    // By now it has looked again.
    expect((await store.find('mine'))?.installed).toBe(what === 'grew' ? true : undefined);
  });

  it('takes ranks from the settings', async () => {
    await putModel(directory, 'mine', DIMENSIONS.medium);
    const store = await openStore({ MODEL_RANKS: 'mine=0, other=7' });
    expect((await store.resolve('mine', 'transcribe')).rank).toBe(0);
    expect(modelsSettings.safeParse({ MODEL_RANKS: 'mine' }).success).toBe(false);
    expect(modelsSettings.safeParse({ MODEL_RANKS: 'mine=-1' }).success).toBe(false);
  });
});

describe('digests', () => {
  const sidecar = async () => JSON.parse(await readFile(join(directory, '.digests.json'), 'utf8'));

  it('are those of the content, and the same for callers at the same time', async () => {
    await putModel(directory, 'mine');
    const store = await openStore();
    const models = await Promise.all([1, 2, 3].map(() => store.resolve('mine', 'transcribe')));
    const expected = createHash('sha256').update(modelFile({}, 'mine')).digest('hex');
    expect(models.map((model) => model.digest)).toEqual([expected, expected, expected]);
  });

  it('are remembered across restarts for the same size and time only', async () => {
    const path = await putModel(directory, 'mine');
    const store = await openStore();
    const { digest } = await store.resolve('mine', 'transcribe');
    await store.close();
    const planted = 'a'.repeat(64);
    const kept = await sidecar();
    kept['ggml-mine.bin'].sha256 = planted;
    await writeFile(join(directory, '.digests.json'), JSON.stringify(kept));

    expect((await (await openStore()).resolve('mine', 'transcribe')).digest).toBe(planted);
    await utimes(path, new Date(), new Date(Date.now() + 5000));
    expect((await (await openStore()).resolve('mine', 'transcribe')).digest).toBe(digest);
  });

  it('are computed anew when what was remembered is damaged', async () => {
    await putModel(directory, 'mine');
    await writeFile(join(directory, '.digests.json'), '{"ggml-mine.bin":{"sha256":');
    const store = await openStore();
    await store.resolve('mine', 'transcribe');
    await store.close();
    expect(Object.keys(await sidecar())).toEqual(['ggml-mine.bin']);
  });

  it('do without a folder that can be written', async () => {
    await putModel(directory, 'mine');
    const store = await openStore();
    await mkdir(join(directory, `.digests.json.${process.pid}.tmp`));
    expect((await store.resolve('mine', 'transcribe')).digest).toHaveLength(64);
    await store.close();
  });
});

describe("vendors' names", () => {
  it.each([
    ['cpu', 'base'],
    ['gpu', 'large-v3-turbo-q5_0'],
  ] as const)('stand for the best installed model that a %s runs fast enough', async (machine, name) => {
    for (const each of ['tiny', 'base', 'small.en', 'large-v3-turbo-q5_0', 'mine']) await putModel(directory, each);
    const store = await openStore({}, machine);
    expect((await store.resolve('whisper-1', 'transcribe')).name).toBe(name);
    expect((await store.defaultModel())?.name).toBe(name);
  });

  it('stand for DEFAULT_MODEL, by any of its names', async () => {
    for (const each of ['tiny', 'base']) await putModel(directory, each);
    const store = await openStore({ DEFAULT_MODEL: 'Systran/faster-whisper-tiny' });
    expect((await store.resolve('gpt-4o-transcribe', 'transcribe')).name).toBe('tiny');
  });

  it("stand for DEFAULT_MODEL, whose file's own name wins", async () => {
    await putModel(directory, 'base');
    await putModel(directory, 'whisper-mine', DIMENSIONS.medium);
    for (const DEFAULT_MODEL of ['whisper-mine', 'ggml-whisper-mine.bin']) {
      const store = await openStore({ DEFAULT_MODEL });
      expect((await store.resolve('whisper-1', 'transcribe')).name).toBe('whisper-mine');
      expect(await store.find('gpt-4o-transcribe-2025-03-20')).toMatchObject({ servedBy: 'whisper-mine' });
    }
  });

  it('stand for no model that fits no device, unless DEFAULT_MODEL says so', async () => {
    await putModel(directory, 'medium', DIMENSIONS.medium);
    const { memoryMb } = (await (await openStore()).defaultInstalled()) ?? { memoryMb: 0 };
    for (const name of ['tiny', 'mine']) await putModel(directory, name);
    const servedWith = async (deviceMemoryMb: number, settings = {}) =>
      (await (await openStore(settings, 'gpu', deviceMemoryMb)).resolve('whisper-1', 'transcribe')).name;
    expect(await servedWith(memoryMb)).toBe('medium');
    expect(await servedWith(memoryMb - 1)).toBe('tiny');
    expect(await servedWith(memoryMb - 1, { DEFAULT_MODEL: 'medium' })).toBe('medium');
    await unlink(join(directory, 'ggml-tiny.bin'));
    expect(await servedWith(memoryMb - 1)).toBe('mine');
  });

  it('are looked up without reading or fetching anything', async () => {
    await putModel(directory, 'mine');
    const store = await openStore({ DEFAULT_MODEL: 'base' });
    expect(await store.lookUp('mine')).toMatchObject({ name: 'mine', memoryMb: expect.any(Number) });
    expect(await store.lookUp('default')).toMatchObject({ name: 'mine' });
    expect(await store.lookUp('openai/whisper-small')).toEqual({
      name: 'small',
      memoryMb: CATALOGUE.get('small')?.memoryMb,
    });
    expect(await store.lookUp('none')).toBeUndefined();
    await unlink(join(directory, 'ggml-mine.bin'));
    await store.lookUp('mine');
    expect(await (await openStore({ DEFAULT_MODEL: 'base' })).lookUp('whisper-1')).toMatchObject({ name: 'base' });
    expect(await (await openStore({ MODEL_DOWNLOAD: 'false' })).lookUp('small')).toBeUndefined();
    expect(store.downloads()).toEqual([]);
  });

  it('fetch what fits: the best, or the smallest where none does', async () => {
    for (const [deviceMemoryMb, name] of [
      [CATALOGUE.get('large-v3-turbo')?.memoryMb ?? 0, 'large-v3-turbo'],
      [(CATALOGUE.get('large-v3-turbo')?.memoryMb ?? 0) - 1, 'large-v3-turbo-q8_0'],
      [1, 'tiny-q5_1'],
    ] as const) {
      const store = await openStore({}, 'gpu', deviceMemoryMb);
      await expect(store.resolve('whisper-1', 'transcribe')).rejects.toMatchObject({
        code: 'model-not-ready',
        message: expect.stringMatching(`^The model '${name}', which serves 'whisper-1', is not installed yet; `),
      });
    }
  });

  it('stand for a file whose weights cannot be read yet: it is listed, and only running it waits', async () => {
    const path = await putModel(directory, 'base');
    const store = await openStore();
    await store.list();
    await writeFile(path, modelFile({}, 'more weights'));
    expect(await store.defaultInstalled()).toMatchObject({ name: 'base', memoryMb: expect.any(Number) });
    await expect(store.defaultModel()).rejects.toMatchObject({ code: 'model-not-ready' });
    await unlink(path);
    await clock.advance(2000);
    expect(await store.defaultInstalled()).toBeUndefined();
  });

  it('stand for whatever there is when no default is installed', async () => {
    await putModel(directory, 'tiny.en', DIMENSIONS.tinyEnglish);
    await putModel(directory, 'mine', DIMENSIONS.medium);
    expect((await (await openStore()).resolve('whisper-1', 'transcribe')).name).toBe('mine');
  });

  it('fall back from a DEFAULT_MODEL that is not installed, but not from one that is no model', async () => {
    await putModel(directory, 'tiny');
    const store = await openStore({ DEFAULT_MODEL: 'large-v3' });
    expect((await store.resolve('whisper-1', 'transcribe')).name).toBe('tiny');
    await expect(openStore({ DEFAULT_MODEL: 'larg-v3' })).rejects.toMatchObject({
      code: 'setup-incomplete',
      message: expect.stringContaining('DEFAULT_MODEL=larg-v3'),
    });
  });

  it('set off the download of the default when nothing is installed', async () => {
    const store = await openStore({ DEFAULT_MODEL: 'small' });
    await expect(store.resolve('whisper-1', 'transcribe')).rejects.toMatchObject({ code: 'model-not-ready' });
    expect(downloads.names).toEqual(['small']);
  });
});

describe('translation', () => {
  it('goes to the best model that can when the default cannot', async () => {
    await putModel(directory, 'large-v3-turbo', DIMENSIONS.turbo);
    await putModel(directory, 'tiny');
    await putModel(directory, 'medium', DIMENSIONS.medium);
    const store = await openStore({}, 'gpu');
    expect((await store.resolve('whisper-1', 'transcribe')).name).toBe('large-v3-turbo');
    expect((await store.resolve('whisper-1', 'translate')).name).toBe('medium');
  });

  it('says what to install when none can', async () => {
    await putModel(directory, 'large-v3-turbo', DIMENSIONS.turbo);
    const store = await openStore({}, 'gpu');
    await expect(store.resolve('whisper-1', 'translate')).rejects.toMatchObject({
      code: 'option-unsupported',
      message: "No installed model can translate; ask for 'medium' by name to have it fetched.",
    });
    expect(downloads.asked).toEqual([]);
  });

  it('is refused with no other named when none can be had', async () => {
    await putModel(directory, 'tiny.en', DIMENSIONS.tinyEnglish);
    await expect((await openStore({ MODEL_DOWNLOAD: 'false' })).resolve('tiny.en', 'translate')).rejects.toMatchObject({
      code: 'option-unsupported',
      message: "The model 'tiny.en' cannot translate; no installed one can.",
    });
  });

  it.each(['tiny.en', 'large-v3-turbo', 'distil-large-v3'])('is refused by %s, installed or not', async (name) => {
    const store = await openStore();
    const refused = { code: 'option-unsupported', message: `The model '${name}' cannot translate; 'base' can.` };
    await expect(store.resolve(name, 'translate')).rejects.toMatchObject(refused);
    expect(downloads.asked).toEqual([]);
    await putModel(directory, name, name === 'tiny.en' ? DIMENSIONS.tinyEnglish : DIMENSIONS.turbo);
    await expect(store.resolve(name, 'translate')).rejects.toMatchObject(refused);
  });
});

describe('downloads', () => {
  const notReady = { code: 'model-not-ready', retryable: true };

  it('fetch what the catalogue says, once however many ask, and serve it afterwards', async () => {
    const store = await openStore();
    const asks = await Promise.allSettled(
      ['base', 'openai/whisper-base'].map((name) => store.resolve(name, 'transcribe')),
    );
    expect(asks.map((ask) => ask.status === 'rejected' && ask.reason.code)).toEqual([
      'model-not-ready',
      'model-not-ready',
    ]);
    const { bytes, sha256, sha1, sources } = CATALOGUE.get('base') ?? {};
    expect(downloads.asked).toMatchObject([{ target: join(directory, 'ggml-base.bin'), bytes, sha256, sha1, sources }]);

    downloads.finish(0);
    await vi.waitFor(() => expect(store.downloads()).toEqual([]), { interval: 1 });
    expect(await store.resolve('base', 'transcribe')).toMatchObject({ name: 'base', digest: 'f'.repeat(64) });
  });

  it('tell how far they are and when to ask again', async () => {
    const store = await openStore();
    await expect(store.resolve('large-v3', 'transcribe')).rejects.toMatchObject({ ...notReady, retryAfterSeconds: 30 });
    const { bytes: totalBytes } = CATALOGUE.get('large-v3') ?? {};
    const report = (receivedBytes: number) =>
      downloads.asked[0]?.onProgress?.({ receivedBytes, totalBytes: totalBytes ?? undefined, source: 'one' });
    // A third was there from an earlier run: that says nothing of the speed.
    report(1_000_000_000);
    await clock.advance(10_000);
    report(1_100_000_000);
    expect(store.downloads()).toMatchObject([
      { model: 'large-v3', state: 'running', receivedBytes: 1_100_000_000, totalBytes, source: 'one' },
    ]);
    await expect(store.resolve('large-v3', 'transcribe')).rejects.toMatchObject({
      message: "The model 'large-v3' is not installed yet; it is being downloaded (35 %). Try again in 200 s.",
      retryAfterSeconds: 200,
    });
  });

  it('run two at a time; others wait their turn', async () => {
    const store = await openStore();
    for (const name of ['tiny', 'base', 'small', 'medium']) {
      await expect(store.resolve(name, 'transcribe')).rejects.toMatchObject(notReady);
    }
    expect(downloads.names).toEqual(['tiny', 'base']);
    await expect(store.resolve('small', 'transcribe')).rejects.toThrow('waits for others');
    downloads.finish(1);
    await vi.waitFor(() => expect(downloads.names).toEqual(['tiny', 'base', 'small']), { interval: 1 });
    await downloads.fail(0);
    expect(downloads.names).toEqual(['tiny', 'base', 'small', 'medium']);
  });

  it('are not tried again for a while after a failure, whose reason stays inside', async () => {
    const store = await openStore();
    await expect(store.resolve('base', 'transcribe')).rejects.toMatchObject(notReady);
    await downloads.fail(0, 'EACCES: /srv/models');
    await clock.advance(60_000);
    await expect(store.resolve('base', 'transcribe')).rejects.toMatchObject({
      ...notReady,
      retryAfterSeconds: 240,
      message: expect.not.stringContaining('/srv'),
    });
    expect(store.downloads()).toMatchObject([{ model: 'base', state: 'failed', reason: 'EACCES: /srv/models' }]);
    expect(downloads.asked).toHaveLength(1);
    await clock.advance(240_000);
    await expect(store.resolve('base', 'transcribe')).rejects.toThrow('is being downloaded');
    expect(downloads.asked).toHaveLength(2);
  });

  it('end when the store closes, without counting as failed', async () => {
    const store = await openStore();
    for (const name of ['tiny', 'base', 'small']) await store.resolve(name, 'transcribe').catch(() => {});
    await store.close();
    expect(downloads.asked.map(({ signal }) => signal?.aborted)).toEqual([true, true]);
    expect(store.downloads().filter((row) => row.state === 'failed')).toEqual([]);
  });

  it('do not happen when they are switched off, nor for unknown names', async () => {
    const store = await openStore({ MODEL_DOWNLOAD: 'false' });
    await expect(store.resolve('base', 'transcribe')).rejects.toMatchObject({ code: 'model-unknown' });
    await expect(store.resolve('whisper-1', 'transcribe')).rejects.toMatchObject({
      code: 'model-unknown',
      message: "The model 'whisper-1' is not installed on this server.",
    });
    for (const name of ['nova-3', '', '../../etc/passwd', 'x'.repeat(1000)]) {
      await expect((await openStore()).resolve(name, 'transcribe')).rejects.toMatchObject({
        code: 'model-unknown',
        field: 'model',
        message: expect.stringMatching(/^.{1,160}$/),
      });
    }
    expect(downloads.asked).toEqual([]);
  });

  it('count a file that appears by other means', async () => {
    const store = await openStore();
    await store.resolve('base', 'transcribe').catch(() => {});
    const path = await putModel(directory, 'elsewhere');
    await rename(path, join(directory, 'ggml-base.bin'));
    expect((await store.resolve('base', 'transcribe')).name).toBe('base');
  });
});

describe('list and find', () => {
  it('show what is installed first, then aliases, then the rest', async () => {
    await putModel(directory, 'tiny');
    await putModel(directory, 'mine', DIMENSIONS.medium);
    const store = await openStore();
    const rows = await store.list();
    expect(rows.slice(0, 2)).toMatchObject([
      { id: 'mine', installed: true, servedBy: 'mine' },
      { id: 'tiny', installed: true, servedBy: 'tiny' },
    ]);
    expect(rows[0]?.createdAtMs).toBeGreaterThan(Date.now() - 60_000);
    expect(rows).toContainEqual(expect.objectContaining({ id: 'whisper-1', installed: true, servedBy: 'tiny' }));
    expect(rows).toContainEqual(
      expect.objectContaining({ id: 'large', installed: false, createdAtMs: 0, servedBy: 'large-v3' }),
    );
    expect(rows).toContainEqual(expect.objectContaining({ id: 'base', installed: false, servedBy: 'base' }));
    expect(new Set(rows.map((row) => row.id)).size).toBe(rows.length);
    for (const row of rows) expect(await store.find(row.id)).toEqual(row);
  });

  it('find names by rule, and nothing else', async () => {
    await putModel(directory, 'base');
    const store = await openStore();
    expect(await store.find('Systran/faster-whisper-base')).toMatchObject({
      id: 'Systran/faster-whisper-base',
      installed: true,
      servedBy: 'base',
    });
    expect(await store.find('openai/whisper-medium')).toMatchObject({ installed: false, servedBy: 'medium' });
    expect(await store.find('nova-3')).toBeUndefined();
  });

  it('show only what is installed when nothing is fetched', async () => {
    const store = await openStore({ MODEL_DOWNLOAD: 'false' });
    expect(await store.list()).toEqual([]);
    for (const name of ['large-v3', 'whisper-1']) expect(await store.find(name)).toBeUndefined();
    await putModel(directory, 'tiny');
    await clock.advance(2000);
    const names = (await store.list()).map((row) => row.id);
    expect(names).toEqual(expect.arrayContaining(['tiny', 'whisper-1']));
    for (const name of names) expect((await store.resolve(name, 'transcribe')).name).toBe('tiny');
  });

  it('name the model to come while nothing is installed', async () => {
    expect(await (await openStore()).find('whisper-1')).toMatchObject({
      id: 'whisper-1',
      installed: false,
      createdAtMs: 0,
      servedBy: 'base',
    });
  });
});
