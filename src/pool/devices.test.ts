import { describe, expect, test } from 'vitest';
import { GatewayError } from '../errors.ts';
import { chooseDevices, type Machine, memoryOf } from './devices.ts';
import type { Gpu } from './nvidia-smi.ts';

const gpu = (index: number, memoryTotalMb = 8_000): Gpu => ({
  index,
  uuid: `GPU-${index}${index}`,
  name: `Card ${index}`,
  memoryTotalMb,
  memoryUsedMb: 0,
  memoryFreeMb: memoryTotalMb,
  utilisationPercent: 0,
});
const machine = (of: Partial<Machine> = {}): Machine => ({
  gpus: null,
  cpuName: 'Some CPU',
  physicalCores: 8,
  memoryTotalMb: 32_000,
  ...of,
});
const settings = (of: { devices?: string[]; slots?: number; threads?: number } = {}) => ({
  DEVICES: of.devices ?? [],
  SLOTS_PER_DEVICE: of.slots ?? 1,
  THREADS_PER_ENGINE: of.threads ?? 0,
});

describe('without DEVICES', () => {
  test('every GPU is used, and the CPU is not', () => {
    const devices = chooseDevices(settings(), undefined, machine({ gpus: [gpu(0), gpu(1)] }));
    expect(devices).toEqual([
      { id: 'cuda:0', kind: 'cuda', uuid: 'GPU-00', name: 'Card 0', memoryTotalMb: 8_000, slots: 1, threads: 4 },
      { id: 'cuda:1', kind: 'cuda', uuid: 'GPU-11', name: 'Card 1', memoryTotalMb: 8_000, slots: 1, threads: 4 },
    ]);
  });

  test.each([null, []])('without a GPU (%j) there is one CPU device with all cores', (gpus) => {
    expect(chooseDevices(settings(), undefined, machine({ gpus }))).toEqual([
      { id: 'cpu', kind: 'cpu', uuid: null, name: 'Some CPU', memoryTotalMb: 32_000, slots: 1, threads: 8 },
    ]);
  });

  test('GPUs that CUDA_VISIBLE_DEVICES hides are left alone', () => {
    const ids = (visible: string | undefined) =>
      chooseDevices(settings(), visible, machine({ gpus: [gpu(0), gpu(1)] })).map((device) => device.id);
    expect(ids('1')).toEqual(['cuda:1']);
    expect(ids('GPU-00')).toEqual(['cuda:0']);
    expect(ids('-1')).toEqual(['cpu']);
    expect(ids('')).toEqual(['cuda:0', 'cuda:1']);
  });
});

describe('DEVICES', () => {
  test('names some GPUs, in its own order', () => {
    const devices = chooseDevices(
      settings({ devices: ['cuda:2', 'cuda:0'] }),
      undefined,
      machine({ gpus: [gpu(0), gpu(1), gpu(2)] }),
    );
    expect(devices.map((device) => device.uuid)).toEqual(['GPU-22', 'GPU-00']);
  });

  test.each([
    [['gpu:0'], 'DEVICES names "gpu:0"; write cuda:0, cuda:1 …, cpu, or cpu:0, cpu:1 ….'],
    [['cuda'], 'DEVICES names "cuda"; write cuda:0, cuda:1 …, cpu, or cpu:0, cpu:1 ….'],
    [['cpu:x'], 'DEVICES names "cpu:x"; write cuda:0, cuda:1 …, cpu, or cpu:0, cpu:1 ….'],
    [['cpu', 'cpu'], 'DEVICES names cpu twice.'],
    [['cuda:3'], 'DEVICES names cuda:3, which is not there (found: cuda:0).'],
  ])('%j is refused in clear words', (devices, message) => {
    const choose = () => chooseDevices(settings({ devices }), undefined, machine({ gpus: [gpu(0)] }));
    expect(choose).toThrow(GatewayError);
    expect(choose).toThrow(message);
  });

  test('a GPU on a machine without one is refused as setup-incomplete', () => {
    expect(() => chooseDevices(settings({ devices: ['cuda:0'] }), undefined, machine())).toThrow(
      expect.objectContaining({
        code: 'setup-incomplete',
        message: 'DEVICES names cuda:0, which is not there (nvidia-smi found no GPU).',
      }),
    );
  });
});

describe('threads', () => {
  const threads = (of: Parameters<typeof settings>[0], physicalCores: number, gpus: Gpu[] = []) =>
    chooseDevices(settings(of), undefined, machine({ physicalCores, gpus })).map((device) => device.threads);

  test.each([1, 2, 3, 8, 16])('of CPU engines together stay within %i cores', (cores) => {
    for (const slots of [1, 2]) {
      const of = { devices: ['cpu:0', 'cpu:1'], slots };
      const sum = threads(of, cores).reduce((total, each) => total + each * slots, 0);
      expect(sum).toBeLessThanOrEqual(Math.max(cores, 2 * slots));
    }
  });

  test('a GPU engine has one for each beam where there are cores, and never none', () => {
    expect(threads({}, 64, [gpu(0)])).toEqual([5]);
    expect(threads({}, 1, [gpu(0), gpu(1)])).toEqual([1, 1]);
  });

  test('a CPU device beside a GPU leaves the GPU its threads', () => {
    expect(threads({ devices: ['cuda:0', 'cpu'] }, 8, [gpu(0)])).toEqual([4, 4]);
  });

  test('THREADS_PER_ENGINE overrides', () => {
    expect(threads({ devices: ['cpu:0', 'cpu:1'], threads: 6 }, 4)).toEqual([6, 6]);
  });
});

test('a GPU that shares the memory of the system has that much', () => {
  const [device] = chooseDevices(settings(), undefined, machine({ gpus: [gpu(0, 0)] }));
  expect(device?.memoryTotalMb).toBe(32_000);
});

test('the memory of a GPU is its own figures, or the system’s where it has none', () => {
  const gpu = {
    index: 0,
    uuid: 'GPU-1',
    name: 'Card',
    memoryTotalMb: 8000,
    memoryUsedMb: 7000,
    memoryFreeMb: 900,
    utilisationPercent: 0,
  };
  expect(memoryOf(gpu, 64_000, 50_000)).toEqual({ usedMb: 7000, totalMb: 8000, freeMb: 900 });
  const shared = { ...gpu, memoryTotalMb: 0, memoryUsedMb: 0, memoryFreeMb: 0 };
  expect(memoryOf(shared, 64_000, 50_000)).toEqual({ usedMb: 14_000, totalMb: 64_000, freeMb: 50_000 });
});
