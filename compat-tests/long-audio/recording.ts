// Puts recordings of known text together: recorded and synthesised speech, the quiet of a room, tones.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { SPEECH_PATH } from '../audio.ts';
import { KNOWN_TEXTS, RECORDED_TEXT } from './known-text.ts';

export const SAMPLE_RATE = 16_000;
export const BYTES_PER_SECOND = 2 * SAMPLE_RATE;
const WAV_HEADER_BYTES = 44;
/** Of one text read aloud: six minutes. */
const SOUND_BYTES_MAX = 16 * 2 ** 20;
/** Slower than espeak-ng's own 175, which is fast for people. */
const WORDS_PER_MINUTE = 150;

/** One text read aloud, and when. */
export interface Reading {
  text: string;
  startSeconds: number;
  endSeconds: number;
}

export interface KnownRecording {
  wav: Buffer<ArrayBuffer>;
  pcm: Buffer<ArrayBuffer>;
  readings: Reading[];
}

export function missingVoice(): string | undefined {
  try {
    execFileSync('espeak-ng', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'espeak-ng is not installed';
  }
}

/** The same every time. About two and a half minutes; English holds the recorded speech too. */
export function recordingOf(language: keyof typeof KNOWN_TEXTS): KnownRecording {
  const { voice, sentences, breathless } = KNOWN_TEXTS[language];
  const parts: Buffer[] = [roomTone(0.5)];
  const readings: Reading[] = [];
  const add = (text: string, samples: Buffer, pauseSeconds: number) => {
    const startSeconds = secondsOf(parts);
    parts.push(samples);
    readings.push({ text, startSeconds, endSeconds: secondsOf(parts) });
    parts.push(roomTone(pauseSeconds));
  };
  const read = (from: number, to: number, pauseSeconds: number) => {
    for (const text of sentences.slice(from, to)) add(text, spoken(voice, text), pauseSeconds);
  };
  const recorded = readFileSync(SPEECH_PATH).subarray(WAV_HEADER_BYTES);
  const addRecorded = (pauseSeconds: number) => {
    if (language === 'en') add(RECORDED_TEXT, recorded, pauseSeconds);
  };

  addRecorded(0.7);
  read(0, 4, 0.3);
  parts.push(roomTone(8));
  read(4, 6, 0.6);
  add(breathless, spoken(voice, breathless), 0.4);
  read(6, 9, 0.7);
  parts.push(tones(10), roomTone(1));
  addRecorded(0.3);
  read(9, 11, 2.5);
  read(11, sentences.length, 0.25);

  const pcm = Buffer.concat(parts);
  return { pcm, wav: wavOf(pcm), readings };
}

function secondsOf(parts: Buffer[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0) / BYTES_PER_SECOND;
}

function spoken(voice: string, text: string): Buffer {
  const wav = execFileSync('espeak-ng', ['-v', voice, '-s', String(WORDS_PER_MINUTE), '-z', '--stdout', text], {
    maxBuffer: SOUND_BYTES_MAX,
  });
  return execFileSync(
    'ffmpeg',
    ['-v', 'error', '-i', 'pipe:0', '-f', 's16le', '-ac', '1', '-ar', String(SAMPLE_RATE), 'pipe:1'],
    { input: wav, stdio: ['pipe', 'pipe', 'ignore'], maxBuffer: SOUND_BYTES_MAX },
  );
}

/** Noise at -56 dB of full scale: what a microphone hears when nobody speaks. */
function roomTone(seconds: number): Buffer {
  let seed = 1;
  return samplesOf(seconds, () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return (seed / 2 ** 32 - 0.5) * 0.0055;
  });
}

/** Plucked chords, two in a second: as much like music as three sines can be. */
export function tones(seconds: number): Buffer {
  const chords = [
    [262, 330, 392],
    [294, 349, 440],
    [247, 294, 392],
    [262, 330, 523],
  ];
  return samplesOf(seconds, (time) => {
    const chord = chords[Math.floor(time * 2) % chords.length] ?? [];
    const fading = Math.exp(-3 * (time % 0.5));
    return fading * chord.reduce((sum, frequency) => sum + 0.1 * Math.sin(2 * Math.PI * frequency * time), 0);
  });
}

function samplesOf(seconds: number, at: (time: number) => number): Buffer {
  const samples = Buffer.alloc(Math.round(seconds * SAMPLE_RATE) * 2);
  for (let index = 0; index < samples.length / 2; index += 1)
    samples.writeInt16LE(Math.round(at(index / SAMPLE_RATE) * 32_767), index * 2);
  return samples;
}

export function wavOf(pcm: Buffer): Buffer<ArrayBuffer> {
  const header = Buffer.alloc(WAV_HEADER_BYTES);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + pcm.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(SAMPLE_RATE, 24);
  header.writeUInt32LE(BYTES_PER_SECOND, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(pcm.length, 40);
  return Buffer.concat([header, pcm]);
}
