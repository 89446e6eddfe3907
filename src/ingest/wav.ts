// Finds the samples of a WAV file that engines can read as it is: 16 kHz, mono, 16-bit PCM. Any other WAV is ffmpeg's.
import { PCM_SAMPLE_RATE } from '../transcript/recording.ts';

const CHUNK_HEADER_BYTES = 8;
const FORMAT_BYTES_MIN = 16;
const FORMAT_PCM = 1;
const FORMAT_EXTENSIBLE = 0xfffe;
/** Where an extensible format keeps its real one: a GUID whose first two bytes are the format and whose rest is fixed. */
const SUBFORMAT_OFFSET = 24;
const SUBFORMAT_REST = Buffer.from('000000001000800000aa00389b71', 'hex');

export interface PcmRange {
  byteOffset: number;
  byteLength: number;
}

/** `head` is the beginning of the file. Undefined when the samples are of another kind, or begin beyond `head`. */
export function locatePcm(head: Buffer, fileBytes: number): PcmRange | undefined {
  let usable = false;
  for (const { id, body, size } of riffChunks(head)) {
    if (id === 'fmt ') usable = isEnginePcm(head.subarray(body, body + size));
    if (id === 'data') return usable ? dataRange(body, size, fileBytes) : undefined;
  }
  return undefined;
}

/** What the header says; undefined where it says nothing. */
export function countWavChannels(head: Buffer): number | undefined {
  for (const { id, body } of riffChunks(head)) {
    if (id === 'fmt ') return body + FORMAT_BYTES_MIN <= head.length ? head.readUInt16LE(body + 2) : undefined;
  }
  return undefined;
}

function* riffChunks(head: Buffer): Generator<{ id: string; body: number; size: number }> {
  if (head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WAVE') return;
  let offset = 12;
  while (offset + CHUNK_HEADER_BYTES <= head.length) {
    const size = head.readUInt32LE(offset + 4);
    const body = offset + CHUNK_HEADER_BYTES;
    yield { id: head.toString('latin1', offset, offset + 4), body, size };
    offset = body + size + (size % 2); // chunks are padded to even sizes
  }
}

function isEnginePcm(format: Buffer): boolean {
  if (format.length < FORMAT_BYTES_MIN) return false;
  const tag = format.readUInt16LE(0);
  const isPcm =
    tag === FORMAT_PCM ||
    (tag === FORMAT_EXTENSIBLE &&
      format.length >= SUBFORMAT_OFFSET + 2 + SUBFORMAT_REST.length &&
      format.readUInt16LE(SUBFORMAT_OFFSET) === FORMAT_PCM &&
      format.subarray(SUBFORMAT_OFFSET + 2, SUBFORMAT_OFFSET + 2 + SUBFORMAT_REST.length).equals(SUBFORMAT_REST));
  const [channels, sampleRate, blockBytes, bits] = [
    format.readUInt16LE(2),
    format.readUInt32LE(4),
    format.readUInt16LE(12),
    format.readUInt16LE(14),
  ];
  return isPcm && channels === 1 && sampleRate === PCM_SAMPLE_RATE && blockBytes === 2 && bits === 16;
}

/** Programs that stream do not know the size when they write the header: they leave 0 or the largest number there. */
function dataRange(byteOffset: number, size: number, fileBytes: number): PcmRange {
  const rest = Math.max(0, fileBytes - byteOffset);
  const byteLength = size === 0 ? rest : Math.min(size, rest);
  return { byteOffset, byteLength: byteLength - (byteLength % 2) };
}
