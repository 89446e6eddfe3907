// Owns the engine processes: starts them on devices, runs chunks on them, ends them. It does not decide: which model runs
// where, what is tried again and who waits is the scheduler's business (`src/schedule`). DESIGN.md says why.
import assert from 'node:assert';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { inFile } from '../lib/stored.ts';
import type { Model } from '../models/model.ts';
import { type Chunk, PCM_BYTES_PER_MS } from '../transcript/recording.ts';
import type { DecodingOptions } from '../transcript/request.ts';
import { infer } from './client.ts';
import { discoverDevices, gpuMemory, memoryFreeMb } from './devices.ts';
import { describeLaunch, findEngine, identifyEngine } from './launch.ts';
import { noteEngine, reapLeftovers, residentMb } from './leftovers.ts';
import { EngineProcess } from './process.ts';
import type { Backend, Device, DeviceMemory, Effects } from './protocol.ts';
import { waitUntilReady } from './ready.ts';
import type { PoolSettings } from './settings.ts';

const PORT_ATTEMPTS_MAX = 3;
const WARM_UP_MS = 1_000;

export interface Pool extends Effects {
  readonly devices: Device[];
  /** Which program the engines are; another after it was rebuilt or replaced. */
  readonly engine: string;
  /** Of a GPU, now; null for a CPU and where it cannot be known. */
  memory(device: Device): Promise<DeviceMemory | null>;
  /** Ends every engine and resolves when all are gone. Nothing can be started afterwards. */
  stopAll(): Promise<void>;
}

export interface PoolDependencies {
  settings: PoolSettings;
  /** The gateway's own; engines inherit it. */
  environment: NodeJS.ProcessEnv;
  /** For notes of running engines. One gateway per directory. */
  runDirectory: string;
  log: Log;
  clock: Clock;
  /** Tests bring their own. */
  pickPort?: () => Promise<number>;
}

/** Ends what an earlier run left behind and looks at the machine. Rejects with `setup-incomplete`. */
export async function createPool(dependencies: PoolDependencies): Promise<Pool> {
  const { settings, environment, runDirectory, log } = dependencies;
  const enginePath = findEngine(settings, environment);
  const emptyDirectory = join(runDirectory, 'empty');
  await mkdir(emptyDirectory, { recursive: true });
  await reapLeftovers(runDirectory, log);
  const warmUp = await writeSilence(join(runDirectory, 'warm-up.pcm'));
  const devices = await discoverDevices(settings, environment, log);
  return new EnginePool({ pickPort: freePort, ...dependencies, enginePath, emptyDirectory, warmUp, devices });
}

interface Parts extends Required<PoolDependencies> {
  enginePath: string;
  emptyDirectory: string;
  warmUp: Chunk;
  devices: Device[];
}

class EnginePool implements Pool {
  readonly devices: Device[];
  readonly engine: string;
  readonly #parts: Parts;
  readonly #engines = new Set<EngineProcess>();
  readonly #engineOf = new WeakMap<Backend, EngineProcess>();
  readonly #portsTaken = new Set<number>();
  #backendCount = 0;
  #isStopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.devices = parts.devices;
    this.engine = identifyEngine(parts.enginePath);
    process.on('exit', this.#killAll);
  }

  async start(device: Device, model: Model, signal: AbortSignal): Promise<Backend> {
    const { settings, warmUp, clock, log } = this.#parts;
    const limit = AbortSignal.timeout(settings.ENGINE_START_SECONDS * 1000);
    const either = AbortSignal.any([signal, limit]);
    for (let attempt = 1; attempt <= PORT_ATTEMPTS_MAX; attempt += 1) {
      const engine = await this.#spawn(device, model);
      try {
        const state = await waitUntilReady(engine, { device, model, warmUp }, either, clock);
        if (state === 'ready') return this.#backendOf(engine, device, model);
        log.warn({ port: engine.launch.port }, 'another server answers on the port of an engine; trying another port');
        await engine.kill('another server answers on its port', true);
      } catch (failure) {
        await engine.kill('did not become ready', signal.aborted);
        signal.throwIfAborted();
        throw await this.#startFailure(engine, device, model, limit.aborted, failure);
      }
    }
    throw new GatewayError('engine-failed', 'Other programs answer on every port that was tried for an engine.');
  }

  memoryFreeMb(device: Device): Promise<number | null> {
    return memoryFreeMb(device, this.#parts.environment);
  }

  memory(device: Device): Promise<DeviceMemory | null> {
    return gpuMemory(device, this.#parts.environment);
  }

  async stop(backend: Backend): Promise<void> {
    const engine = this.#engineOf.get(backend);
    assert(engine, `${backend.id} is not of this pool`);
    await this.#end(engine, 'stopped');
  }

  async stopAll(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#engines].map((engine) => this.#end(engine, 'the gateway stops')));
    process.off('exit', this.#killAll);
  }

  #end(engine: EngineProcess, reason: string): Promise<void> {
    return engine.end(this.#parts.settings.ENGINE_STOP_SECONDS * 1000, reason, true);
  }

  /** Last resort, where stopAll was not called. Synchronous, as everything at exit must be. */
  readonly #killAll = () => {
    for (const engine of this.#engines) void engine.kill('the gateway ended', true);
  };

  async #spawn(device: Device, model: Model): Promise<EngineProcess> {
    const { enginePath, emptyDirectory, environment, runDirectory, clock } = this.#parts;
    const port = await this.#takePort();
    if (this.#isStopped) throw new GatewayError('shutting-down', 'The server is shutting down.');
    const launch = describeLaunch({ engine: enginePath, device, model, port, emptyDirectory, environment });
    const engine = new EngineProcess(launch, clock);
    this.#engines.add(engine);
    let removeNote = () => {};
    void engine.exited.then(() => {
      this.#engines.delete(engine);
      this.#portsTaken.delete(port);
      removeNote();
    });
    try {
      removeNote = noteEngine(runDirectory, engine.processId, launch.requestPath);
    } catch (error) {
      // The folder cannot be written, and an engine without a note might outlive us.
      await engine.kill('cannot be noted', true);
      throw new GatewayError('engine-failed', 'The engine could not be started.', { cause: error });
    }
    return engine;
  }

  /** To the kernel a port is free until the engine has loaded its model and opens it: two starts must not get the same. */
  async #takePort(): Promise<number> {
    for (;;) {
      const port = await this.#parts.pickPort();
      if (this.#portsTaken.has(port)) continue;
      this.#portsTaken.add(port);
      return port;
    }
  }

  async #startFailure(
    engine: EngineProcess,
    device: Device,
    model: Model,
    isLate: boolean,
    failure: unknown,
  ): Promise<GatewayError> {
    if (engine.isMemoryShort) {
      const freeMb = await this.memoryFreeMb(device);
      return new GatewayError('gpu-memory-short', `${device.id} has not enough free memory for ${model.name}.`, {
        neededMb: model.memoryMb,
        ...(freeMb === null ? {} : { freeMb }),
        cause: new Error(engine.lastWords),
      });
    }
    if (isLate) {
      const seconds = this.#parts.settings.ENGINE_START_SECONDS;
      return new GatewayError('engine-failed', `The engine was not ready within ${seconds} s.`, {
        cause: new Error(engine.lastWords),
      });
    }
    if (failure instanceof GatewayError) return failure;
    return new GatewayError('engine-failed', 'The engine could not be started.', { cause: failure });
  }

  #backendOf(engine: EngineProcess, device: Device, model: Model): Backend {
    const { settings, clock, log } = this.#parts;
    const { processId } = engine;
    const end = (reason: string) => this.#end(engine, reason);
    const id = `${device.id}/${model.name}#${++this.#backendCount}`;
    let isBusy = false;
    let firstResidentMb: number | null = null;

    async function* run(chunk: Chunk, options: DecodingOptions, signal: AbortSignal) {
      assert(!isBusy, `${id} was given a second chunk while it runs one`);
      isBusy = true;
      try {
        if (!engine.isUsable) throw new GatewayError('engine-failed', 'The engine has ended.');
        yield* infer(
          engine,
          { device, model, chunk, options, deadlineFactor: settings.ENGINE_DEADLINE_FACTOR },
          signal,
          clock,
        );
        const mb = processId === undefined ? null : residentMb(processId);
        firstResidentMb ??= mb;
        // Ended before the lease is given back, so that the scheduler finds it gone and not half gone.
        if (mb !== null && firstResidentMb !== null && mb - firstResidentMb >= settings.ENGINE_MEMORY_GROWTH_MB) {
          await end(`replaced: its memory grew from ${firstResidentMb} to ${mb} MB`);
        }
      } finally {
        isBusy = false;
      }
    }

    const backend: Backend = { id, device, model, exited: engine.exited, run };
    this.#engineOf.set(backend, engine);
    void engine.exited.then(({ expected, reason }) => {
      if (expected) log.info({ backend: id, reason }, 'engine ended');
      else log.warn({ backend: id, reason }, 'engine failed');
    });
    return backend;
  }
}

/** A port nobody listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      assert(address !== null && typeof address === 'object');
      server.close(() => resolve(address.port));
    });
  });
}

async function writeSilence(path: string): Promise<Chunk> {
  const byteLength = WARM_UP_MS * PCM_BYTES_PER_MS;
  await writeFile(path, Buffer.alloc(byteLength));
  return { stored: inFile(path), byteOffset: 0, byteLength, startMs: 0, durationMs: WARM_UP_MS };
}
