// What `nvidia-smi` says about the GPUs of this machine. It sees the memory of every program, not only ours.
import { execFile } from 'node:child_process';

const QUERY_TIMEOUT_MS = 10_000;
const FIELDS = 'index,uuid,name,memory.total,memory.used,memory.free,utilization.gpu';
const FIELD_COUNT = FIELDS.split(',').length;

export interface Gpu {
  index: number;
  uuid: string;
  name: string;
  memoryTotalMb: number;
  memoryUsedMb: number;
  memoryFreeMb: number;
  /** Share of the last moment in which it ran anything: a second, or a sixth of one, by product. */
  utilisationPercent: number;
}

/** The GPUs, or null when there is no `nvidia-smi` or it cannot reach the driver. */
export function queryGpus(environment: NodeJS.ProcessEnv): Promise<Gpu[] | null> {
  return new Promise((resolve) => {
    execFile(
      'nvidia-smi',
      [`--query-gpu=${FIELDS}`, '--format=csv,noheader,nounits'],
      { env: environment, timeout: QUERY_TIMEOUT_MS, encoding: 'utf8' },
      (error, stdout) => resolve(error ? null : parseGpus(stdout)),
    );
  });
}

/** Pure. Lines that are not a GPU (warnings, a GPU that fell off the bus) are left out. */
export function parseGpus(csv: string): Gpu[] {
  return csv.split('\n').flatMap((line) => {
    const fields = line.split(',').map((field) => field.trim());
    // A product name may hold a comma of its own: count the figures from the end.
    const [index, uuid] = fields;
    const [total, used, free, busy] = fields.slice(-4).map(Number);
    const isGpu = fields.length >= FIELD_COUNT && /^\d+$/.test(index ?? '') && /^(GPU|MIG)-/.test(uuid ?? '');
    if (!isGpu || !uuid) return [];
    // Unified-memory GPUs answer `[N/A]` for memory: 0 total tells `devices` to ask the operating system instead.
    const known = (value = 0) => (Number.isFinite(value) ? value : 0);
    return [
      {
        index: Number(index),
        uuid,
        name: fields.slice(2, -4).join(', '),
        memoryTotalMb: known(total),
        memoryUsedMb: known(used),
        memoryFreeMb: known(free),
        utilisationPercent: known(busy),
      },
    ];
  });
}
