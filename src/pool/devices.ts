// Owns which devices there are and how much memory they have free. It starts nothing on them.
import { availableParallelism } from 'node:os';
import systeminformation from 'systeminformation';
import { GatewayError } from '../errors.ts';
import type { Log } from '../lib/log.ts';
import { type Gpu, queryGpus } from './nvidia-smi.ts';
import type { Device, DeviceMemory } from './protocol.ts';
import type { PoolSettings } from './settings.ts';

/** The engine samples its five beams on as many CPU threads even when the model runs on a GPU; more would idle. */
const GPU_ENGINE_THREADS_MAX = 5;
const MIB = 2 ** 20;

export interface Machine {
  /** Null without a working NVIDIA driver. */
  gpus: Gpu[] | null;
  cpuName: string;
  physicalCores: number;
  memoryTotalMb: number;
}

type DeviceSettings = Pick<PoolSettings, 'DEVICES' | 'SLOTS_PER_DEVICE' | 'THREADS_PER_ENGINE'>;

/** Every device engines may run on. Rejects with `setup-incomplete` when DEVICES names what is not there. */
export async function discoverDevices(
  settings: DeviceSettings,
  environment: NodeJS.ProcessEnv,
  log: Log,
): Promise<Device[]> {
  const [gpus, graphics, cpu, memory] = await Promise.all([
    queryGpus(environment),
    systeminformation.graphics(),
    systeminformation.cpu(),
    systeminformation.mem(),
  ]);
  const idle = graphics.controllers.find((controller) => /nvidia/i.test(`${controller.vendor} ${controller.model}`));
  if (idle && gpus === null) {
    log.warn({ gpu: idle.model }, 'an NVIDIA GPU is here but nvidia-smi does not answer: install its driver to use it');
  }
  return chooseDevices(settings, environment.CUDA_VISIBLE_DEVICES, {
    gpus,
    cpuName: [cpu.manufacturer, cpu.brand].filter(Boolean).join(' ') || 'CPU',
    physicalCores: Math.max(1, Math.min(cpu.physicalCores || Number.MAX_SAFE_INTEGER, availableParallelism())),
    memoryTotalMb: Math.floor(Math.min(memory.total, process.constrainedMemory() || memory.total) / MIB),
  });
}

/** Pure. */
export function chooseDevices(
  settings: DeviceSettings,
  cudaVisibleDevices: string | undefined,
  machine: Machine,
): Device[] {
  const gpus = visibleGpus(machine.gpus ?? [], cudaVisibleDevices);
  const everyGpu = gpus.map((gpu) => `cuda:${gpu.index}`);
  const ids = settings.DEVICES.length > 0 ? settings.DEVICES : everyGpu.length > 0 ? everyGpu : ['cpu'];
  const repeated = ids.find((id, index) => ids.indexOf(id) !== index);
  if (repeated) throw new GatewayError('setup-incomplete', `DEVICES names ${repeated} twice.`);
  const bad = ids.find((id) => !/^(cpu|cpu:\d+|cuda:\d+)$/.test(id));
  if (bad) {
    throw new GatewayError(
      'setup-incomplete',
      `DEVICES names "${bad}"; write cuda:0, cuda:1 …, cpu, or cpu:0, cpu:1 ….`,
    );
  }

  const threads = threadsPerEngine(settings, machine.physicalCores, ids);
  return ids.map((id) => {
    const slots = settings.SLOTS_PER_DEVICE;
    if (id.startsWith('cpu')) {
      const { cpuName: name, memoryTotalMb } = machine;
      return { id, kind: 'cpu', uuid: null, name, memoryTotalMb, slots, threads: threads.cpu };
    }
    const gpu = gpus.find((candidate) => id === `cuda:${candidate.index}`);
    if (!gpu) {
      const found = everyGpu.length > 0 ? `found: ${everyGpu.join(', ')}` : 'nvidia-smi found no GPU';
      throw new GatewayError('setup-incomplete', `DEVICES names ${id}, which is not there (${found}).`);
    }
    const memoryTotalMb = gpu.memoryTotalMb || machine.memoryTotalMb;
    return { id, kind: 'cuda', uuid: gpu.uuid, name: gpu.name, memoryTotalMb, slots, threads: threads.gpu };
  });
}

/**
 * Free device memory as it is now, programs that are not ours included. Asked anew each time: a figure from before an
 * eviction would show a shortage that is over.
 */
export async function memoryFreeMb(device: Device, environment: NodeJS.ProcessEnv): Promise<number | null> {
  if (device.kind === 'cpu') return systemFreeMb();
  return (await gpuMemory(device, environment))?.freeMb ?? null;
}

/** The memory of a GPU as it is now; null for a CPU, and where it cannot be known. */
export async function gpuMemory(device: Device, environment: NodeJS.ProcessEnv): Promise<DeviceMemory | null> {
  if (device.kind === 'cpu') return null;
  const gpu = (await queryGpus(environment))?.find((candidate) => candidate.uuid === device.uuid);
  return gpu ? memoryOf(gpu, device.memoryTotalMb, systemFreeMb()) : null;
}

/** Pure. A GPU that shares the system's memory tells no figures of its own. */
export function memoryOf(gpu: Gpu, systemTotalMb: number, freeInSystemMb: number): DeviceMemory {
  if (gpu.memoryTotalMb > 0) {
    return { usedMb: gpu.memoryUsedMb, totalMb: gpu.memoryTotalMb, freeMb: gpu.memoryFreeMb };
  }
  return { usedMb: Math.max(0, systemTotalMb - freeInSystemMb), totalMb: systemTotalMb, freeMb: freeInSystemMb };
}

/** What the kernel could still give us, inside the limit of our container. */
function systemFreeMb(): number {
  return Math.floor(process.availableMemory() / MIB);
}

/** CUDA_VISIBLE_DEVICES of the gateway itself bounds what it may use, as for any CUDA program. */
function visibleGpus(gpus: Gpu[], cudaVisibleDevices: string | undefined): Gpu[] {
  if (cudaVisibleDevices === undefined || cudaVisibleDevices.trim() === '') return gpus;
  const names = cudaVisibleDevices.split(',').map((name) => name.trim());
  return gpus.filter((gpu) =>
    names.some((name) => name === String(gpu.index) || (name.startsWith('GPU-') && gpu.uuid.startsWith(name))),
  );
}

/**
 * Threads of all engines together stay within the physical cores: past that, OpenMP's waiting threads starve the working
 * ones (two engines on two cores: 24 s instead of 4 s).
 */
function threadsPerEngine(settings: DeviceSettings, physicalCores: number, ids: string[]) {
  if (settings.THREADS_PER_ENGINE > 0) return { gpu: settings.THREADS_PER_ENGINE, cpu: settings.THREADS_PER_ENGINE };
  const engineCount = ids.length * settings.SLOTS_PER_DEVICE;
  const cpuEngineCount = ids.filter((id) => id.startsWith('cpu')).length * settings.SLOTS_PER_DEVICE;
  const gpu = Math.max(1, Math.min(GPU_ENGINE_THREADS_MAX, Math.floor(physicalCores / engineCount)));
  const coresLeft = physicalCores - gpu * (engineCount - cpuEngineCount);
  return { gpu, cpu: Math.max(1, Math.floor(coresLeft / Math.max(1, cpuEngineCount))) };
}
