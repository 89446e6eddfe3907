// A long recording is cut, transcribed in pieces and put together again: it must read as if it had been heard in one go.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useGateway } from '../gateway.ts';
import { formOf, transcribe } from '../requests.ts';
import { compare, type Span } from './figures.ts';
import { BYTES_PER_SECOND, type KnownRecording, missingVoice, recordingOf } from './recording.ts';
import { ENGINE_PATH, type Heard, SinglePass } from './single-pass.ts';
import type { TimedWord } from './word-alignment.ts';

const WAV_HEADER_BYTES = 44;

/**
 * Limits at what was measured, with room for the chance in the engine's second tries. The targets are a rise of 0.2 points, no
 * word lost or doubled, and 0.2 s; COVERAGE.md says which of them are missed, and why. The single pass of the Spanish recording
 * mostly repeats one sentence to its end, so that there are no times to compare with.
 */
const LANGUAGES = [
  { language: 'en', name: 'english', rise: 3, lost: 0, doubled: 0, apartSeconds: 0.8 },
  { language: 'es', name: 'spanish', rise: 3, lost: 1, doubled: 0, apartSeconds: Number.POSITIVE_INFINITY },
  { language: 'de', name: 'german', rise: 3, lost: 0, doubled: 0, apartSeconds: 0.4 },
] as const;
/** Measured: 0.12 to 0.19. When a word was said is known to the reading's letter count only. */
const FROM_SAID_SECONDS_MAX = 0.25;
/** Single words near cuts that either reading has right by chance. */
const CHANCE_WORDS_MAX = 3;

const tapFolder = mkdtempSync(join(tmpdir(), 'compat-tap-'));
const gateway = useGateway({
  WHISPER_SERVER_BIN: join(import.meta.dirname, 'engine-tap.ts'),
  TAP_ENGINE: ENGINE_PATH,
  TAP_FOLDER: tapFolder,
  DEVICES: 'cpu:0,cpu:1',
});
let single: SinglePass;
beforeAll(async () => {
  single = await SinglePass.start();
});
afterAll(async () => {
  await single.stop();
  rmSync(tapFolder, { recursive: true });
});

interface VerboseJson {
  language: string;
  text: string;
  words: { word: string; start: number; end: number }[];
}

async function hearInChunks({ wav }: KnownRecording): Promise<Heard> {
  const form = formOf(
    [
      ['model', 'whisper-1'],
      ['response_format', 'verbose_json'],
      ['timestamp_granularities[]', 'word'],
    ],
    { bytes: wav },
  );
  const answer = await transcribe(gateway().url, form);
  expect(answer.status).toBe(200);
  const { language, text, words }: VerboseJson = JSON.parse(answer.text);
  return {
    language,
    text,
    words: words.map(({ word, start, end }) => ({ text: word, startSeconds: start, endSeconds: end })),
  };
}

/** Where the engine was given the recording's samples; a chunk that was tried again counts once. */
function takeChunks({ pcm }: KnownRecording): Span[] {
  const byStart = new Map<number, Span>();
  for (const name of readdirSync(tapFolder)) {
    const path = join(tapFolder, name);
    const file = readFileSync(path);
    const samples = file.subarray(WAV_HEADER_BYTES, WAV_HEADER_BYTES + file.readUInt32LE(WAV_HEADER_BYTES - 4));
    const start = pcm.indexOf(samples);
    rmSync(path);
    expect(start, 'what the engine was given is a stretch of the recording').toBeGreaterThanOrEqual(0);
    byStart.set(start, {
      startSeconds: start / BYTES_PER_SECOND,
      endSeconds: (start + samples.length) / BYTES_PER_SECOND,
    });
  }
  return [...byStart.values()].sort((one, other) => one.startSeconds - other.startSeconds);
}

const missing = missingVoice();
if (missing !== undefined) console.warn(`Cuts were NOT compared with a single pass: ${missing}.`);

describe.skipIf(missing !== undefined).each(LANGUAGES)('$language', (limits) => {
  test('reads as if it had been heard in one go', { timeout: 240_000 }, async () => {
    const recording = recordingOf(limits.language);
    const onePass = await single.hear(recording.wav);
    const chunked = await hearInChunks(recording);
    const chunks = takeChunks(recording);
    const result = compare(recording, onePass, chunked, chunks);
    console.log(limits.language, JSON.stringify({ chunks: chunks.length, ...result }));

    expect([onePass.language, chunked.language]).toEqual([limits.name, limits.name]);
    expect(chunks.length).toBeGreaterThan(5);
    const overlaps = chunks.slice(1).filter((chunk, index) => chunk.startSeconds < (chunks[index]?.endSeconds ?? 0));
    expect(overlaps.length, 'the fable is cut where nobody pauses').toBeGreaterThan(0);
    expect(result.lost.length).toBeLessThanOrEqual(limits.lost);
    expect(result.doubled.length).toBeLessThanOrEqual(limits.doubled);
    const [oneRight, chunkedRight] = result.besideCuts.right;
    expect(chunkedRight, 'right words beside the cuts').toBeGreaterThanOrEqual(oneRight - CHANCE_WORDS_MAX);
    const [oneRate, chunkedRate] = result.errorRates;
    expect(chunkedRate - oneRate).toBeLessThanOrEqual(limits.rise);
    expect(result.apartSeconds).toBeLessThanOrEqual(limits.apartSeconds);
    // Where the two disagree it is mostly the single pass that is wrong.
    expect(result.apartFromSaid[1]).toBeLessThanOrEqual(FROM_SAID_SECONDS_MAX);
    expectRisingTimes(chunked.words);
  });
});

function expectRisingTimes(words: TimedWord[]): void {
  for (const [index, word] of words.entries()) {
    expect(word.endSeconds).toBeGreaterThanOrEqual(word.startSeconds);
    expect(word.startSeconds).toBeGreaterThanOrEqual(words[index - 1]?.endSeconds ?? 0);
  }
}
