// The audio of the tests: one recorded sentence, and whatever else ffmpeg makes of it or of nothing.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ROOT } from './gateway.ts';

/** Eleven seconds of English, 16 kHz mono 16-bit WAV; set-up puts it there. */
export const SPEECH_PATH = join(ROOT, 'build/test-audio/jfk.wav');
export const SPEECH_SECONDS = 11;

if (!existsSync(SPEECH_PATH)) {
  throw new Error(`${SPEECH_PATH} is missing. Run: node backends/setup.mjs test`);
}

export const speech = (): Buffer<ArrayBuffer> => readFileSync(SPEECH_PATH);

/** The bytes ffmpeg writes; `arguments_` name inputs and options, `format` is the extension of the output. */
export function ffmpeg(arguments_: string[], format: string): Buffer<ArrayBuffer> {
  const directory = mkdtempSync(join(tmpdir(), 'compat-audio-'));
  try {
    const path = join(directory, `made.${format}`);
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...arguments_, path], { stdio: ['ignore', 'ignore', 'inherit'] });
    return readFileSync(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export const speechAs = (format: string, ...options: string[]) => ffmpeg(['-i', SPEECH_PATH, ...options], format);

/**
 * The first seconds of the sentence as WAV, over and over, made different from every other clip by an inaudible sample in
 * every tenth of a second, so that no two cases meet in the cache unless they mean to and the stand-in hears other words.
 */
export function clip(seconds: number, variant = 0): Buffer<ArrayBuffer> {
  const header = 44;
  const wanted = Math.round(seconds * 16_000) * 2;
  const samples = readPcm();
  const pcm = Buffer.alloc(wanted);
  for (let at = 0; at < wanted; at += samples.length) samples.copy(pcm, at);
  for (let at = 0; at < wanted; at += 3200) pcm.writeInt16LE(variant, at);
  const wav = Buffer.alloc(header + wanted);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + wanted, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(16_000, 24);
  wav.writeUInt32LE(32_000, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(wanted, 40);
  pcm.copy(wav, header);
  return wav;
}

function readPcm(): Buffer {
  const file = speech();
  const at = file.indexOf('data');
  return file.subarray(at + 8, at + 8 + file.readUInt32LE(at + 4));
}

/** Small models differ in commas and capitals, never in these words. */
export function expectSpeech(text: string): void {
  const words = text.toLowerCase().replace(/[^a-z ]+/g, '');
  expect(words).toContain('my fellow americans');
  expect(words).toContain('ask not what your country can do for you');
  expect(words.trim().replace(/ +/g, ' ')).toMatch(/ask what you can do for your country$/);
}
