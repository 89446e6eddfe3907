// Every fault an engine can have, with the paced stand-in as the engine.
import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { inFile } from '../lib/stored.ts';
import type { Model } from '../models/model.ts';
import { type Chunk, PCM_BYTES_PER_MS } from '../transcript/recording.ts';
import {
  collect,
  cpu,
  cuda,
  finalOf,
  freePort,
  isAlive,
  modelAt,
  never,
  options,
  PoolBench,
  portOf,
  ROOT,
  textOf,
} from './pool-bench.cases.ts';

const PACED = join(ROOT, 'backends/paced/server.mjs');

let bench: PoolBench;
let model: Model;
beforeEach(async () => {
  bench = await PoolBench.open(PACED);
  model = modelAt(join(bench.directory, 'ggml-paced.bin'));
  await writeFile(model.path, '');
});
afterEach(async () => {
  expect(await bench.close()).toEqual([]);
});

async function chunkOf(durationMs: number, startMs = 0): Promise<Chunk> {
  const samples = Buffer.alloc(durationMs * PCM_BYTES_PER_MS);
  for (let index = 0; index < samples.length / 2; index += 1) {
    samples.writeInt16LE(Math.round(9_000 * Math.sin(index / (20 + (index >> 12)))), index * 2);
  }
  const path = join(bench.directory, `${durationMs}.pcm`);
  await writeFile(path, samples);
  return { stored: inFile(path), byteOffset: 0, byteLength: samples.length, startMs, durationMs };
}

const failing = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

test('an engine that cannot be noted is ended, and its caller is told nothing of our folders', async () => {
  const pool = await bench.pool();
  await rm(bench.runDirectory, { recursive: true });
  const failure = await pool.start(cpu, model, never).catch((error: Error) => error);
  expect(failure).toEqual(failing('engine-failed'));
  expect((failure as Error).message).not.toContain(bench.runDirectory);
  await mkdir(bench.runDirectory, { recursive: true });
});

describe('a chunk', () => {
  test('gives drafts and progress while it runs, then one final, all timed from where the chunk begins', async () => {
    const pool = await bench.pool();
    const backend = await pool.start(cpu, model, never);
    const events = await collect(backend.run(await chunkOf(10_000, 60_000), options, never));
    const final = finalOf(events);
    expect(events.filter((event) => event.type === 'chunk-final')).toHaveLength(1);
    const drafts = events.filter((event) => event.type === 'segment-draft');
    expect(drafts.map(({ startMs, endMs, text }) => ({ startMs, endMs, text }))).toEqual(
      final.segments.map(({ startMs, endMs, text }) => ({ startMs, endMs, text })),
    );
    expect(final.segments[0]?.startMs).toBe(60_000);
    expect(final.segments.at(-1)?.endMs).toBe(70_000);
    expect(final.segments[0]?.words).toHaveLength(8);
    expect(events).toContainEqual({ type: 'progress', fraction: 1 });
  });

  test('is the slice and nothing else: the same samples give the same text wherever they are', async () => {
    const pool = await bench.pool({ PACED_SPEED: '1000' });
    const backend = await pool.start(cpu, model, never);
    const whole = await chunkOf(8_000);
    const half = 4_000 * PCM_BYTES_PER_MS;
    const run = async (byteOffset: number, byteLength: number) =>
      textOf(
        finalOf(
          await collect(backend.run({ ...whole, byteOffset, byteLength, durationMs: byteLength / 32 }, options, never)),
        ),
      );
    const [all, first, second] = [await run(0, 2 * half), await run(0, half), await run(half, half)];
    expect(first).not.toBe(second);
    // Sentences end elsewhere, words do not.
    expect(all.replaceAll('.', '')).toBe((first + second).replaceAll('.', ''));
  });

  test('whose file is gone is our own failure, and costs no engine', async () => {
    const pool = await bench.pool();
    const backend = await pool.start(cpu, model, never);
    const chunk = await chunkOf(1_000);
    await expect(
      collect(backend.run({ ...chunk, stored: inFile(join(bench.directory, 'gone')) }, options, never)),
    ).rejects.toEqual(failing('internal'));
    await expect(collect(backend.run({ ...chunk, byteLength: 64_000 }, options, never))).rejects.toEqual(
      failing('internal'),
    );
    expect(textOf(finalOf(await collect(backend.run(chunk, options, never))))).not.toBe('');
  });

  test('is the only one of its engine', async () => {
    const pool = await bench.pool({ PACED_SPEED: '5' });
    const backend = await pool.start(cpu, model, never);
    const chunk = await chunkOf(2_000);
    const first = collect(backend.run(chunk, options, never));
    await expect(collect(backend.run(chunk, options, never))).rejects.toThrow('second chunk');
    expect(finalOf(await first).segments).not.toEqual([]);
  });

  test('after which an engine has grown too much is its last', async () => {
    const pool = await bench.pool({ PACED_SPEED: '1000' }, { ENGINE_MEMORY_GROWTH_MB: '1' });
    const backend = await pool.start(cpu, model, never);
    const chunks = [await chunkOf(400), await chunkOf(60_000), await chunkOf(120_000)];
    let runs = 0;
    for (const chunk of chunks) {
      if ((await Promise.race([backend.exited, null])) !== null) break;
      await collect(backend.run(chunk, options, never));
      runs += 1;
    }
    expect(runs).toBeGreaterThan(1);
    expect(await backend.exited).toEqual({ expected: true, reason: expect.stringContaining('its memory grew') });
  });
});

describe('a caller that leaves', () => {
  test('frees the engine within a second, and the engine lives', async () => {
    const pool = await bench.pool({ PACED_SPEED: '1' });
    const backend = await pool.start(cpu, model, never);
    const controller = new AbortController();
    const run = collect(backend.run(await chunkOf(30_000), options, controller.signal));
    setTimeout(() => controller.abort(), 300);
    const startedMs = performance.now();
    await expect(run).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect(performance.now() - startedMs).toBeLessThan(1_300);
    const processId = bench.processId();
    expect(isAlive(processId)).toBe(true);
    const next = await collect(backend.run(await chunkOf(400), options, never));
    expect(finalOf(next).segments).toHaveLength(1);
  });

  test('by no longer iterating, too', async () => {
    const pool = await bench.pool({ PACED_SPEED: '4' });
    const backend = await pool.start(cpu, model, never);
    for await (const event of backend.run(await chunkOf(10_000), { ...options, language: 'en' }, never)) {
      expect(event.type).toBe('segment-draft');
      break;
    }
    const next = await collect(backend.run(await chunkOf(400), options, never));
    expect(finalOf(next).segments).toHaveLength(1);
  });

  test('of an engine that does not notice: it is killed within a second', async () => {
    const pool = await bench.pool({ PACED_HANG_ON: '1' });
    const backend = await pool.start(cpu, model, never);
    const controller = new AbortController();
    const run = collect(backend.run(await chunkOf(1_000), options, controller.signal));
    setTimeout(() => controller.abort(), 200);
    const startedMs = performance.now();
    await expect(run).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect(await backend.exited).toMatchObject({ expected: true });
    expect(performance.now() - startedMs).toBeLessThan(1_200);
  });

  test('before the start is over: nothing is left of it', async () => {
    const pool = await bench.pool({ PACED_START_MS: '20000' });
    const start = pool.start(cpu, model, AbortSignal.timeout(300));
    await expect(start).rejects.toThrow(expect.objectContaining({ name: 'TimeoutError' }));
    await expect.poll(() => bench.notes()).toEqual([]);
  });
});

describe('traps', () => {
  test('trap: undrained pipes', async () => {
    // Sixty times what a pipe holds.
    const pool = await bench.pool({ PACED_NOISE: String(4 * 2 ** 20), PACED_SPEED: '1000' });
    const backend = await pool.start(cpu, model, never);
    const final = finalOf(await collect(backend.run(await chunkOf(2_000), options, AbortSignal.timeout(20_000))));
    expect(final.segments).toHaveLength(1);
  });

  test('trap: two servers on one port', async () => {
    const stranger = createServer((_request, response) => response.writeHead(404).end('File Not Found'));
    onTestFinished(() => void stranger.close());
    const taken = await portOf(stranger);
    const ports = [taken];
    const pool = await bench.pool({}, {}, { pickPort: async () => ports.shift() ?? freePort() });
    const backend = await pool.start(cpu, model, never);
    expect(ports).toEqual([]);
    expect(finalOf(await collect(backend.run(await chunkOf(400), options, never))).segments).toHaveLength(1);
  });

  test.each([
    ['404 File Not Found (/inference)', 'engine-failed', 'failed while transcribing'],
    ['500 {"error":"failed to process audio"}', 'engine-failed', 'failed while transcribing'],
    ['500 500 Internal Server Error\nstof', 'engine-failed', 'failed while transcribing'],
    ['200 {"text":""}', 'engine-failed', 'a shape that is not its own'],
  ])('trap: rewritten status codes (%j ends the engine)', async (answer, code, message) => {
    const pool = await bench.pool({ PACED_ANSWER: answer });
    const backend = await pool.start(cpu, model, never);
    await expect(collect(backend.run(await chunkOf(400), options, never))).rejects.toEqual(failing(code, message));
    expect(await backend.exited).toMatchObject({ expected: false });
  });

  test('trap: rewritten status codes (400 is about the audio, and the engine lives)', async () => {
    const pool = await bench.pool({ PACED_ANSWER: '400 Invalid request' });
    const backend = await pool.start(cpu, model, never);
    await expect(collect(backend.run(await chunkOf(400), options, never))).rejects.toEqual(
      failing('audio-undecodable'),
    );
    expect(isAlive(bench.processId())).toBe(true);
  });

  test('trap: silent fall-back to the CPU', async () => {
    const pool = await bench.pool({ PACED_CPU_FALLBACK: '1' });
    await expect(pool.start(cuda, model, never)).rejects.toEqual(
      failing('engine-failed', 'does not use cuda:0 (Card) but fell back to the CPU'),
    );
    await expect.poll(() => bench.notes()).toEqual([]);
    await expect((await bench.pool()).start(cuda, model, never)).resolves.toMatchObject({ device: cuda });
  });

  test('trap: exit 0 on a bad argument', async () => {
    const wrapper = join(bench.directory, 'engine');
    await writeFile(wrapper, `#!/bin/sh\nexec ${PACED} --no-such-flag "$@"\n`, { mode: 0o755 });
    const pool = await bench.pool({}, { WHISPER_SERVER_BIN: wrapper });
    const failure: Error = await pool.start(cpu, model, never).then(
      () => expect.unreachable(),
      (thrown) => thrown,
    );
    expect(failure).toEqual(failing('engine-failed', 'ended while starting'));
    expect(String(failure.cause)).toContain('exited with code 0 without being asked: error: unknown argument');
  });

  test('trap: max_len 60', async () => {
    const pool = await bench.pool({ PACED_SPEED: '1000' });
    const backend = await pool.start(cpu, model, never);
    const { segments } = finalOf(await collect(backend.run(await chunkOf(9_600), options, never)));
    // Eight words a segment, as the stand-in makes them; with the default some would be cut at 60 characters.
    expect(segments.map((segment) => segment.words.length)).toEqual([8, 8, 8]);
  });

  test('trap: tokens called words', async () => {
    const pool = await bench.pool({ PACED_SPEED: '1000' });
    const backend = await pool.start(cpu, model, never);
    const [segment] = finalOf(await collect(backend.run(await chunkOf(3_200), options, never))).segments;
    expect(segment?.pieces.length).toBeGreaterThan(8);
    expect(segment?.words).toHaveLength(8);
    expect(segment?.words.at(-1)?.text).toMatch(/^\w+\.$/);
  });

  test('trap: a health check that cannot see a stuck inference', async () => {
    let port = 0;
    const settings = { ENGINE_DEADLINE_FACTOR: '0.02' };
    const pickPort = async () => {
      port = await freePort();
      return port;
    };
    const pool = await bench.pool({ PACED_HANG_ON: '2', PACED_SPEED: '1000' }, settings, { pickPort });
    const backend = await pool.start(cpu, model, never);
    await collect(backend.run(await chunkOf(400), options, never));
    const stuck = collect(backend.run(await chunkOf(1_000), options, never));
    const health = await fetch(`http://127.0.0.1:${port}${bench.notes()[0]?.requestPath}/health`);
    expect(await health.json()).toEqual({ status: 'ok' });
    await expect(stuck).rejects.toEqual(failing('engine-timeout'));
    expect(await backend.exited).toMatchObject({ expected: false, reason: expect.stringContaining('stuck') });
  });

  test('trap: orphans after SIGKILL', async () => {
    const gateway = await bench.gateway(model);
    const processId = bench.processId();
    expect(isAlive(processId)).toBe(true);
    gateway.kill('SIGKILL');
    await expect.poll(() => isAlive(processId), { timeout: 1_000, interval: 20 }).toBe(false);
    // The next start finds the note and clears it.
    await bench.pool();
    expect(bench.notes()).toEqual([]);
  });

  test('trap: orphans after SIGKILL where there is no setpriv: the next start ends them', async () => {
    const bin = join(bench.directory, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'node'), `#!/bin/sh\nexec ${process.execPath} "$@"\n`, { mode: 0o755 });
    const gateway = await bench.gateway(model, { PATH: bin });
    const processId = bench.processId();
    // While its gateway lives an engine is nobody's leftover.
    await bench.pool();
    expect(isAlive(processId)).toBe(true);
    gateway.kill('SIGKILL');
    await new Promise((done) => gateway.once('close', done));
    expect(isAlive(processId)).toBe(true);
    await bench.pool();
    expect(isAlive(processId)).toBe(false);
    expect(bench.notes()).toEqual([]);
  });

  test('a leftover note never ends a process that is no engine', async () => {
    const other = spawn('sleep', ['30']);
    await mkdir(bench.runDirectory, { recursive: true });
    const note = { processId: other.pid, gatewayProcessId: 1, requestPath: '/b-0123456789' };
    await writeFile(join(bench.runDirectory, `engine-${other.pid}.json`), JSON.stringify(note));
    await writeFile(join(bench.runDirectory, 'engine-1.json'), 'damaged');
    await bench.pool();
    expect(isAlive(other.pid ?? 0)).toBe(true);
    expect(bench.notes()).toEqual([]);
    other.kill();
  });
});

describe('an engine that fails', () => {
  test('in the middle of a chunk is the engine’s failure, with its last words', async () => {
    const pool = await bench.pool({ PACED_CRASH_ON: '2' });
    const backend = await pool.start(cpu, model, never);
    await collect(backend.run(await chunkOf(400), options, never));
    await expect(collect(backend.run(await chunkOf(2_000), options, never))).rejects.toEqual(failing('engine-failed'));
    const exit = await backend.exited;
    expect(exit).toEqual({ expected: false, reason: expect.stringContaining('SIGABRT') });
    expect(exit.reason).toContain('CUDA error: an illegal memory access');
    await expect(collect(backend.run(await chunkOf(400), options, never))).rejects.toEqual(failing('engine-failed'));
  });

  test('for want of memory while it loads says how much it needs and how much there is', async () => {
    const bin = join(bench.directory, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'nvidia-smi'), '#!/bin/sh\necho "0, GPU-1, Card, 8192, 7892, 300, 0"\n', { mode: 0o755 });
    const memoryFile = join(bench.directory, 'memory');
    await writeFile(memoryFile, '300');
    const knobs = { PACED_MEMORY_FILE: memoryFile, PACED_MEMORY_MB: '500', PATH: `${bin}:${process.env.PATH}` };
    const pool = await bench.pool(knobs, { DEVICES: '' });
    const [device] = pool.devices;
    expect(device).toMatchObject({ id: 'cuda:0', uuid: 'GPU-1', memoryTotalMb: 8_192 });
    if (!device) return expect.unreachable();
    expect(await pool.memoryFreeMb(device)).toBe(300);
    await expect(pool.start(device, model, never)).rejects.toMatchObject({
      code: 'gpu-memory-short',
      neededMb: 500,
      freeMb: 300,
    });
    await writeFile(memoryFile, '600');
    await expect(pool.start(device, model, never)).resolves.toMatchObject({ device });
  });

  test('to get ready in time is ended', async () => {
    const pool = await bench.pool({ PACED_START_MS: '20000' }, { ENGINE_START_SECONDS: '1' });
    await expect(pool.start(cpu, model, never)).rejects.toEqual(failing('engine-failed', 'not ready within 1 s'));
    await expect.poll(() => bench.notes()).toEqual([]);
  });

  test('to load its model', async () => {
    const pool = await bench.pool();
    const missing = { ...model, path: join(bench.directory, 'missing.bin') };
    await expect(pool.start(cpu, missing, never)).rejects.toEqual(failing('engine-failed', 'ended while starting'));
  });

  test('to warm up', async () => {
    const pool = await bench.pool({ PACED_CRASH_ON: '1' });
    await expect(pool.start(cuda, model, never)).rejects.toEqual(failing('engine-failed'));
  });

  test('to end by itself is killed, busy or not', async () => {
    const pool = await bench.pool({ PACED_HANG_ON: '1' }, { ENGINE_STOP_SECONDS: '0.2' });
    const backend = await pool.start(cpu, model, never);
    const run = collect(backend.run(await chunkOf(1_000), options, never));
    const failed = expect(run).rejects.toEqual(failing('engine-failed'));
    await new Promise((done) => setTimeout(done, 200));
    await pool.stop(backend);
    expect(await backend.exited).toMatchObject({ expected: true });
    await failed;
  });
});

test('stopping an idle engine is quick and awaited; afterwards nothing starts', async () => {
  const pool = await bench.pool();
  const backend = await pool.start(cpu, model, never);
  const processId = bench.processId();
  await pool.stop(backend);
  expect(isAlive(processId)).toBe(false);
  expect(await backend.exited).toEqual({ expected: true, reason: 'stopped (exited with code 0)' });
  await pool.stopAll();
  await expect(pool.start(cpu, model, never)).rejects.toEqual(failing('shutting-down'));
});

test('memory of the CPU is that of the machine; of a GPU that is not there, unknown', async () => {
  const pool = await bench.pool();
  expect(await pool.memoryFreeMb(cpu)).toBeGreaterThan(10);
  expect(await pool.memoryFreeMb(cuda)).toBeNull();
});
