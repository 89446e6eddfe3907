// Hears recordings as the gateway does, in chunks, and finds out where they were cut.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { useGateway } from '../gateway.ts';
import { formOf } from '../requests.ts';
import type { Span } from './figures.ts';
import { post } from './patient-post.ts';
import { BYTES_PER_SECOND, type KnownRecording } from './recording.ts';
import { ENGINE_PATH, type Heard } from './single-pass.ts';

const WAV_HEADER_BYTES = 44;

interface VerboseJson {
  language: string;
  text: string;
  words: { word: string; start: number; end: number }[];
}

export interface HeardInChunks extends Heard {
  chunks: Span[];
}

/** One gateway for all cases of a file. Without a language it has to find out itself. */
export function useChunks(
  devices = 'cpu:0,cpu:1',
): (recording: KnownRecording, language?: string) => Promise<HeardInChunks> {
  const tapFolder = mkdtempSync(join(tmpdir(), 'compat-tap-'));
  const gateway = useGateway({
    WHISPER_SERVER_BIN: join(import.meta.dirname, 'engine-tap.ts'),
    TAP_ENGINE: ENGINE_PATH,
    TAP_FOLDER: tapFolder,
    DEVICES: devices,
    // Slow is not stuck, on a machine that does something else as well.
    ENGINE_DEADLINE_FACTOR: '10',
  });
  afterAll(() => rmSync(tapFolder, { recursive: true }));
  return async (recording, language) => {
    const form = formOf(
      [
        ['model', 'whisper-1'],
        ['response_format', 'verbose_json'],
        ['timestamp_granularities[]', 'word'],
        ...(language ? [['language', language] as [string, string]] : []),
      ],
      { bytes: recording.wav },
    );
    const answer = await post(`${gateway().url}/v1/audio/transcriptions`, form);
    expect(answer.status, answer.text).toBe(200);
    const { words, ...heard }: VerboseJson = JSON.parse(answer.text);
    return {
      ...heard,
      words: words.map(({ word, start, end }) => ({ text: word, startSeconds: start, endSeconds: end })),
      chunks: takeChunks(recording, tapFolder),
    };
  };
}

/** Where the engine was given the recording's samples; a chunk that was tried again counts once. */
function takeChunks({ pcm }: KnownRecording, tapFolder: string): Span[] {
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
