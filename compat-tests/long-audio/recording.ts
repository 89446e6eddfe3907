// Puts recordings of known text together: recorded and synthesised speech, the quiet of a room, tones.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { SPEECH_PATH } from '../audio.ts';
import { KNOWN_TEXTS, RECORDED_TEXT } from './known-text.ts';
import { type RecordedLanguage, recordedSpeech } from './recorded-speech.ts';
import { wordsOf } from './word-alignment.ts';

export const SAMPLE_RATE = 16_000;
export const BYTES_PER_SECOND = 2 * SAMPLE_RATE;
const WAV_HEADER_BYTES = 44;
/** Of one text read aloud: six minutes. */
const SOUND_BYTES_MAX = 16 * 2 ** 20;
/** Slower than espeak-ng's own 175, which is fast for people. */
const WORDS_PER_MINUTE = 150;
/** Words of a long recording: 0.2 points of its error rate are three of them. */
const LONG_RECORDING_WORDS = 1_500;
/** What follows each reading of a long recording, over and over; a silence of more than five seconds ends a chunk by itself. */
const PAUSES_SECONDS = [0.3, 0.6, 0.25, 1, 0.4, 2.5, 0.7, 0.3, 0.5, 8, 0.25, 0.8, 3, 0.35, 0.45, 1.5];
/** So much quieter than the speech is the music under it. */
const MUSIC_UNDER_SPEECH = 0.15;

/** One text read aloud, and when. */
export interface Reading {
  text: string;
  startSeconds: number;
  endSeconds: number;
}

export interface KnownRecording {
  language: keyof typeof KNOWN_TEXTS;
  wav: Buffer<ArrayBuffer>;
  pcm: Buffer<ArrayBuffer>;
  readings: Reading[];
}

/** The same every time. About two and a half minutes; English holds the recorded speech too. */
export function recordingOf(language: 'en' | 'es' | 'de'): KnownRecording {
  const { voice, sentences, breathless } = KNOWN_TEXTS[language];
  const tape = new Tape(language);
  const read = (from: number, to: number, pauseSeconds: number) => {
    for (const text of sentences.slice(from, to)) tape.say(text, spoken(voice, text), pauseSeconds);
  };
  const recorded = recordedSentence();
  const addRecorded = (pauseSeconds: number) => {
    if (language === 'en') tape.say(RECORDED_TEXT, recorded, pauseSeconds);
  };

  addRecorded(0.7);
  read(0, 4, 0.3);
  tape.add(roomTone(8));
  read(4, 6, 0.6);
  tape.say(breathless, spoken(voice, breathless), 0.4);
  read(6, 9, 0.7);
  tape.add(tones(10), roomTone(1));
  addRecorded(0.3);
  read(9, 11, 2.5);
  read(11, sentences.length, 0.25);
  return tape.ended();
}

/**
 * Recorded speech of twelve to sixteen minutes, with a fable in the middle that is synthesised without a breath, ten seconds of
 * music after it, and music under some of the rest.
 */
export function longRecordingOf(language: RecordedLanguage): KnownRecording {
  const { voice, breathless } = KNOWN_TEXTS[language];
  const tape = new Tape(language);
  let isFableTold = false;
  for (const [index, { text, samples }] of recordedSpeech(language).entries()) {
    if (tape.wordCount >= LONG_RECORDING_WORDS) break;
    const isOverMusic = index % 10 === 9;
    const speech = samples();
    const pauseSeconds = PAUSES_SECONDS[index % PAUSES_SECONDS.length] ?? 0;
    tape.say(text, isOverMusic ? mixed(speech, music(secondsOf([speech]))) : speech, pauseSeconds);
    if (isFableTold || tape.wordCount < LONG_RECORDING_WORDS / 3) continue;
    tape.say(breathless, spoken(voice, breathless), 0.4);
    tape.add(music(10), roomTone(1));
    isFableTold = true;
  }
  return tape.ended();
}

/** Sounds one after the other, with what is said in them. */
class Tape {
  readonly #language: KnownRecording['language'];
  readonly #parts: Buffer[] = [roomTone(0.5)];
  readonly #readings: Reading[] = [];
  wordCount = 0;

  constructor(language: KnownRecording['language']) {
    this.#language = language;
  }

  add(...sounds: Buffer[]): void {
    this.#parts.push(...sounds);
  }

  say(text: string, samples: Buffer, pauseSeconds: number): void {
    const startSeconds = secondsOf(this.#parts);
    this.add(samples);
    this.#readings.push({ text, startSeconds, endSeconds: secondsOf(this.#parts) });
    this.add(roomTone(pauseSeconds));
    this.wordCount += wordsOf(text, this.#language).length;
  }

  ended(): KnownRecording {
    const pcm = Buffer.concat(this.#parts);
    return { language: this.#language, pcm, wav: wavOf(pcm), readings: this.#readings };
  }
}

export function recordedSentence(): Buffer {
  return readFileSync(SPEECH_PATH).subarray(WAV_HEADER_BYTES);
}

/** Sounds one after the other; what is said in them is the caller's business. */
export function recordingFrom(sounds: Buffer[]): KnownRecording {
  const pcm = Buffer.concat(sounds);
  return { language: 'en', pcm, wav: wavOf(pcm), readings: [] };
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
export function roomTone(seconds: number): Buffer {
  const noise = noiseOf(1);
  return samplesOf(seconds, () => noise() * 0.00275);
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

/**
 * A band: chords with overtones, a bass, a tune with vibrato, a bass drum, a snare and a hi-hat, 112 beats in a minute.
 */
export function music(seconds: number): Buffer {
  const chords = [
    [220, 261.6, 329.6],
    [174.6, 220, 261.6],
    [261.6, 329.6, 392],
    [196, 246.9, 293.7],
  ];
  const noise = noiseOf(7);
  const wave = (hertz: number, time: number) => Math.sin(2 * Math.PI * hertz * time);
  return samplesOf(seconds, (time) => {
    const beats = (time * 112) / 60;
    const inBeat = ((beats % 1) * 60) / 112;
    const inHalf = (((2 * beats) % 1) * 30) / 112;
    const chord = chords[Math.floor(beats / 4) % chords.length] ?? [];
    const half = Math.floor(beats * 2);
    const note = (chord[(half * 7) % chord.length] ?? 0) * (half % 5 === 0 ? 4 : 2);
    const overtones = (hertz: number) =>
      [1, 2, 3, 4, 5].reduce((sum, n) => sum + (wave(hertz * n, time) / n) * Math.exp(-1.5 * n * inBeat), 0);
    const drum =
      Math.floor(beats) % 2 === 0
        ? 0.35 * Math.sin(2 * Math.PI * (50 * inBeat + 4 * (1 - Math.exp(-30 * inBeat)))) * Math.exp(-14 * inBeat)
        : 0.2 * noise() * Math.exp(-18 * inBeat);
    return (
      0.05 * chord.reduce((sum, hertz) => sum + overtones(hertz), 0) +
      0.12 * wave((chord[0] ?? 0) / 2, time) * Math.exp(-2 * inBeat) +
      0.08 *
        Math.sin(2 * Math.PI * note * time + 0.3 * wave(5.5, time)) *
        Math.min(1, 40 * inHalf) *
        Math.exp(-3 * inHalf) +
      0.06 * noise() * Math.exp(-60 * inHalf) +
      drum
    );
  });
}

/** Speech with music under it. */
export function mixed(speech: Buffer, under: Buffer): Buffer {
  const sum = Buffer.alloc(speech.length);
  for (let at = 0; at < sum.length; at += 2) {
    const value = speech.readInt16LE(at) + (at < under.length ? MUSIC_UNDER_SPEECH * under.readInt16LE(at) : 0);
    sum.writeInt16LE(Math.max(-32_768, Math.min(32_767, Math.round(value))), at);
  }
  return sum;
}

/** Between -1 and 1, the same every time. */
function noiseOf(start: number): () => number {
  let seed = start;
  return () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 31 - 1;
  };
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
