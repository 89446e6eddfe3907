// Audio that cannot be transcribed: each kind gets OpenAI's own error, and nothing of it stays on disk.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { clip, ffmpeg, speech, speechAs } from '../audio.ts';
import { useGateway } from '../gateway.ts';
import { expectError, type FilePart, formOf, transcribe } from '../requests.ts';

const gateway = useGateway();
afterEach(() => gateway().expectEmptySpool());

const send = (file: FilePart) => transcribe(gateway().url, formOf([['model', 'whisper-1']], file));

test('an empty file', async () => {
  expectError(await send({ bytes: Buffer.alloc(0) }), 400, { param: 'file', code: 'audio_too_short' });
});

test('0.05 s of audio', async () => {
  expectError(await send({ bytes: clip(0.05) }), 400, { param: 'file', code: 'audio_too_short' });
  const mp3 = ffmpeg(['-f', 'lavfi', '-i', 'sine=d=0.05:r=44100', '-c:a', 'flac'], 'flac');
  expectError(await send({ bytes: mp3 }), 400, { param: 'file', code: 'audio_too_short' });
});

test('a header without samples', async () => {
  expectError(await send({ bytes: speech().subarray(0, 78) }), 400, { param: 'file', code: 'audio_too_short' });
});

test('text that is called .wav', async () => {
  const message = expectError(await send({ bytes: Buffer.from('This is not audio.\n'.repeat(200)) }), 400);
  for (const format of 'flac m4a mp3 mp4 mpeg mpga oga ogg wav webm'.split(' ')) expect(message).toContain(format);
});

test('random bytes', async () => {
  const bytes = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) % 251));
  expectError(await send({ bytes, name: 'noise.mp3', type: 'audio/mpeg' }), 400);
});

test('an mp3 cut inside its first frame', async () => {
  const answer = await send({ bytes: speechAs('mp3').subarray(0, 150), name: 'cut.mp3' });
  expectError(answer, 400, { param: 'file', code: 'invalid_value' });
});

test('an mp3 cut in the middle is transcribed as far as it goes', async () => {
  const mp3 = speechAs('mp3');
  const answer = await send({ bytes: mp3.subarray(0, mp3.length / 2), name: 'cut.mp3' });
  expect(answer.status).toBe(200);
  const { text } = JSON.parse(answer.text);
  expect(text).toMatch(/my fellow americans/i);
  expect(text).not.toMatch(/what you can do for your country/i);
});

test('an m4a without its index', async () => {
  const m4a = speechAs('m4a', '-c:a', 'aac');
  const answer = await send({ bytes: m4a.subarray(0, m4a.length / 2), name: 'cut.m4a' });
  expectError(answer, 400, { param: 'file', code: 'invalid_value' });
});

test('a video without an audio track', async () => {
  const video = ffmpeg(['-f', 'lavfi', '-i', 'testsrc=d=1:s=64x64:r=5', '-an', '-pix_fmt', 'yuv420p'], 'mp4');
  const message = expectError(await send({ bytes: video, name: 'silent.mp4', type: 'video/mp4' }), 400, {
    param: 'file',
    code: 'invalid_value',
  });
  expect(message).toMatch(/audio/);
});

test('ten hours of silence in a few kilobytes', async () => {
  const silence = ffmpeg(
    ['-f', 'lavfi', '-i', 'anullsrc=r=1000:cl=mono', '-t', '36000', '-frame_size', '32768'],
    'flac',
  );
  expect(silence.length).toBeLessThan(64 * 1024);
  const startedMs = performance.now();
  expectError(await send({ bytes: silence, name: 'silence.flac' }), 400, { code: 'invalid_value' });
  expect(performance.now() - startedMs).toBeLessThan(10_000);
});

test.each([
  ['playlist', (url: string) => `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n${url}/segment.ts\n#EXT-X-ENDLIST\n`],
  ['concat script', (url: string) => `ffconcat version 1.0\nfile '${url}/other.wav'\n`],
])('a %s opens nothing else', async (_, write) => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.end(speech());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    for (const name of ['list.m3u8', 'list.wav', 'list.txt']) {
      expectError(await send({ bytes: Buffer.from(write(`http://127.0.0.1:${port}`)), name }), 400);
    }
    expect(asked).toEqual([]);
  } finally {
    server.close();
  }
});
