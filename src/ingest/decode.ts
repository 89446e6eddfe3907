// Turns a recording into samples: in place when they are as engines take them, else through ffmpeg into a second spool
// file. Owns every verdict about the audio (unrecognised, undecodable, too short, too long).
import { open } from 'node:fs/promises';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { Semaphore } from '../lib/semaphore.ts';
import { type DecodedAudio, PCM_BYTES_PER_MS, type Recording } from '../transcript/recording.ts';
import { type FfmpegRun, runFfmpeg } from './ffmpeg.ts';
import { type Demuxer, readHead, recognise } from './recognise.ts';
import type { IngestSettings } from './settings.ts';
import type { Spool, SpoolFile } from './spool.ts';
import { locatePcm, type PcmRange } from './wav.ts';

/** OpenAI refuses what is shorter, and engines make nothing of it. */
const AUDIO_MS_MIN = 100;
/** What the shell answers for a program that is not there, or cannot be run. */
const NOT_FOUND_CODES = [126, 127];

export type Decode = (recording: Recording, signal: AbortSignal) => Promise<DecodedAudio>;

export interface DecodeParts {
  settings: IngestSettings;
  spool: Spool;
  log: Log;
  clock: Clock;
}

export function createDecode({ settings, spool, log, clock }: DecodeParts): Decode {
  const slots = new Semaphore(settings.DECODES_MAX);
  const bytesMax = settings.AUDIO_SECONDS_MAX * 1000 * PCM_BYTES_PER_MS;

  return async (recording, signal) => {
    signal.throwIfAborted();
    const { demuxer, pcm } = await examine(recording);
    if (pcm) {
      checkLength(pcm.byteLength, settings);
      return whole({ path: recording.path, ...pcm, release: async () => {} });
    }
    if (slots.waitingCount >= settings.DECODES_WAITING_MAX) {
      throw new GatewayError('queue-full', 'Too many uploads are waiting to be decoded.', { retryAfterSeconds: 1 });
    }
    const leave = await slots.acquire(signal);
    try {
      const file = await decodeWithFfmpeg(recording, demuxer, signal);
      return whole({ path: file.path, byteOffset: 0, byteLength: file.bytes, release: file.release });
    } finally {
      leave();
    }
  };

  async function decodeWithFfmpeg(recording: Recording, demuxer: Demuxer, signal: AbortSignal): Promise<SpoolFile> {
    const limits = {
      program: settings.FFMPEG_BIN,
      cpuSeconds: settings.DECODE_SECONDS_MAX,
      memoryBytes: settings.DECODE_MEMORY_BYTES_MAX,
    };
    const run = runFfmpeg(recording.path, demuxer, limits, (seconds) => {
      if (seconds > settings.AUDIO_SECONDS_MAX) run.samples.destroy(tooLong(settings));
    });
    const cancelDeadline = clock.after(settings.DECODE_SECONDS_MAX * 1000, () => {
      run.samples.destroy(tooSlow(settings));
      run.kill(); // it may have ended its output and not itself
    });
    try {
      // The count is what holds against a file that claims nothing, or lies.
      const count = (_chunk: Buffer, bytes: number) => {
        if (bytes > bytesMax) throw tooLong(settings);
      };
      const file = await spool.write(run.samples, count, signal);
      try {
        judge(await run.gone, file, run, settings, log);
        return file;
      } catch (error) {
        await file.release();
        throw error;
      }
    } finally {
      cancelDeadline();
      run.kill();
      await run.gone;
    }
  }
}

async function examine(recording: Recording): Promise<{ demuxer: Demuxer; pcm: PcmRange | undefined }> {
  const file = await open(recording.path);
  try {
    const demuxer = await recognise(file);
    if (!demuxer) throw new GatewayError('audio-unrecognised', 'The file is not audio in a format that is supported.');
    return { demuxer, pcm: demuxer === 'wav' ? locatePcm(await readHead(file), recording.bytes) : undefined };
  } finally {
    await file.close();
  }
}

/** Throws what a run of ffmpeg that ended by itself has to say against the audio. */
function judge(
  ending: number | NodeJS.Signals,
  file: SpoolFile,
  run: FfmpegRun,
  settings: IngestSettings,
  log: Log,
): void {
  const said = new Error(`ffmpeg ended with ${ending}: ${run.said()}`);
  // 1. There is no ffmpeg.
  if (typeof ending === 'number' && NOT_FOUND_CODES.includes(ending)) throw noFfmpeg(settings.FFMPEG_BIN, said);
  // 2. It crashed, or ran into a limit: what it wrote is no prefix anyone should trust.
  if (typeof ending === 'string') throw undecodable('The audio could not be decoded.', said);
  // 3. Nothing came out.
  if (file.bytes === 0) {
    if (run.said().includes('matches no streams')) throw undecodable('The file has no audio track.', said);
    if (ending !== 0 || /\[(error|fatal)\]/.test(run.said())) {
      throw undecodable('The audio could not be decoded: the file is damaged or incomplete.', said);
    }
  }
  // 4. Something did. A damaged or truncated file gives what it holds, as players do.
  checkLength(file.bytes, settings);
  if (ending !== 0) log.info({ ffmpeg: said.message }, 'damaged audio decoded in part');
}

function checkLength(bytes: number, settings: IngestSettings): void {
  if (bytes > settings.AUDIO_SECONDS_MAX * 1000 * PCM_BYTES_PER_MS) throw tooLong(settings);
  if (bytes < AUDIO_MS_MIN * PCM_BYTES_PER_MS) {
    throw new GatewayError('audio-too-short', `The audio is shorter than ${AUDIO_MS_MIN / 1000} seconds.`);
  }
}

function tooLong(settings: IngestSettings): GatewayError {
  return new GatewayError('audio-too-long', `The audio is longer than ${settings.AUDIO_SECONDS_MAX} seconds.`);
}

function tooSlow(settings: IngestSettings): GatewayError {
  return undecodable(`The audio could not be decoded within ${settings.DECODE_SECONDS_MAX} seconds.`);
}

function whole(stretch: Omit<DecodedAudio, 'startMs' | 'durationMs'>): DecodedAudio {
  return { ...stretch, startMs: 0, durationMs: stretch.byteLength / PCM_BYTES_PER_MS };
}

function undecodable(message: string, cause?: unknown): GatewayError {
  return new GatewayError('audio-undecodable', message, { cause });
}

function noFfmpeg(program: string, cause: unknown): GatewayError {
  return new GatewayError(
    'setup-incomplete',
    `This audio needs ffmpeg, and '${program}' cannot be run. Install it (apt-get install ffmpeg) or set FFMPEG_BIN.`,
    { cause },
  );
}
