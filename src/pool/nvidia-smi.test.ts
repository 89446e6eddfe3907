import { expect, test } from 'vitest';
import { parseGpus } from './nvidia-smi.ts';

const TWO = `0, GPU-5e2f3f0c-1a7b-4a52-9d5c-0a4d5c1e7b11, NVIDIA H100 80GB HBM3, 81559, 1024, 80535, 97
1, GPU-77c4b9aa-9a0e-4a3e-8d31-5a4f0f3e2c22, NVIDIA GeForce RTX 3070 Ti, 8192, 8000, 192, 0
`;

test('reads one GPU a line, memory in MB', () => {
  expect(parseGpus(TWO)).toEqual([
    {
      index: 0,
      uuid: 'GPU-5e2f3f0c-1a7b-4a52-9d5c-0a4d5c1e7b11',
      name: 'NVIDIA H100 80GB HBM3',
      memoryTotalMb: 81_559,
      memoryUsedMb: 1_024,
      memoryFreeMb: 80_535,
      utilisationPercent: 97,
    },
    expect.objectContaining({ index: 1, memoryFreeMb: 192 }),
  ]);
});

test('keeps a comma in a name, and takes memory that the driver does not tell as unknown', () => {
  expect(parseGpus('0, GPU-a, NVIDIA GB10, Spark, [N/A], [N/A], [N/A], 41\r\n')).toEqual([
    {
      index: 0,
      uuid: 'GPU-a',
      name: 'NVIDIA GB10, Spark',
      memoryTotalMb: 0,
      memoryUsedMb: 0,
      memoryFreeMb: 0,
      utilisationPercent: 41,
    },
  ]);
  // A GPU that is divided among several tells no figure for the whole.
  expect(parseGpus('0, GPU-b, NVIDIA A100, 40960, 10, 40950, [N/A]')).toMatchObject([
    { memoryFreeMb: 40_950, utilisationPercent: 0 },
  ]);
});

test('leaves out what is not a GPU', () => {
  expect(parseGpus('')).toEqual([]);
  expect(parseGpus('No devices were found\n')).toEqual([]);
  expect(parseGpus('Unable to determine the device handle for GPU0000:01:00.0: Unknown Error\n')).toEqual([]);
  expect(
    parseGpus(
      '0, [Unknown Error], [Unknown Error], [Unknown Error], [Unknown Error], [Unknown Error], [Unknown Error]',
    ),
  ).toEqual([]);
});
