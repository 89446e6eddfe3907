// Invented model files for tests: a true ggml header and nothing behind it.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const TINY = {
  magic: 0x67676d6c,
  vocabulary: 51_865,
  audioContext: 1500,
  audioState: 384,
  audioHeads: 6,
  audioLayers: 4,
  textContext: 448,
  textState: 384,
  textHeads: 6,
  textLayers: 4,
  mels: 80,
  format: 1,
};

export type Dimensions = Partial<typeof TINY>;

export const DIMENSIONS = {
  tiny: {},
  tinyEnglish: { vocabulary: 51_864 },
  medium: { audioState: 1024, textState: 1024, audioLayers: 24, textLayers: 24 },
  largeV3: { vocabulary: 51_866, audioState: 1280, textState: 1280, audioLayers: 32, textLayers: 32, mels: 128 },
  turbo: { vocabulary: 51_866, audioState: 1280, textState: 1280, audioLayers: 32, textLayers: 4, mels: 128 },
  distilLargeV2: { audioState: 1280, textState: 1280, audioLayers: 32, textLayers: 2 },
  distilLargeV3: { vocabulary: 51_866, audioState: 1280, textState: 1280, audioLayers: 32, textLayers: 2, mels: 128 },
} satisfies Record<string, Dimensions>;

export function modelFile(dimensions: Dimensions = {}, weights = ''): Buffer {
  const numbers = Int32Array.from(Object.values({ ...TINY, ...dimensions }));
  return Buffer.concat([Buffer.from(numbers.buffer), Buffer.from(weights)]);
}

export async function putModel(directory: string, name: string, dimensions: Dimensions = {}, weights = name) {
  const path = join(directory, `ggml-${name}.bin`);
  await writeFile(path, modelFile(dimensions, weights));
  return path;
}
