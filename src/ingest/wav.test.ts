import { expect, test } from 'vitest';
import { locatePcm } from './wav.ts';

interface Format {
  tag?: number;
  channels?: number;
  sampleRate?: number;
  bits?: number;
  extensible?: string;
}

const SUBFORMAT_PCM = '0100000000001000800000aa00389b71';

function format({ tag = 1, channels = 1, sampleRate = 16_000, bits = 16, extensible }: Format = {}): Buffer {
  const body = Buffer.alloc(extensible === undefined ? 16 : 40);
  body.writeUInt16LE(extensible === undefined ? tag : 0xfffe, 0);
  body.writeUInt16LE(channels, 2);
  body.writeUInt32LE(sampleRate, 4);
  body.writeUInt32LE((sampleRate * channels * bits) / 8, 8);
  body.writeUInt16LE((channels * bits) / 8, 12);
  body.writeUInt16LE(bits, 14);
  if (extensible !== undefined) {
    body.writeUInt16LE(22, 16);
    body.writeUInt16LE(bits, 18);
    body.write(extensible, 24, 'hex');
  }
  return chunk('fmt ', body);
}

function chunk(id: string, body: Buffer, size = body.length): Buffer {
  const head = Buffer.alloc(8);
  head.write(id, 'latin1');
  head.writeUInt32LE(size, 4);
  return Buffer.concat([head, body, Buffer.alloc(body.length % 2)]);
}

function wav(...chunks: Buffer[]): Buffer {
  const body = Buffer.concat(chunks);
  const head = Buffer.from('RIFF\0\0\0\0WAVE', 'latin1');
  head.writeUInt32LE(body.length + 4, 4);
  return Buffer.concat([head, body]);
}

const SAMPLES = Buffer.alloc(320, 7);
const locate = (file: Buffer) => locatePcm(file, file.length);

test.for<[string, Buffer, { byteOffset: number; byteLength: number }]>([
  ['plain', wav(format(), chunk('data', SAMPLES)), { byteOffset: 44, byteLength: 320 }],
  [
    'extensible',
    wav(format({ extensible: SUBFORMAT_PCM }), chunk('data', SAMPLES)),
    { byteOffset: 68, byteLength: 320 },
  ],
  [
    'a list before the samples, of odd size',
    wav(chunk('LIST', Buffer.alloc(27)), format(), chunk('data', SAMPLES)),
    { byteOffset: 80, byteLength: 320 },
  ],
  [
    'a list behind the samples',
    wav(format(), chunk('data', SAMPLES), chunk('LIST', Buffer.alloc(26))),
    { byteOffset: 44, byteLength: 320 },
  ],
  ['size 0, by a program that streamed', wav(format(), chunk('data', SAMPLES, 0)), { byteOffset: 44, byteLength: 320 }],
  [
    'the largest size, by another',
    wav(format(), chunk('data', SAMPLES, 0xffffffff)),
    { byteOffset: 44, byteLength: 320 },
  ],
  ['cut off', wav(format(), chunk('data', SAMPLES)).subarray(0, 44 + 101), { byteOffset: 44, byteLength: 100 }],
  ['an odd number of bytes', wav(format(), chunk('data', SAMPLES.subarray(0, 99))), { byteOffset: 44, byteLength: 98 }],
  ['no samples', wav(format(), chunk('data', Buffer.alloc(0))), { byteOffset: 44, byteLength: 0 }],
])('%s', ([, file, range]) => {
  expect(locate(file)).toEqual(range);
});

test.for<[string, Buffer]>([
  ['another sample rate', wav(format({ sampleRate: 44_100 }), chunk('data', SAMPLES))],
  ['stereo', wav(format({ channels: 2 }), chunk('data', SAMPLES))],
  ['8 bits', wav(format({ bits: 8 }), chunk('data', SAMPLES))],
  ['24 bits', wav(format({ bits: 24 }), chunk('data', SAMPLES))],
  ['float', wav(format({ tag: 3, bits: 32 }), chunk('data', SAMPLES))],
  ['mu-law', wav(format({ tag: 7, bits: 8 }), chunk('data', SAMPLES))],
  ['extensible float', wav(format({ extensible: `03${SUBFORMAT_PCM.slice(2)}` }), chunk('data', SAMPLES))],
  ['extensible of a stranger', wav(format({ extensible: `0100${'ff'.repeat(14)}` }), chunk('data', SAMPLES))],
  ['samples before the format', wav(chunk('data', SAMPLES), format())],
  ['no format', wav(chunk('data', SAMPLES))],
  ['a format too short', wav(chunk('fmt ', Buffer.alloc(8)), chunk('data', SAMPLES))],
  ['samples far behind', wav(format(), chunk('LIST', Buffer.alloc(64), 2 ** 31), chunk('data', SAMPLES))],
  ['no WAV', Buffer.from('OggS')],
])('%s is left to ffmpeg', ([, file]) => {
  expect(locate(file)).toBeUndefined();
});

test('whatever the header says, the range lies inside the file', () => {
  const original = wav(chunk('LIST', Buffer.alloc(9)), format({ extensible: SUBFORMAT_PCM }), chunk('data', SAMPLES));
  let seed = 20_260_921;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  let found = 0;
  for (let round = 0; round < 50_000; round += 1) {
    const head = Buffer.from(original.subarray(0, random(original.length + 1)));
    for (let changes = random(4); changes > 0 && head.length > 0; changes -= 1) {
      head[random(Math.min(head.length, 100))] = [0, 1, 0x7f, 0xff, random(256)][random(5)] ?? 0;
    }
    const fileBytes = random(2) === 0 ? head.length : head.length + random(1000);
    const range = locatePcm(head, fileBytes);
    if (!range) continue;
    found += 1;
    expect(range.byteOffset).toBeGreaterThan(0);
    expect(range.byteLength).toBeGreaterThanOrEqual(0);
    expect(range.byteLength % 2).toBe(0);
    if (range.byteLength > 0) expect(range.byteOffset + range.byteLength).toBeLessThanOrEqual(fileBytes);
  }
  expect(found).toBeGreaterThan(1000);
});
