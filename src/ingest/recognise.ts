// Says what kind of file an upload is, by its bytes alone: names and content types are the caller's claim, and often wrong.
// Only what is in the table is ever decoded, and only by the demuxer named there. That keeps out playlists and concat
// scripts, whose demuxers open other files.
import type { StoredReader } from '../lib/stored.ts';

export const HEAD_BYTES = 64 * 1024;
const TAGS_MAX = 4;
/** Frames of MPEG audio have a short sync word that occurs by chance: this many in a row do not. */
const FRAMES_IN_A_ROW = 3;
/** Players skip this much rubbish before the first frame. */
const SYNC_SEARCH_BYTES = 16 * 1024;

/** The name of an ffmpeg demuxer. */
export type Demuxer =
  | 'aac'
  | 'aiff'
  | 'amr'
  | 'asf'
  | 'au'
  | 'avi'
  | 'caf'
  | 'flac'
  | 'flv'
  | 'matroska'
  | 'mov'
  | 'mp3'
  | 'mpeg'
  | 'mpegts'
  | 'ogg'
  | 'w64'
  | 'wav';

const TABLE: readonly [Demuxer, (head: Buffer) => boolean][] = [
  ['wav', (head) => /^(RIFF|RIFX|RF64|BW64)$/.test(text(head, 0, 4)) && text(head, 8, 12) === 'WAVE'],
  ['avi', (head) => text(head, 0, 4) === 'RIFF' && text(head, 8, 12) === 'AVI '],
  ['w64', (head) => startsWith(head, '726966662e91cf11a5d628db04c10000')],
  ['flac', (head) => text(head, 0, 4) === 'fLaC'],
  ['ogg', (head) => text(head, 0, 4) === 'OggS'],
  ['matroska', (head) => startsWith(head, '1a45dfa3')],
  // `ftyp` opens mp4, m4a, 3gp and mov; QuickTime files older than it begin with another box.
  ['mov', (head) => text(head, 4, 8) === 'ftyp' && !/^(avif|avis|heic|heix|hevc|mif1|msf1)$/.test(text(head, 8, 12))],
  ['mov', (head) => /^(moov|mdat|wide|free|skip|pnot)$/.test(text(head, 4, 8)) && head.readUInt32BE(0) < 2 ** 31],
  ['amr', (head) => /^#!AMR(-WB)?\n/.test(text(head, 0, 10))],
  ['aiff', (head) => text(head, 0, 4) === 'FORM' && /^AIF[FC]$/.test(text(head, 8, 12))],
  ['caf', (head) => text(head, 0, 4) === 'caff'],
  ['asf', (head) => startsWith(head, '3026b2758e66cf11a6d900aa0062ce6c')],
  ['au', (head) => text(head, 0, 4) === '.snd'],
  ['flv', (head) => text(head, 0, 4) === 'FLV\x01'],
  ['mpeg', (head) => startsWith(head, '000001ba')],
  ['mpegts', (head) => [0, 188, 376].every((offset) => head[offset] === 0x47)],
  ['aac', (head) => hasFrames(head, adtsFrameBytes)],
  ['mp3', (head) => hasFrames(head, mpegFrameBytes)],
];

/** Undefined for what is no audio that we know. */
export async function recognise(file: StoredReader): Promise<Demuxer | undefined> {
  let offset = 0;
  for (let tags = 0; tags < TAGS_MAX; tags += 1) {
    const head = await readHead(file, offset);
    const tagBytes = id3Bytes(head);
    // Behind an ID3 tag comes mp3 unless something else shows itself: encoders leave padding that hides the first frame.
    if (tagBytes === 0) return recogniseHead(head) ?? (offset > 0 && head.length > 0 ? 'mp3' : undefined);
    offset += tagBytes;
  }
  return undefined;
}

export function recogniseHead(head: Buffer): Demuxer | undefined {
  return TABLE.find(([, matches]) => matches(head))?.[0];
}

export function readHead(file: StoredReader, offset = 0): Promise<Buffer> {
  return file.read(offset, HEAD_BYTES);
}

/** Length of the ID3v2 tag at the beginning, 0 without one. Its size is written in four bytes of seven bits. */
function id3Bytes(head: Buffer): number {
  if (text(head, 0, 3) !== 'ID3' || head.length < 10) return 0;
  const size = head.subarray(6, 10).reduce((sum, byte) => sum * 128 + (byte & 0x7f), 0);
  const hasFooter = (head.readUInt8(5) & 0x10) !== 0;
  return 10 + size + (hasFooter ? 10 : 0);
}

/** Whether frames follow each other without a gap, or one or more fill a short file exactly. */
function hasFrames(head: Buffer, frameBytes: (head: Buffer, offset: number) => number): boolean {
  for (let start = 0; start < Math.min(head.length, SYNC_SEARCH_BYTES); start += 1) {
    let [offset, frames] = [start, 0];
    while (frames < FRAMES_IN_A_ROW) {
      const length = frameBytes(head, offset);
      if (length === 0) break;
      offset += length;
      frames += 1;
    }
    if (frames === FRAMES_IN_A_ROW || (start === 0 && frames > 0 && offset === head.length)) return true;
  }
  return false;
}

/** Length of the AAC frame in ADTS at `offset`, 0 when there is none. */
function adtsFrameBytes(head: Buffer, offset: number): number {
  if (offset + 7 > head.length || (head.readUInt16BE(offset) & 0xfff6) !== 0xfff0) return 0;
  const rateIndex = (head.readUInt8(offset + 2) >> 2) & 0xf;
  const length = (head.readUIntBE(offset + 3, 3) >> 5) & 0x1fff;
  return rateIndex > 12 || length < 7 ? 0 : length;
}

const BITRATES_KBIT: Record<string, readonly number[]> = {
  'v1-l1': [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  'v1-l2': [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  'v1-l3': [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  'v2-l1': [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  'v2-l2': [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
  'v2-l3': [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
};
const SAMPLE_RATES: Record<number, readonly number[]> = {
  3: [44_100, 48_000, 32_000],
  2: [22_050, 24_000, 16_000],
  0: [11_025, 12_000, 8000],
};

/** Length of the MPEG audio frame (layers I to III) at `offset`, 0 when there is none. */
function mpegFrameBytes(head: Buffer, offset: number): number {
  if (offset + 4 > head.length) return 0;
  const header = head.readUInt32BE(offset);
  if (header >>> 21 !== 0x7ff) return 0;
  const version = (header >>> 19) & 3;
  const layer = 4 - ((header >>> 17) & 3);
  const sampleRate = SAMPLE_RATES[version]?.[(header >>> 10) & 3];
  const bitrate = BITRATES_KBIT[`v${version === 3 ? 1 : 2}-l${layer}`]?.[((header >>> 12) & 15) - 1];
  if (sampleRate === undefined || bitrate === undefined) return 0;
  const padding = (header >>> 9) & 1;
  if (layer === 1) return (Math.floor((12_000 * bitrate) / sampleRate) + padding) * 4;
  const factor = layer === 3 && version !== 3 ? 72_000 : 144_000;
  return Math.floor((factor * bitrate) / sampleRate) + padding;
}

function text(head: Buffer, start: number, end: number): string {
  return head.toString('latin1', start, end);
}

function startsWith(head: Buffer, hexadecimal: string): boolean {
  return head.toString('hex', 0, hexadecimal.length / 2) === hexadecimal;
}
