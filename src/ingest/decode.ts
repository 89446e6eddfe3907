// Turns a recording into samples: in place when they are as engines take them, else through ffmpeg into a second spool
// file. Owns every verdict about the audio (unrecognised, undecodable, too short, too long).
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { Semaphore } from '../lib/semaphore.ts';
import type { Stored } from '../lib/stored.ts';
import {
  type AudioSelection,
  CHANNELS_MAX,
  PCM_BYTES_PER_MS,
  type RawFormat,
  type Recording,
} from '../transcript/recording.ts';
import {
  CHANNELS_OUTPUT,
  type FfmpegRun,
  type FfmpegTask,
  type RawDemuxer,
  runFfmpeg,
  samplesOutput,
} from './ffmpeg.ts';
import { type GrowingFile, Growth } from './growing-file.ts';
import { readHead, recognise } from './recognise.ts';
import type { IngestSettings } from './settings.ts';
import { noSpaceLeft, type Spool, type Spooled, type SpoolFile } from './spool.ts';
import { countWavChannels, locatePcm, type PcmRange } from './wav.ts';

/** OpenAI refuses what is shorter, and engines make nothing of it. */
const AUDIO_MS_MIN = 100;
/** What the shell answers for a program that is not there, or cannot be run. */
const NOT_FOUND_CODES = [126, 127];

/** How often is looked how much ffmpeg has written: into a file of its own accord, since a pipe makes it wait whenever we are busy. */
const MEASURE_EVERY_MS = 5;
/** It is stopped by us where the audio is too long; where we do not come to it, by the system, a little later. */
const FILE_BYTES_SPARE = 1024 ** 2;

/** What ffmpeg says of a failure of its output; its input's own words stand in no such line. */
const UNWRITTEN = /^\[(?:error|fatal)\] (?:av_interleaved_write_frame\(\)|Error \S+ \w+ (?:of )?pipe:1): .*$/m;
const NO_SPACE = /No space left on device|Disk quota exceeded/;

/** Where the number of channels stands in the header of a WAV file as ffmpeg writes it. */
const CHANNEL_COUNT_OFFSET = 22;

export interface DecoderParts {
  settings: IngestSettings;
  spool: Spool;
  log: Log;
  clock: Clock;
}

/** Samples, possibly still being written. */
export interface OpenAudio {
  file: GrowingFile;
  /** Once all are written. Rejects as decoding does. */
  byteLength: Promise<number>;
  /** Ends the decoding and deletes what it wrote. */
  release(): Promise<void>;
}

export class Decoder {
  readonly #parts: DecoderParts;
  readonly #slots: Semaphore;

  constructor(parts: DecoderParts) {
    this.#parts = parts;
    this.#slots = new Semaphore(parts.settings.DECODES_MAX);
  }

  /** Begins to decode; what it writes may be read while it grows. Waits only for a place among those that decode. */
  async open(recording: Recording, selection: AudioSelection, signal: AbortSignal): Promise<OpenAudio> {
    signal.throwIfAborted();
    const { channel, raw, withoutLeadingSilence } = selection;
    const { input, pcm, channelCount } = await examine(recording, raw);
    if (pcm) checkLength(pcm.byteLength, this.#parts.settings);
    if (pcm && !withoutLeadingSilence) {
      const file = { stored: recording.stored, ...pcm, growth: Growth.ended() };
      return { file, byteLength: Promise.resolve(pcm.byteLength), release: async () => {} };
    }
    const task = {
      ...input,
      path: await recording.stored.path(),
      output: samplesOutput({ channel, channelCount, withoutLeadingSilence }),
    };
    const released = new AbortController();
    const either = AbortSignal.any([signal, released.signal]);
    const growth = new Growth();
    const opened = Promise.withResolvers<Stored>();
    const written = this.#inTurn(either, () =>
      this.#writeSamples(task, either, {
        onOpen: opened.resolve,
        onBytes: () => growth.grew(),
        mayBeEmpty: withoutLeadingSilence === true,
      }),
    );
    written.then(
      () => growth.end(),
      (error: unknown) => {
        growth.fail(error);
        opened.reject(error);
      },
    );
    const byteLength = written.then((file) => file.bytes);
    byteLength.catch(() => {}); // whoever reads the file hears of it first
    return {
      file: { stored: await opened.promise, byteOffset: 0, growth },
      byteLength,
      async release() {
        released.abort(new Error('The audio is not needed any more.'));
        const file = await written.catch(() => undefined);
        await file?.release();
      },
    };
  }

  async countChannels(
    recording: Recording,
    { raw }: Pick<AudioSelection, 'raw'>,
    signal: AbortSignal,
  ): Promise<number> {
    signal.throwIfAborted();
    const { input, pcm } = await examine(recording, raw);
    if (pcm) return 1;
    const task = { ...input, path: await recording.stored.path(), output: CHANNELS_OUTPUT };
    const count = await this.#inTurn(signal, () =>
      this.#run(task, signal, undefined, (run) => this.#readChannelCount(run)),
    );
    if (count <= CHANNELS_MAX) return count;
    throw undecodable(`The audio has ${count} channels; at most ${CHANNELS_MAX} can be told apart.`);
  }

  /** Runs `task` when it is its turn. */
  async #inTurn<Result>(signal: AbortSignal, task: () => Promise<Result>): Promise<Result> {
    if (this.#slots.waitingCount >= this.#parts.settings.DECODES_WAITING_MAX) {
      throw new GatewayError('queue-full', 'Too many uploads are waiting to be decoded.', { retryAfterSeconds: 1 });
    }
    const leave = await this.#slots.acquire(signal);
    try {
      return await task();
    } finally {
      leave();
    }
  }

  /** Sees the process to its end, and keeps the time. */
  async #run<Result>(
    task: FfmpegTask,
    signal: AbortSignal,
    fd: number | undefined,
    use: (run: FfmpegRun) => Promise<Result>,
  ): Promise<Result> {
    signal.throwIfAborted();
    const { settings, clock } = this.#parts;
    const limits = {
      program: settings.FFMPEG_BIN,
      cpuSeconds: settings.DECODE_SECONDS_MAX,
      memoryBytes: settings.DECODE_MEMORY_BYTES_MAX,
      fileBytes: samplesMax(settings) + FILE_BYTES_SPARE,
    };
    const onDuration = (seconds: number) => {
      if (seconds > settings.AUDIO_SECONDS_MAX) run.stop(tooLong(settings));
    };
    const run = runFfmpeg(task, limits, onDuration, fd);
    const onAbort = () => run.stop(signal.reason);
    signal.addEventListener('abort', onAbort);
    const cancelDeadline = clock.after(settings.DECODE_SECONDS_MAX * 1000, () => run.stop(tooSlow(settings)));
    try {
      return await use(run);
    } finally {
      cancelDeadline();
      signal.removeEventListener('abort', onAbort);
      run.stop(new Error('Nobody waits for it.'));
      await run.gone.catch(() => {});
    }
  }

  async #writeSamples(
    task: FfmpegTask,
    signal: AbortSignal,
    { onOpen, onBytes, mayBeEmpty }: { onOpen: (file: Stored) => void; onBytes: () => void; mayBeEmpty: boolean },
  ): Promise<Spooled> {
    const file = await this.#parts.spool.create();
    try {
      const bytes = await this.#run(task, signal, file.fd, async (run) => {
        onOpen(file.stored);
        const { ending, bytes } = await this.#follow(run, file, onBytes);
        judge(ending, bytes, run, { ...this.#parts, mayBeEmpty });
        return bytes;
      });
      await file.close();
      return { stored: file.stored, bytes, release: file.release };
    } catch (error) {
      await file.release();
      throw error;
    }
  }

  /** Until ffmpeg is gone. What it writes is measured, which is what holds against audio that claims nothing, or lies. */
  async #follow(run: FfmpegRun, file: SpoolFile, onBytes: () => void) {
    const { settings, clock } = this.#parts;
    for (;;) {
      const pause = Promise.withResolvers<undefined>();
      const cancel = clock.after(MEASURE_EVERY_MS, () => pause.resolve(undefined));
      const ending = await Promise.race([run.gone, pause.promise]).finally(cancel);
      const bytes = await file.measure();
      if (bytes > samplesMax(settings)) throw tooLong(settings);
      if (ending !== undefined) return { ending, bytes };
      onBytes();
    }
  }

  async #readChannelCount(run: FfmpegRun): Promise<number> {
    let head = Buffer.alloc(0);
    for await (const chunk of run.output) {
      head = Buffer.concat([head, chunk]);
      if (head.length >= CHANNEL_COUNT_OFFSET + 2) return head.readUInt16LE(CHANNEL_COUNT_OFFSET);
    }
    judge(await run.gone, 0, run, { ...this.#parts, mayBeEmpty: false });
    throw undecodable('The audio could not be decoded.');
  }
}

/** How ffmpeg is to read it, and where its samples are if it need not. */
async function examine(
  recording: Recording,
  raw: RawFormat | null,
): Promise<{
  input: Omit<FfmpegTask, 'path' | 'output'>;
  pcm?: PcmRange | undefined;
  channelCount?: number | undefined;
}> {
  const file = await recording.stored.open();
  try {
    const demuxer = await recognise(file);
    if (demuxer) {
      if (demuxer !== 'wav') return { input: { demuxer } };
      const head = await readHead(file);
      const channelCount = countWavChannels(head);
      return { input: { demuxer }, pcm: locatePcm(head, recording.bytes), channelCount };
    }
    if (raw) return { input: rawInput(raw) };
    throw new GatewayError('audio-unrecognised', 'The file is not audio in a format that is supported.');
  } finally {
    await file.close();
  }
}

const RAW_DEMUXERS: Record<RawFormat['encoding'], RawDemuxer> = {
  linear16: 's16le',
  linear32: 'f32le',
  alaw: 'alaw',
  mulaw: 'mulaw',
  'amr-nb': 'amrnb',
  'amr-wb': 'amrwb',
  g729: 'g729',
};
/** Their rate is in their frames, and they have one channel. */
const SELF_DESCRIBING: ReadonlySet<RawDemuxer> = new Set(['amrnb', 'amrwb', 'g729']);

function rawInput({ encoding, sampleRate, channels }: RawFormat): Pick<FfmpegTask, 'demuxer' | 'input'> {
  const demuxer = RAW_DEMUXERS[encoding];
  return SELF_DESCRIBING.has(demuxer)
    ? { demuxer }
    : { demuxer, input: ['-ar', String(sampleRate), '-ac', String(channels)] };
}

/** Throws what a run of ffmpeg that ended by itself has to say against the audio. */
function judge(
  ending: number | NodeJS.Signals,
  bytes: number,
  run: FfmpegRun,
  { settings, log, mayBeEmpty }: Pick<DecoderParts, 'settings' | 'log'> & { mayBeEmpty: boolean },
): void {
  const said = new Error(`ffmpeg ended with ${ending}: ${run.said()}`);
  // 1. There is no ffmpeg.
  if (typeof ending === 'number' && NOT_FOUND_CODES.includes(ending)) throw noFfmpeg(settings.FFMPEG_BIN, said);
  // 2. What it made could not be written.
  const [unwritten] = (ending !== 0 && UNWRITTEN.exec(run.said())) || [];
  if (unwritten && NO_SPACE.test(unwritten)) throw noSpaceLeft(said);
  if (unwritten) throw said;
  // 3. It crashed, or ran into a limit: what it wrote is no prefix anyone should trust.
  if (typeof ending === 'string') throw undecodable('The audio could not be decoded.', said);
  // 4. Nothing came out.
  if (bytes === 0) {
    if (run.said().includes('matches no streams')) throw undecodable('The file has no audio track.', said);
    if (ending !== 0 || /\[(error|fatal)\]/.test(run.said())) {
      throw undecodable('The audio could not be decoded: the file is damaged or incomplete.', said);
    }
    // It was silent from beginning to end, and that was not wanted.
    if (mayBeEmpty) return;
  }
  // 5. Something did. A damaged or truncated file gives what it holds, as players do.
  checkLength(bytes, settings);
  if (ending !== 0) log.info({ ffmpeg: said.message }, 'damaged audio decoded in part');
}

function checkLength(bytes: number, settings: IngestSettings): void {
  if (bytes > samplesMax(settings)) throw tooLong(settings);
  if (bytes < AUDIO_MS_MIN * PCM_BYTES_PER_MS) {
    throw new GatewayError('audio-too-short', `The audio is shorter than ${AUDIO_MS_MIN / 1000} seconds.`);
  }
}

/** In bytes. */
function samplesMax(settings: IngestSettings): number {
  return settings.AUDIO_SECONDS_MAX * 1000 * PCM_BYTES_PER_MS;
}

function tooLong(settings: IngestSettings): GatewayError {
  return new GatewayError('audio-too-long', `The audio is longer than ${settings.AUDIO_SECONDS_MAX} seconds.`);
}

function tooSlow(settings: IngestSettings): GatewayError {
  return undecodable(`The audio could not be decoded within ${settings.DECODE_SECONDS_MAX} seconds.`);
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
