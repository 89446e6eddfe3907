// Builds the multipart body of an inference as a stream: a WAV header, the chunk's samples, silence. Never more
// than the chunk in memory; the length is known before the first byte is read.
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { readRange } from '../lib/stored.ts';
import { type Chunk, PCM_BYTES_PER_MS, PCM_SAMPLE_RATE } from '../transcript/recording.ts';

/** The engine answers less than 0.1 s with nothing, and reads past the end of less than 200 samples (1.9.1). */
const AUDIO_MS_MIN = 500;
const WAV_HEADER_BYTES = 44;
const BYTES_PER_SAMPLE = 2;

export interface RequestBody {
  headers: Record<string, string>;
  stream: Readable;
  /** What of the chunk was read so far: all of it once an engine has answered that reads a request before it does. */
  samples(): Buffer;
}

export function requestBody(fields: Record<string, string>, fileName: string, chunk: Chunk): RequestBody {
  const silence = Buffer.alloc(Math.max(0, AUDIO_MS_MIN * PCM_BYTES_PER_MS - chunk.byteLength));
  const audioBytes = chunk.byteLength + silence.length;
  const boundary = `gateway-${randomBytes(16).toString('hex')}`;
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const file = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${fileName}"\r\ncontent-type: audio/wav\r\n\r\n`;
  const head = Buffer.concat([Buffer.from(parts.join('') + file), wavHeader(audioBytes)]);
  const tail = Buffer.concat([silence, Buffer.from(`\r\n--${boundary}--\r\n`)]);

  const read: Buffer[] = [];
  async function* bytes() {
    yield head;
    for await (const block of readRange(chunk.stored, chunk.byteOffset, chunk.byteLength)) {
      read.push(block);
      yield block;
    }
    yield tail;
  }
  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(head.length + chunk.byteLength + tail.length),
    },
    stream: Readable.from(bytes(), { objectMode: false }),
    samples: () => Buffer.concat(read),
  };
}

function wavHeader(audioBytes: number): Buffer {
  const header = Buffer.alloc(WAV_HEADER_BYTES);
  header.write('RIFF', 0);
  header.writeUInt32LE(audioBytes + WAV_HEADER_BYTES - 8, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(PCM_SAMPLE_RATE, 24);
  header.writeUInt32LE(PCM_SAMPLE_RATE * BYTES_PER_SAMPLE, 28);
  header.writeUInt16LE(BYTES_PER_SAMPLE, 32);
  header.writeUInt16LE(8 * BYTES_PER_SAMPLE, 34);
  header.write('data', 36);
  header.writeUInt32LE(audioBytes, 40);
  return header;
}
