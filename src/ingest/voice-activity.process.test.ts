// The real model in its threads. Set-up (`node backends/setup.mjs test`) brings the model and the recorded speech.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Worker } from 'node:worker_threads';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Frame } from './cut.ts';
import { FRAME_BYTES } from './hearing.ts';
import { VoiceActivity, type VoiceActivityParts } from './voice-activity.ts';

const run = promisify(execFile);
const never = new AbortController().signal;
const SPEECH_PATH = join(import.meta.dirname, '../../build/test-audio/jfk.wav');
const WAV_HEADER_BYTES = 44;
const BLOCK_BYTES = 32 * FRAME_BYTES;

let directory: string;
let speech: Buffer;
let opened: VoiceActivity[] = [];
let threads: Worker[] = [];
let logged: { msg: string; reason?: string }[] = [];

beforeAll(async () => {
  process.on('worker', (worker) => {
    threads.push(worker);
    worker.once('exit', () => {
      threads = threads.filter((other) => other !== worker);
    });
  });
  directory = await mkdtemp(join(tmpdir(), 'voice-'));
  const samples = (await readFile(SPEECH_PATH)).subarray(WAV_HEADER_BYTES);
  speech = samples.subarray(0, samples.length - (samples.length % FRAME_BYTES));
});
afterEach(async () => {
  await Promise.all(opened.map((voiceActivity) => voiceActivity.close()));
  expect(threads).toEqual([]);
  opened = [];
  logged = [];
});
afterAll(() => rm(directory, { recursive: true }));

function open(parts: Partial<VoiceActivityParts> = {}): VoiceActivity {
  const log = pino({ level: 'warn' }, { write: (line: string) => logged.push(JSON.parse(line)) });
  const voiceActivity = new VoiceActivity({ log, ...parts });
  opened.push(voiceActivity);
  return voiceActivity;
}

async function hearAll(voiceActivity: VoiceActivity, samples: Buffer): Promise<Frame[]> {
  const listener = await voiceActivity.listen(never);
  const frames: Frame[] = [];
  for (let at = 0; at < samples.length; at += BLOCK_BYTES) {
    frames.push(...(await listener.hear(samples.subarray(at, at + BLOCK_BYTES))));
  }
  listener.close();
  return frames;
}

const voiceOf = (frames: Frame[]) => frames.map(({ hasVoice }) => (hasVoice ? '#' : '.')).join('');

/** Samples made by ffmpeg's signal generators. */
async function make(source: string): Promise<Buffer> {
  const path = join(directory, 'made.s16le');
  await run('ffmpeg', [
    '-v',
    'error',
    '-y',
    '-f',
    'lavfi',
    '-i',
    source,
    '-ac',
    '1',
    '-ar',
    '16000',
    '-f',
    's16le',
    path,
  ]);
  const samples = await readFile(path);
  return samples.subarray(0, samples.length - (samples.length % FRAME_BYTES));
}

const MUSIC =
  "aevalsrc='0.2*sin(440*PI*t)*(0.6+0.4*sin(4*PI*t))+0.15*sin(554.36*PI*t)+0.15*sin(658.5*PI*t)*gt(sin(PI*t),0)':s=16000:d=20";

test('speech is heard where it is, and its pauses are', async () => {
  const frames = await hearAll(open(), speech);
  // "And so my fellow Americans / ask not / what your country can do for you / ask what you can do for your country."
  const phrases = [...voiceOf(frames).matchAll(/#+(?:\.{1,6}#+)*/g)].map(({ 0: phrase, index }) => [
    index * 0.032,
    (index + phrase.length) * 0.032,
  ]);
  const expected = [
    [0.3, 2.3],
    [3.3, 4.4],
    [5.4, 7.7],
    [8.2, 10.5],
  ];
  expect(phrases).toHaveLength(expected.length);
  for (const [index, [start = 0, end = 0]] of expected.entries()) {
    expect(Math.abs(Number(phrases[index]?.[0]) - start)).toBeLessThan(0.25);
    expect(Math.abs(Number(phrases[index]?.[1]) - end)).toBeLessThan(0.25);
  }
  expect(logged).toEqual([]);
});

test('speech is heard as well when it is low', async () => {
  const voiceActivity = open();
  const usual = await hearAll(voiceActivity, speech);
  for (const factor of [0.03, 0.006]) {
    const low = Buffer.from(speech);
    for (let at = 0; at < low.length; at += 2) low.writeInt16LE(Math.round(speech.readInt16LE(at) * factor), at);
    const heard = await hearAll(voiceActivity, low);
    const different = heard.filter(({ hasVoice }, index) => hasVoice !== usual[index]?.hasVoice);
    expect(different.length).toBeLessThan(20);
  }
});

test.for<[string, string]>([
  ['silence', 'anullsrc=r=16000:cl=mono,atrim=duration=20'],
  ['white noise', 'anoisesrc=color=white:amplitude=0.3:duration=20:sample_rate=16000'],
  ['a room tone', 'anoisesrc=color=pink:amplitude=0.01:duration=20:sample_rate=16000'],
  ['the faintest hiss', 'anoisesrc=color=white:amplitude=0.0003:duration=20:sample_rate=16000'],
  ['a hum', 'sine=frequency=50:duration=20:sample_rate=16000'],
  ['chords', MUSIC],
])('%s has no voice', async ([, source]) => {
  expect(voiceOf(await hearAll(open(), await make(source)))).not.toContain('#');
});

test('recordings heard at the same time do not disturb each other, nor do those before', async () => {
  const voiceActivity = open();
  const noise = await make('anoisesrc=color=white:amplitude=0.3:duration=11:sample_rate=16000');
  const alone = voiceOf(await hearAll(voiceActivity, speech));
  const several = Array.from({ length: 12 }, (_, index) => (index % 2 ? noise : speech));
  const together = await Promise.all(several.map((samples) => hearAll(voiceActivity, samples)));
  for (const [index, frames] of together.entries()) {
    expect(voiceOf(frames)).toBe(index % 2 ? '.'.repeat(frames.length) : alone);
  }
  expect(voiceOf(await hearAll(voiceActivity, speech))).toBe(alone);
});

test('a recording may be asked about again before it is answered, and what it gives away may be a part of something', async () => {
  const voiceActivity = open();
  const alone = voiceOf(await hearAll(voiceActivity, speech));
  const listener = await voiceActivity.listen(never);
  const hearing: Promise<Frame[]>[] = [];
  for (let at = 0; at < speech.length; at += BLOCK_BYTES) {
    const part = speech.subarray(at, at + BLOCK_BYTES);
    const whole = Buffer.allocUnsafeSlow(part.length);
    part.copy(whole);
    hearing.push(listener.hear(at % 3 ? part : whole));
  }
  listener.close();
  expect(voiceOf((await Promise.all(hearing)).flat())).toBe(alone);
  expect(voiceOf(await hearAll(voiceActivity, speech))).toBe(alone);
});

test('the beginning of a recording is heard before the rest of others, and each in its order', async () => {
  const voiceActivity = open({ threadsMax: 1 });
  const alone = voiceOf(await hearAll(voiceActivity, speech));
  const hour = await voiceActivity.listen(never);
  let answered = 0;
  const block = speech.subarray(0, BLOCK_BYTES);
  const hearing = Array.from({ length: 28 + 300 }, async () => {
    await hour.hear(block);
    answered += 1;
  });
  await expect.poll(() => answered).toBeGreaterThan(28);
  const before = answered;
  expect(voiceOf(await hearAll(voiceActivity, speech))).toBe(alone);
  expect(answered - before).toBeLessThan(100);
  hour.close();
  await Promise.all(hearing);
  expect(voiceOf(await hearAll(voiceActivity, speech))).toBe(alone);
});

test('a second thread is made for a second recording and no more than are allowed, and serves those that come after', async () => {
  const voiceActivity = open({ threadsMax: 2 });
  const alone = voiceOf(await hearAll(voiceActivity, speech));
  expect(threads).toHaveLength(1);
  const first = await voiceActivity.listen(never);
  const second = await voiceActivity.listen(never);
  await expect.poll(() => threads.length).toBe(2);
  const together = await Promise.all(Array.from({ length: 6 }, () => hearAll(voiceActivity, speech)));
  expect(together.map((frames) => voiceOf(frames))).toEqual(Array(6).fill(alone));
  expect(threads).toHaveLength(2);
  first.close();
  second.close();
});

test('what goes on and on is heard in the same memory', async () => {
  const voiceActivity = open();
  const word = speech.subarray(170 * FRAME_BYTES, 234 * FRAME_BYTES); // two seconds without a pause
  const listener = await voiceActivity.listen(never);
  for (let count = 0; count < 150; count += 1) await listener.hear(word);
  const before = process.memoryUsage.rss();
  let voiced = 0;
  for (let count = 0; count < 600; count += 1)
    voiced += (await listener.hear(word)).filter((frame) => frame.hasVoice).length;
  expect(voiced).toBeGreaterThan(600 * 50);
  expect(process.memoryUsage.rss() - before).toBeLessThan(40_000_000); // twenty minutes are 77 MB as floats
  listener.close();
});

test.for<[string, () => Promise<string>, RegExp]>([
  ['no model', async () => join(directory, 'none.onnx'), /There is no model at .*none\.onnx/],
  [
    'a damaged model',
    async () => {
      const path = join(directory, 'damaged.onnx');
      await writeFile(path, Buffer.alloc(100_000, 7));
      return path;
    },
    /The model cannot be used: /,
  ],
])('with %s speech is heard by loudness, which is said once', async ([, prepare, reason]) => {
  const voiceActivity = open({ modelPath: await prepare(), threadsMax: 2 });
  const listener = await voiceActivity.listen(never);
  for (let round = 0; round < 2; round += 1) {
    const frames = await hearAll(voiceActivity, Buffer.concat([Buffer.alloc(BLOCK_BYTES), speech]));
    expect(voiceOf(frames.slice(0, 32))).not.toContain('#');
    expect(frames.filter(({ hasVoice }) => hasVoice).length).toBeGreaterThan(150);
  }
  listener.close();
  expect(logged).toEqual([expect.objectContaining({ msg: expect.stringMatching(/not available: .*by loudness/) })]);
  expect(logged[0]?.reason).toMatch(reason);
});

test('a thread that fails fails what it was asked, and the next recording gets another', async () => {
  const voiceActivity = open();
  const alone = voiceOf(await hearAll(voiceActivity, speech));
  const listener = await voiceActivity.listen(never);
  const [thread] = threads;
  assert(thread);
  thread.postMessage({ recording: 1, samples: 'none' }); // a bug of ours
  const hearing = listener.hear(speech.subarray(0, BLOCK_BYTES));
  await expect(hearing).rejects.toThrow();
  await expect(listener.hear(speech.subarray(0, BLOCK_BYTES))).rejects.toThrow();
  listener.close();
  expect(logged).toEqual([expect.objectContaining({ msg: expect.stringMatching(/failed$/) })]);
  expect(voiceOf(await hearAll(voiceActivity, speech))).toBe(alone);
});

test('closing lets go of whoever still listens', async () => {
  const voiceActivity = open();
  const listener = await voiceActivity.listen(never);
  const hearing = listener.hear(speech);
  const closing = voiceActivity.close();
  await expect(hearing).rejects.toThrow('closed');
  await closing;
  await expect(listener.hear(speech)).rejects.toThrow('closed');
  listener.close();
  expect(logged).toEqual([]);
});

test('so many may listen at a time; the next waits its turn, or leaves', async () => {
  const voiceActivity = open();
  const listeners = await Promise.all(Array.from({ length: 64 }, () => voiceActivity.listen(never)));
  const leaving = new AbortController();
  const left = voiceActivity.listen(leaving.signal);
  const waiting = voiceActivity.listen(never);
  leaving.abort(new Error('left'));
  await expect(left).rejects.toThrow('left');
  listeners[0]?.close();
  listeners[0]?.close();
  (await waiting).close();
});
