// The traps of whisper-server that only whisper-server can spring. Set-up (`node backends/setup.mjs test`) brings the engine,
// the model and the recorded sentence; where one of them is missing these tests are skipped.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { locateEngine } from '../../backends/whisper-server/locate.mjs';
import { inFile } from '../lib/stored.ts';
import type { DecodingOptions } from '../transcript/request.ts';
import type { Pool } from './pool.ts';
import {
  collect,
  cpu,
  finalOf,
  freePort,
  isAlive,
  modelAt,
  never,
  options,
  PoolBench,
  ROOT,
  textOf,
} from './pool-bench.cases.ts';
import type { Backend } from './protocol.ts';

const ENGINE = locateEngine(ROOT, process.env)?.path ?? '';
const MODELS = process.env.MODELS_DIR || join(ROOT, 'models');
const MODEL = ['ggml-tiny-q5_1.bin', 'ggml-tiny.bin'].map((name) => join(MODELS, name)).find(existsSync) ?? '';
const SPEECH = join(ROOT, 'build/test-audio/jfk.wav');
const WAV_HEADER_BYTES = 44;

const isHere = [ENGINE, MODEL, SPEECH].every(existsSync) && !ENGINE.endsWith('server.mjs');
const SENTENCE = /ask not what your country can do for you,? ask what you can do for your country/i;

describe.skipIf(!isHere)('whisper-server', () => {
  const chunk = {
    stored: inFile(SPEECH),
    byteOffset: WAV_HEADER_BYTES,
    byteLength: 11_000 * 32,
    startMs: 20_000,
    durationMs: 11_000,
  };
  const model = modelAt(MODEL);
  let bench: PoolBench;
  let pool: Pool;
  let backend: Backend;
  const ports: number[] = [];

  beforeAll(async () => {
    bench = await PoolBench.open(ENGINE);
    pool = await bench.pool({}, {}, { pickPort: async () => ports.shift() ?? freePort() });
    const port = await freePort();
    ports.push(port);
    backend = await pool.start(cpu, model, never);
    ports.push(port);
  });
  afterAll(async () => {
    expect(await bench.close()).toEqual([]);
  });

  test('trap: tokens called words, trap: max_len 60', async () => {
    const events = await collect(backend.run(chunk, options, never));
    const final = finalOf(events);
    expect(final.language).toBe('en');
    expect(textOf(final)).toMatch(SENTENCE);
    // One line of the default 60 characters would not hold it.
    expect(Math.max(...final.segments.map((segment) => segment.text.length))).toBeGreaterThan(60);
    const words = final.segments.flatMap((segment) => segment.words);
    expect(words.map((word) => word.text).join(' ')).toBe(textOf(final).trim());
    expect(words).toHaveLength(22);
    expect(words.every((word) => word.startMs >= 20_000 && word.endMs <= 31_000)).toBe(true);
    expect(final.segments[0]?.noSpeechProbability).toBeLessThan(0.5);
    expect(events.filter((event) => event.type === 'segment-draft').map((event) => event.text)).toEqual(
      final.segments.map((segment) => segment.text),
    );
  });

  test('a given language leaves its no-speech figure stale; ours is measured', async () => {
    const { segments } = finalOf(await collect(backend.run(chunk, { ...options, language: 'en' }, never)));
    for (const segment of segments) expect(segment.noSpeechProbability).toBeLessThan(0.5);
  });

  test('decoding options reach the engine, and do not outlive their request', async () => {
    const run = async (asked: Partial<DecodingOptions>) =>
      finalOf(await collect(backend.run(chunk, { ...options, ...asked }, never)));
    // Speech counts as none where every probability is too high for it and every score too low.
    expect((await run({ noSpeechThreshold: 0, logprobThreshold: 0, beamSize: 1 })).segments).toEqual([]);
    expect(textOf(await run({ noSpeechThreshold: 0, temperatureStep: 0, beamSize: 1 }))).toMatch(SENTENCE);
    const once = await run({ logprobThreshold: 0, temperatureStep: 0, beamSize: 1 });
    const often = await run({ logprobThreshold: 0, temperatureStep: 0.5, beamSize: 1 });
    // Only the first decoding of a window leaves a true figure behind.
    expect(once.segments[0]?.noSpeechProbability).toBeGreaterThan(0.01);
    expect(often.segments[0]?.noSpeechProbability).toBeLessThan(0.01);
    // It refuses more than eight beams.
    expect(textOf(await run({ beamSize: 99 }))).toMatch(SENTENCE);
    expect(textOf(await run({}))).toMatch(SENTENCE);
  });

  test('trap: two servers on one port', async () => {
    // The port of the engine that runs already: whisper-server would share it without a word.
    expect(ports).toHaveLength(1);
    const other = await bench.pool({}, {}, { pickPort: async () => ports.shift() ?? freePort() });
    const second = await other.start(cpu, model, never);
    expect(ports).toEqual([]);
    await other.stop(second);
  });

  test('a caller that leaves frees the engine, or ends it, within a second', async () => {
    const controller = new AbortController();
    const run = collect(backend.run(chunk, options, controller.signal));
    let leftMs = 0;
    setTimeout(() => {
      leftMs = performance.now();
      controller.abort();
    }, 300);
    await expect(run).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect(performance.now() - leftMs).toBeLessThan(1_100);
  });

  test('trap: exit 0 on a bad argument', async () => {
    const wrapper = join(bench.directory, 'engine');
    await writeFile(wrapper, `#!/bin/sh\nexec ${ENGINE} --no-such-flag "$@"\n`, { mode: 0o755 });
    const bad = await bench.pool({}, { WHISPER_SERVER_BIN: wrapper });
    await expect(bad.start(cpu, model, never)).rejects.toMatchObject({
      code: 'engine-failed',
      cause: { message: expect.stringContaining('exited with code 0 without being asked') },
    });
  });

  test('trap: rewritten status codes (a language it does not know is an exception that names no reason)', async () => {
    const engine = await pool.start(cpu, model, never);
    const run = collect(engine.run(chunk, { ...options, language: 'xx' }, never));
    await expect(run).rejects.toMatchObject({ code: 'engine-failed' });
    expect(await engine.exited).toMatchObject({ expected: false, reason: expect.stringContaining('status 500') });
  });

  test('a model that cannot be loaded', async () => {
    const damaged = modelAt(join(bench.directory, 'ggml-damaged.bin'));
    await writeFile(damaged.path, 'no model');
    await expect(pool.start(cpu, damaged, never)).rejects.toMatchObject({ code: 'engine-failed' });
  });

  test('trap: orphans after SIGKILL', async () => {
    const known = bench.notes().map((note) => note.processId);
    const gateway = await bench.gateway(model);
    const orphan = bench.notes().find((note) => !known.includes(note.processId))?.processId ?? 0;
    expect(isAlive(orphan)).toBe(true);
    gateway.kill('SIGKILL');
    await expect.poll(() => isAlive(orphan), { timeout: 1_000, interval: 20 }).toBe(false);
    // The next start clears its note.
    await bench.pool();
  });
});
