// Owns one ffmpeg process: how it is started and fenced in, what it said, and that it is gone. What its output means is
// decode.ts's business.
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { PCM_SAMPLE_RATE } from '../transcript/recording.ts';
import type { Demuxer } from './recognise.ts';

const STDERR_CHARACTERS_MAX = 8192;

// The limits are set by the shell, which every system has, in the process that then becomes ffmpeg: there is no moment
// without them, and killing the child kills ffmpeg itself. With setpriv the kernel does so when we are killed; without it, the
// limit on processor time ends it some time.
const FENCE =
  'ulimit -c 0; ulimit -t "$1"; ulimit -v "$2"; ulimit -f "$3"; shift 3; ' +
  'if command -v setpriv >/dev/null; then exec setpriv --pdeathsig KILL -- "$@"; fi; exec "$@"';
/** What the shell counts a file's length in. */
const FILE_BLOCK_BYTES = 512;

export interface FfmpegLimits {
  program: string;
  cpuSeconds: number;
  memoryBytes: number;
  /** The longest file that it may write. */
  fileBytes: number;
}

export interface FfmpegRun {
  /** What it writes, where that is not a file's. */
  output: Readable;
  /** The last of what it said so far. */
  said(): string;
  /** Kills it, for a reason. */
  stop(reason: unknown): void;
  /** When the process is gone: its exit code, or the signal that ended it. Rejects with what it was stopped for. */
  gone: Promise<number | NodeJS.Signals>;
}

/** What it reads and what it writes. */
export interface FfmpegTask {
  path: string;
  demuxer: Demuxer | RawDemuxer;
  input?: string[];
  output: string[];
}

/** The demuxers of samples without a header. */
export type RawDemuxer = 's16le' | 'f32le' | 'alaw' | 'mulaw' | 'amrnb' | 'amrwb' | 'g729';

/** ffmpeg knows which loudspeaker each of so many channels is for; of more it does not know how to mix them. */
const NAMED_CHANNELS_MAX = 8;

function meanOf(channelCount: number): string {
  return Array.from({ length: channelCount }, (_, channel) => `${1 / channelCount}*c${channel}`).join('+');
}

/** Half a second of what is before the first sound stays: engines miss the beginning of speech that begins at once. */
const WITHOUT_LEADING_SILENCE = 'silenceremove=start_periods=1:start_silence=0.5:start_threshold=-40dB';

/** As engines take them, of one channel or of all mixed down. */
export function samplesOutput({
  channel,
  channelCount = 0,
  withoutLeadingSilence = false,
}: {
  channel: number | null;
  channelCount?: number | undefined;
  withoutLeadingSilence?: boolean | undefined;
}): string[] {
  // `pan` counts channels whatever the file calls them.
  const pan =
    channel !== null
      ? [`pan=mono|c0=c${channel}`]
      : channelCount > NAMED_CHANNELS_MAX
        ? [`pan=mono|c0=${meanOf(channelCount)}`]
        : [];
  const filters = [...pan, ...(withoutLeadingSilence ? [WITHOUT_LEADING_SILENCE] : [])];
  return [
    ...(filters.length > 0 ? ['-filter:a', filters.join(',')] : []),
    ...(pan.length > 0 ? [] : ['-ac', '1']),
    ...['-ar', String(PCM_SAMPLE_RATE), '-threads', '1', '-c:a', 'pcm_s16le', '-f', 's16le'],
  ];
}

/** A little of the audio with all its channels, behind a header that counts them. */
export const CHANNELS_OUTPUT = ['-t', '0.1', '-threads', '1', '-c:a', 'pcm_s16le', '-f', 'wav'];

/**
 * Decodes the first audio track of the task's file, into the file of a descriptor if it is given one. `onDuration` hears what the
 * file claims to last, once, when it claims anything.
 */
export function runFfmpeg(
  task: FfmpegTask,
  limits: FfmpegLimits,
  onDuration: (seconds: number) => void,
  fd?: number,
): FfmpegRun {
  const counts = [limits.cpuSeconds, limits.memoryBytes / 1024, limits.fileBytes / FILE_BLOCK_BYTES];
  const fence = [FENCE, 'sh', ...counts.map((count) => String(Math.ceil(count)))];
  const child = spawn('sh', ['-c', ...fence, limits.program, ...decodeArguments(task)], {
    stdio: ['ignore', fd ?? 'pipe', 'pipe'],
  });
  let said = '';
  let heardDuration = false;
  let stopped: { reason: unknown } | undefined;
  const gone = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => (stopped ? reject(stopped.reason) : resolve(signal ?? code ?? 0)));
  });
  gone.catch(() => {}); // it is awaited later than it may fail
  // Without a descriptor left there is no process and there are no pipes.
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-STDERR_CHARACTERS_MAX);
    if (heardDuration) return;
    const seconds = claimedSeconds(said);
    if (seconds === undefined) return;
    heardDuration = true;
    onDuration(seconds);
  });
  return {
    output: child.stdout ?? Readable.from([]),
    said: () => said,
    stop(reason) {
      stopped ??= { reason };
      child.kill('SIGKILL');
    },
    gone,
  };
}

function decodeArguments({ path, demuxer, input = [], output }: FfmpegTask): string[] {
  return [
    ...['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'level+info', '-threads', '1'],
    // The file itself and nothing else: no network, and no reference from inside it to another file.
    ...['-protocol_whitelist', 'file', ...(demuxer === 'mov' ? ['-enable_drefs', '0', '-use_absolute_path', '0'] : [])],
    ...['-f', demuxer, ...input, '-i', `file:${path}`],
    ...['-map', '0:a:0', '-vn', '-sn', '-dn', '-map_metadata', '-1'],
    ...output,
    // It would write each packet of 20 ms by itself, which takes half as long again (2026-11, ffmpeg 5.1).
    ...['-flush_packets', '0', 'pipe:1'],
  ];
}

/** What the header says; nothing where ffmpeg only guesses from the bit rate of the first frames, which may be far off. */
function claimedSeconds(said: string): number | undefined {
  if (said.includes('Estimating duration from bitrate')) return undefined;
  const [, hours, minutes, seconds] = /Duration: (\d+):(\d\d):(\d\d)/.exec(said) ?? [];
  return hours === undefined ? undefined : Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}
