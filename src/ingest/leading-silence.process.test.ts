// Real ffmpeg on recorded speech behind silence. Set-up (`node backends/setup.mjs test`) brings the speech.
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { type AudioSelection, PCM_BYTES_PER_MS } from '../transcript/recording.ts';
import { createIngest, type Ingest } from './ingest.ts';
import { ingestSettings } from './settings.ts';

const run = promisify(execFile);
const never = new AbortController().signal;
const SPEECH_PATH = join(import.meta.dirname, '../../build/test-audio/jfk.wav');
const SPEECH_MS = 11_000;
/** How long the recording itself is below the threshold before its first word. */
const SPEECH_BEGINS_MS = 330;
const KEPT_MS = 500;
/** The filter judges by a window of 20 ms, and a lossy codec moves the edges. */
const TOLERANCE_MS = 60;
const TRIMMED: AudioSelection = { channel: null, raw: null, withoutLeadingSilence: true };
const ENGINE_WAV = ['-ar', '16000', '-ac', '1', '-c:a', 'pcm_s16le'];

let directory: string;
let ingest: Ingest;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leading-silence-'));
  ingest = await createIngest({
    settings: ingestSettings.parse({}),
    directory: join(directory, 'spool'),
    log: silentLog,
    clock: systemClock,
  });
});
afterAll(async () => {
  expect(ingest.spoolBytes()).toBe(0);
  await ingest.close();
  await rm(directory, { recursive: true });
});

async function make(name: string, ...args: string[]): Promise<string> {
  const path = join(directory, name);
  await run('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args, path]);
  return path;
}

/** The speech, some seconds later. */
const behind = (seconds: number, name: string, ...codec: string[]) =>
  make(name, '-i', SPEECH_PATH, '-af', `adelay=${seconds * 1000}:all=1`, ...codec);

async function decode(path: string, selection: AudioSelection): Promise<Buffer> {
  const recording = await ingest.receive(createReadStream(path), never);
  try {
    const { file, byteLength, release } = await ingest.open(recording, selection, never);
    const bytes = await byteLength;
    const samples = (await readFile(await file.stored.path())).subarray(file.byteOffset, file.byteOffset + bytes);
    await release();
    return samples;
  } finally {
    await recording.release();
  }
}

const durationMs = (samples: Buffer) => samples.length / PCM_BYTES_PER_MS;

/** Whether what is heard is the end of what was said, sample by sample. */
function expectEndOf(samples: Buffer, whole: Buffer): void {
  expect(samples.equals(whole.subarray(whole.length - samples.length))).toBe(true);
}

test.for<[name: string, seconds: number, codec: string[]]>([
  ['engine.wav', 3, ENGINE_WAV],
  ['long.wav', 40, ENGINE_WAV],
  ['stereo.wav', 3, ['-ar', '44100', '-ac', '2']],
  ['a.mp3', 3, ['-c:a', 'libmp3lame']],
  ['a.ogg', 3, ['-c:a', 'libopus']],
])('of the silence before speech half a second stays: %s', async ([name, seconds, codec]) => {
  const samples = await decode(await behind(seconds, name, ...codec), TRIMMED);
  const expected = SPEECH_MS - SPEECH_BEGINS_MS + KEPT_MS;
  expect(Math.abs(durationMs(samples) - expected)).toBeLessThan(TOLERANCE_MS);
});

test('what follows the silence is as it was', async () => {
  const path = await behind(3, 'exact.wav', ...ENGINE_WAV);
  expectEndOf(await decode(path, TRIMMED), await decode(path, { channel: null, raw: null }));
});

test('less silence than half a second is left alone, and so is none', async () => {
  const whole = await decode(SPEECH_PATH, { channel: null, raw: null });
  expect((await decode(SPEECH_PATH, TRIMMED)).equals(whole)).toBe(true);
  const tone = await make('tone.wav', '-f', 'lavfi', '-i', 'sine=duration=2', ...ENGINE_WAV);
  expect(durationMs(await decode(tone, TRIMMED))).toBe(2000);
});

test('pauses and the silence at the end stay', async () => {
  const path = await make(
    'pauses.wav',
    ...['-i', SPEECH_PATH, '-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono'],
    ...[
      '-filter_complex',
      '[1]aformat=s16,atrim=0:5,asplit=3[a][b][c];[0]asplit[s][t];[a][s][b][t][c]concat=n=5:v=0:a=1',
    ],
    ...ENGINE_WAV,
  );
  const whole = await decode(path, { channel: null, raw: null });
  const samples = await decode(path, TRIMMED);
  expect(durationMs(whole)).toBe(37_000);
  expect(Math.abs(durationMs(samples) - (32_000 - SPEECH_BEGINS_MS + KEPT_MS))).toBeLessThan(TOLERANCE_MS);
  expectEndOf(samples, whole);
});

test('room noise below the threshold is silence; above it, it is not', async () => {
  const noisy = (name: string, amplitude: number) =>
    make(
      name,
      ...['-f', 'lavfi', '-i', `anoisesrc=d=4:r=16000:a=${amplitude}:seed=1`, '-i', SPEECH_PATH],
      ...['-filter_complex', '[0][1]concat=n=2:v=0:a=1'],
      ...ENGINE_WAV,
    );
  const trimmedMs = async (path: string) => durationMs(await decode(path, TRIMMED));
  expect(await trimmedMs(await noisy('quiet.wav', 0.002))).toBeLessThan(SPEECH_MS + KEPT_MS);
  expect(await trimmedMs(await noisy('loud.wav', 0.1))).toBeGreaterThan(SPEECH_MS + 3900);
});

test.for<[name: string, codec: string[]]>([
  ['silence.wav', ENGINE_WAV],
  ['silence.mp3', ['-c:a', 'libmp3lame']],
])('nothing but silence is no error: there is nothing to hear in %s', async ([name, codec]) => {
  const path = await make(name, '-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '5', ...codec);
  expect(await decode(path, TRIMMED)).toHaveLength(0);
  const recording = await ingest.receive(createReadStream(path), never);
  const audio = await ingest.split(recording, TRIMMED, never);
  expect(await Array.fromAsync(audio.chunks)).toEqual([]);
  expect(await audio.durationMs).toBe(0);
  await audio.release();
  await recording.release();
});

test('where any channel is heard, the recording begins; a channel by itself begins with its own sound', async () => {
  const path = await make(
    'stereo-late.wav',
    ...['-f', 'lavfi', '-i', 'sine=frequency=440:duration=10', '-f', 'lavfi', '-i', 'sine=frequency=880:duration=10'],
    ...['-filter_complex', '[0]volume=0:enable=lt(t\\,4)[l];[1]volume=0:enable=lt(t\\,8)[r];[l][r]join=inputs=2'],
    ...['-ar', '16000'],
  );
  const lengthOf = async (channel: number | null) => durationMs(await decode(path, { ...TRIMMED, channel }));
  expect(Math.abs((await lengthOf(null)) - 6500)).toBeLessThan(TOLERANCE_MS);
  expect(Math.abs((await lengthOf(0)) - 6500)).toBeLessThan(TOLERANCE_MS);
  expect(Math.abs((await lengthOf(1)) - 2500)).toBeLessThan(TOLERANCE_MS);
});

test('what is no audio, damaged or too short is still refused', async () => {
  const shortPath = await make('short.wav', '-f', 'lavfi', '-i', 'sine=duration=0.05', ...ENGINE_WAV);
  await expect(decode(shortPath, TRIMMED)).rejects.toMatchObject({ code: 'audio-too-short' });
  const emptyPath = await make('empty.wav', '-f', 'lavfi', '-i', 'sine', '-t', '0', ...ENGINE_WAV);
  await expect(decode(emptyPath, TRIMMED)).rejects.toMatchObject({ code: 'audio-too-short' });
  const broken = join(directory, 'broken.flac');
  await writeFile(broken, Buffer.concat([Buffer.from('fLaC'), Buffer.alloc(1000, 7)]));
  await expect(decode(broken, TRIMMED)).rejects.toMatchObject({ code: 'audio-undecodable' });
  await writeFile(broken, 'just text, and not little of it');
  await expect(decode(broken, TRIMMED)).rejects.toMatchObject({ code: 'audio-unrecognised' });
});
