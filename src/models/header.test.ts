import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CATALOGUE } from './catalogue.ts';
import { readHeader, traitsOf } from './header.ts';
import { DIMENSIONS, type Dimensions, modelFile } from './model-file.cases.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'header-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function fileWith(content: Buffer | string): Promise<string> {
  const path = join(directory, 'ggml-x.bin');
  await writeFile(path, content);
  return path;
}

describe('readHeader', () => {
  it('reads the dimensions', async () => {
    expect(await readHeader(await fileWith(modelFile(DIMENSIONS.turbo)))).toMatchObject({
      vocabulary: 51_866,
      audioState: 1280,
      audioLayers: 32,
      textLayers: 4,
      mels: 128,
    });
  });

  it.each<[string, Buffer | string, string]>([
    ['nothing', '', 'not a ggml file'],
    ['a web page saved under the name', `<!doctype html>${' '.repeat(200)}`, 'not a ggml file'],
    ['a header cut short', modelFile().subarray(0, 47), 'not a ggml file'],
    ['GGUF', modelFile({ magic: 0x46554747 }), 'not a ggml file'],
    ['voice activity weights', modelFile({ vocabulary: 7, audioContext: 0x6f72656c }), 'not of a whisper model'],
    ['two state sizes', modelFile({ textState: 512 }), 'not of a whisper model'],
    ['a negative number', modelFile({ textLayers: -1 }), 'not of a whisper model'],
  ])('refuses %s', async (_what, content, reason) => {
    await expect(readHeader(await fileWith(content))).rejects.toThrow(reason);
  });
});

describe('traitsOf', () => {
  it.each<[string, Dimensions, { rank: number; multilingual: boolean; translates: boolean; timestamps: boolean }]>([
    ['tiny', DIMENSIONS.tiny, { rank: 0, multilingual: true, translates: true, timestamps: true }],
    ['tiny.en', DIMENSIONS.tinyEnglish, { rank: 0, multilingual: false, translates: false, timestamps: true }],
    ['medium', DIMENSIONS.medium, { rank: 3, multilingual: true, translates: true, timestamps: true }],
    ['large-v3', DIMENSIONS.largeV3, { rank: 4, multilingual: true, translates: true, timestamps: true }],
    ['turbo', DIMENSIONS.turbo, { rank: 4, multilingual: true, translates: false, timestamps: true }],
    ['distil v2', DIMENSIONS.distilLargeV2, { rank: 4, multilingual: true, translates: false, timestamps: false }],
    ['distil v3', DIMENSIONS.distilLargeV3, { rank: 4, multilingual: true, translates: false, timestamps: true }],
  ])('%s', async (_name, dimensions, traits) => {
    const header = await readHeader(await fileWith(modelFile(dimensions)));
    expect(traitsOf(header, 1e9)).toMatchObject(traits);
  });

  it('estimates memory from the dimensions and the size of the file', async () => {
    const header = await readHeader(await fileWith(modelFile(DIMENSIONS.turbo)));
    for (const name of ['large-v3-turbo', 'large-v3-turbo-q8_0', 'large-v3-turbo-q5_0']) {
      const published = CATALOGUE.get(name);
      // Both are rounded to a megabyte.
      expect(Math.abs(traitsOf(header, published?.bytes ?? 0).memoryMb - (published?.memoryMb ?? 0))).toBeLessThan(2);
    }
  });
});
