import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inFile } from '../lib/stored.ts';
import { requestBody } from './request-body.ts';

let directory: string;
let path: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'request-body-'));
  path = join(directory, 'audio.pcm');
  await writeFile(path, Buffer.from(Array.from({ length: 64_000 }, (_, index) => index % 251)));
});
afterAll(() => rm(directory, { recursive: true }));

const chunk = (byteOffset: number, byteLength: number) => ({
  stored: inFile(path),
  byteOffset,
  byteLength,
  startMs: 0,
  durationMs: byteLength / 32,
});

async function read(byteOffset: number, byteLength: number, fields: Record<string, string> = {}) {
  const { headers, stream } = requestBody(fields, 'chunk-7.wav', chunk(byteOffset, byteLength));
  const bytes = await buffer(stream);
  const form = await new Response(bytes, { headers }).formData();
  const file = form.get('file') as File;
  return { headers, bytes, form, file, audio: Buffer.from(await file.arrayBuffer()) };
}

test('is a form with the fields and a WAV file of the slice, as long as it said', async () => {
  const prompt = 'Two\r\nlines, "quotes" and Ünïcode';
  const { headers, bytes, form, file, audio } = await read(1_000, 32_000, { prompt, temperature: '0' });
  expect(headers['content-length']).toBe(String(bytes.length));
  expect(form.get('prompt')).toBe(prompt);
  expect(form.get('temperature')).toBe('0');
  expect(file.name).toBe('chunk-7.wav');
  expect(audio.toString('latin1', 0, 4)).toBe('RIFF');
  expect(audio.readUInt32LE(4)).toBe(audio.length - 8);
  expect(audio.readUInt32LE(24)).toBe(16_000);
  expect(audio.readUInt32LE(40)).toBe(32_000);
  expect(audio.subarray(44)).toEqual(Buffer.from(Array.from({ length: 32_000 }, (_, index) => (index + 1_000) % 251)));
});

test.each([0, 320, 15_998])('%i bytes are filled up with silence to half a second', async (byteLength) => {
  const { headers, bytes, audio } = await read(0, byteLength);
  expect(headers['content-length']).toBe(String(bytes.length));
  expect(audio.readUInt32LE(40)).toBe(16_000);
  expect(audio.length).toBe(16_044);
  expect(audio.subarray(44 + byteLength).every((byte) => byte === 0)).toBe(true);
});

test('a file that is gone ends the stream with an error', async () => {
  const { stream } = requestBody({}, 'x.wav', { ...chunk(0, 32_000), stored: inFile(join(directory, 'gone')) });
  await expect(buffer(stream)).rejects.toThrow('ENOENT');
});
