// When an engine may be trusted with work: it lives, answers under its own random path, runs on the device it was given and,
// on a GPU, has done one inference.
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Model } from '../models/model.ts';
import type { Chunk } from '../transcript/recording.ts';
import { checkHealth, infer } from './client.ts';
import type { EngineProcess } from './process.ts';
import type { Device } from './protocol.ts';

const POLL_MS = 50;
/** Two servers share a port without an error and the kernel deals connections out between them: one answer proves little. */
const HEALTH_ANSWERS_MIN = 4;
/** The line is written before the port is opened, but the two arrive by different ways. */
const BACKEND_LINE_MS_MAX = 1_000;

/** Rejects when the engine ends, is on the wrong device, or `signal` aborts; `port-shared` when the port is not its own. */
export async function waitUntilReady(
  engine: EngineProcess,
  of: { device: Device; model: Model; warmUp: Chunk },
  signal: AbortSignal,
  clock: Clock,
): Promise<'ready' | 'port-shared'> {
  for (let answers = 0; answers < HEALTH_ANSWERS_MIN; ) {
    await expectAlive(engine, signal);
    const health = await checkHealth(engine);
    if (health === 'other-server') return 'port-shared';
    if (health === 'ready') answers += 1;
    else await Promise.race([sleep(POLL_MS), engine.exited]);
  }
  if (of.device.kind === 'cpu') return 'ready';
  await expectGpu(engine, of.device, signal);
  await warmUp(engine, of, signal, clock);
  return 'ready';
}

async function expectAlive(engine: EngineProcess, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (engine.isUsable) return;
  const exit = await engine.exited;
  throw new GatewayError('engine-failed', 'The engine ended while starting.', {
    cause: new Error(`the engine ${exit.reason}`),
  });
}

/** Without a working GPU the engine goes on with the CPU and says so in one line only. */
async function expectGpu(engine: EngineProcess, device: Device, signal: AbortSignal): Promise<void> {
  for (let waitedMs = 0; engine.backend === null && waitedMs < BACKEND_LINE_MS_MAX; waitedMs += POLL_MS) {
    await expectAlive(engine, signal);
    await sleep(POLL_MS);
  }
  if (engine.backend === 'cuda') return;
  throw new GatewayError(
    'engine-failed',
    `The engine does not use ${device.id} (${device.name}) but fell back to the CPU. Was it built with CUDA, and does the driver work?`,
  );
}

/**
 * Beams and fallbacks enlarge the engine's cache sevenfold at their first use, and an engine that cannot get that memory goes
 * on from freed memory: better here than under a request. It also proves that the GPU's code runs. A CPU has neither risk,
 * and one inference takes it as long as a request does (0.7 s for tiny, a minute for large on two cores).
 */
async function warmUp(
  engine: EngineProcess,
  { device, model, warmUp: chunk }: { device: Device; model: Model; warmUp: Chunk },
  signal: AbortSignal,
  clock: Clock,
): Promise<void> {
  const options = { task: 'transcribe', language: 'en', prompt: null, temperature: 0.2 } as const;
  // The start's own limit bounds it.
  const inference = {
    device,
    model,
    chunk,
    options,
    deadlineFactor: Number.POSITIVE_INFINITY,
    fields: { temperature_inc: '0' },
  };
  for await (const _event of infer(engine, inference, signal, clock));
}
