// The words the scheduler and the pool share. Types only.
import type { Model } from '../models/model.ts';
import type { ChunkEvent } from '../transcript/event.ts';
import type { Chunk } from '../transcript/recording.ts';
import type { DecodingOptions } from '../transcript/request.ts';

export interface Device {
  /** `cuda:0`, `cpu`, `cpu:1`. */
  id: string;
  kind: 'cuda' | 'cpu';
  /** What CUDA_VISIBLE_DEVICES is set to for this device; null for a CPU. */
  uuid: string | null;
  name: string;
  memoryTotalMb: number;
  /** Inferences that may run at the same time, each in an engine process of its own. */
  slots: number;
  /** Threads per engine process. */
  threads: number;
}

/** Of a device, by every program on it. */
export interface DeviceMemory {
  usedMb: number;
  totalMb: number;
  freeMb: number;
}

export interface BackendExit {
  /** True when we asked for it. */
  expected: boolean;
  /** Human words: how it ended and the last lines it wrote. */
  reason: string;
}

/** A running engine process with one model loaded, ready to run. It runs one chunk at a time. */
export interface Backend {
  id: string;
  device: Device;
  model: Model;
  /** Resolves when the process has ended, however it ended. Never rejects. */
  exited: Promise<BackendExit>;
  /**
   * Runs one chunk. Ends the inference when `signal` aborts. Rejects with `engine-failed` or `engine-timeout` when the
   * engine is at fault (the process is then already being ended) and with `audio-undecodable` when it refuses the audio.
   */
  run(chunk: Chunk, options: DecodingOptions, signal: AbortSignal): AsyncIterable<ChunkEvent>;
}

/** Everything the scheduler can make happen. The pool implements it; tests fake it. */
export interface Effects {
  /** Starts an engine and resolves once it can run. Rejects with `gpu-memory-short` or `engine-failed`. */
  start(device: Device, model: Model, signal: AbortSignal): Promise<Backend>;
  /** Ends an engine and resolves when its process is gone, its memory with it. */
  stop(backend: Backend): Promise<void>;
  /** Device memory that is free now, programs that are not ours included; null when it cannot be known. */
  memoryFreeMb(device: Device): Promise<number | null>;
}
