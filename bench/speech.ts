// The audio of the benches: one recorded sentence, again and again with pauses, because what holds no voice never reaches an
// engine and would be no load.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SENTENCE_PATH = join(import.meta.dirname, '../build/test-audio/jfk.wav');
const SAMPLE_RATE = 16_000;
const BYTES_PER_SECOND = 2 * SAMPLE_RATE;
const HEADER_BYTES = 44;
/** Longer than any pause inside the sentence, so that a cut falls between two of them. */
const PAUSES_SECONDS = [1.2, 0.9, 1.5, 1];

/** WAV of this length, 16 kHz mono. */
export function clip(seconds: number): Buffer {
  const sentence = readSentence();
  const wav = Buffer.alloc(HEADER_BYTES + seconds * BYTES_PER_SECOND);
  writeHeader(wav);
  for (let at = HEADER_BYTES, count = 0; at < wav.length; count += 1) {
    at += sentence.copy(wav, at);
    at += Math.round((PAUSES_SECONDS[count % PAUSES_SECONDS.length] ?? 1) * SAMPLE_RATE) * 2;
  }
  return wav;
}

/** A clip's samples begin here; this far into them somebody speaks. */
export const VOICED_AT = HEADER_BYTES + 2 * BYTES_PER_SECOND;

/**
 * The beginning of a WAV file of so many bytes of which the sound is no more than a clip: what follows are notes, as editors
 * leave them there, and may be zeros.
 */
export function clipBeforeNotes(seconds: number, bytes: number): Buffer {
  const wav = clip(seconds);
  const head = Buffer.alloc(8);
  head.write('LIST');
  head.writeUInt32LE(bytes - wav.length - head.length, 4);
  wav.writeUInt32LE(bytes - 8, 4);
  return Buffer.concat([wav, head]);
}

/** A clip as a file of another format, made of copies of one encoded minute where it is longer. */
export function encode(seconds: number, path: string, codec: string[]): void {
  const minute = Math.min(seconds, 60);
  const wavPath = `${path}.wav`;
  const minutePath = path.replace(/[^/]*$/, 'minute-$&');
  writeFileSync(wavPath, clip(minute));
  runFfmpeg(['-i', wavPath, ...codec, minutePath]);
  runFfmpeg(['-stream_loop', String(seconds / minute - 1), '-i', minutePath, '-c', 'copy', path]);
}

function runFfmpeg(args: string[]): void {
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
}

export const HOUR_SECONDS = 3_600;
/** What the gateway makes chunks of: two sentences and the pause between them, on average. */
export const CHUNK_SECONDS = 23;

/** An hour of speech: as WAV, for an engine, and as a FLAC file, for a gateway that has to decode it. */
export interface Hour {
  wav: Buffer;
  path: string;
}

export function recordHour(directory: string): Hour {
  const wav = clip(HOUR_SECONDS);
  const wavPath = join(directory, 'hour.wav');
  const path = join(directory, 'hour.flac');
  writeFileSync(wavPath, wav);
  runFfmpeg(['-i', wavPath, path]);
  return { wav, path };
}

function readSentence(): Buffer {
  const file = readFileSync(SENTENCE_PATH);
  const data = file.indexOf('data', HEADER_BYTES - 8);
  if (data < 0) throw new Error(`${SENTENCE_PATH} is not the WAV file that set-up puts there.`);
  return file.subarray(data + 8, data + 8 + file.readUInt32LE(data + 4));
}

function writeHeader(wav: Buffer): void {
  wav.write('RIFF', 0);
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(SAMPLE_RATE, 24);
  wav.writeUInt32LE(BYTES_PER_SECOND, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(wav.length - HEADER_BYTES, 40);
}
