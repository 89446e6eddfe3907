// Real ffmpeg on files made at test time. After each test the spool is empty and no ffmpeg runs.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { GatewayError, toGatewayError } from '../errors.ts';
import { FakeClock, systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import type { AudioSelection, RawFormat, Recording } from '../transcript/recording.ts';
import { runFfmpeg, samplesOutput } from './ffmpeg.ts';
import { createIngest, type Ingest, type IngestParts } from './ingest.ts';
import { ingestSettings } from './settings.ts';

const run = promisify(execFile);
const never = new AbortController().signal;
const MIXED: AudioSelection = { channel: null, raw: null };
const TONE = ['-f', 'lavfi', '-i', 'sine=frequency=440:duration=2'];
const PICTURES = ['-f', 'lavfi', '-i', 'testsrc=duration=2:size=320x240:rate=10'];

let directory: string;
let spool: string;
let ingest: Ingest;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ingest-'));
  spool = join(directory, 'spool');
});
beforeEach(() => open());
afterEach(async () => {
  expect(await readdir(spool)).toEqual([]);
  expect(ingest.spoolBytes()).toBe(0);
  await ingest.close();
  expect(await runningFfmpegs()).toEqual([]);
});
afterAll(() => rm(directory, { recursive: true }));

async function open(settings: Record<string, unknown> = {}, parts: Partial<IngestParts> = {}): Promise<void> {
  await ingest?.close();
  ingest = await createIngest({
    settings: ingestSettings.parse(settings),
    directory: spool,
    log: silentLog,
    clock: systemClock,
    ...parts,
  });
}

async function runningFfmpegs(): Promise<number[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,comm=']);
  return [...stdout.matchAll(/^ *(\d+) +(\d+) (ffmpeg|sh)/gm)]
    .filter(([, , parent]) => Number(parent) === process.pid)
    .map(([, pid]) => Number(pid));
}

/** Makes a file with ffmpeg and returns its path. */
async function make(name: string, ...args: string[]): Promise<string> {
  const path = join(directory, name);
  await run('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args, path]);
  return path;
}

async function write(name: string, content: string | Buffer): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

/** Decodes to the end. */
async function decode(recording: Recording, selection: AudioSelection, signal: AbortSignal) {
  const { file, byteLength: whole, release } = await ingest.open(recording, selection, signal);
  const byteLength = await whole;
  return {
    path: await file.stored.path(),
    byteOffset: file.byteOffset,
    byteLength,
    durationMs: byteLength / 32,
    release,
  };
}
type DecodedAudio = Awaited<ReturnType<typeof decode>>;

/** Receives and decodes `path`, hands the samples to `look`, and releases everything. */
async function decoding<Result>(
  path: string,
  look: (audio: DecodedAudio, samples: Buffer) => Result | Promise<Result>,
  signal = never,
  selection = MIXED,
): Promise<Result> {
  const recording = await ingest.receive(createReadStream(path), signal);
  try {
    const audio = await decode(recording, selection, signal);
    const bytes = (await readFile(audio.path)).subarray(audio.byteOffset, audio.byteOffset + audio.byteLength);
    expect(bytes).toHaveLength(audio.byteLength);
    expect(audio.durationMs).toBe(audio.byteLength / 32);
    const result = await look(audio, bytes);
    await audio.release();
    return result;
  } finally {
    await recording.release();
  }
}

async function refusal(path: string, signal = never): Promise<GatewayError> {
  const error = await decoding(path, () => assert.fail('it was decoded'), signal).catch((thrown: unknown) => thrown);
  assert(error instanceof GatewayError, String(error));
  return error;
}

/** Hertz of a pure tone, by its zero crossings. */
function pitch(samples: Buffer): number {
  const values = new Int16Array(samples.buffer, samples.byteOffset, samples.length / 2).slice(8000, 24_000);
  let crossings = 0;
  for (let at = 1; at < values.length; at += 1) {
    if (Number(values[at - 1]) < 0 && Number(values[at]) >= 0) crossings += 1;
  }
  return crossings;
}

test.for<[name: string, ...args: string[]]>([
  ['a.mp3', '-c:a', 'libmp3lame'],
  ['cover.mp3', ...PICTURES, '-map', '0:a', '-map', '1:v', '-frames:v', '1', '-c:v', 'mjpeg', '-c:a', 'libmp3lame'],
  ['a.mp2', '-c:a', 'mp2'],
  ['moov-at-end.m4a', '-c:a', 'aac'],
  ['moov-first.m4a', '-c:a', 'aac', '-movflags', '+faststart'],
  ['fragmented.mp4', '-c:a', 'aac', '-movflags', 'frag_keyframe+empty_moov'],
  ['a.mov', '-c:a', 'pcm_s16be'],
  ['a.3gp', '-c:a', 'aac'],
  ['a.aac', '-c:a', 'aac'],
  ['a.webm', '-c:a', 'libopus'],
  ['a.mka', '-c:a', 'flac'],
  ['a.ogg', '-c:a', 'libopus'],
  ['flac.ogg', '-c:a', 'flac'],
  ['a.flac', '-c:a', 'flac'],
  ['mulaw.wav', '-ar', '8000', '-c:a', 'pcm_mulaw'],
  ['stereo.wav', '-ar', '44100', '-ac', '2'],
  ['float.wav', '-ar', '16000', '-c:a', 'pcm_f32le'],
  ['a.w64'],
  ['a.aiff'],
  ['a.caf'],
  ['a.au'],
  ['a.wma', '-c:a', 'wmav2'],
  ['a.ts', '-c:a', 'mp2'],
  ['a.mpg', '-c:a', 'mp2'],
  ['a.avi', '-c:a', 'libmp3lame'],
  ['a.flv', '-c:a', 'aac'],
  ['video.mp4', ...PICTURES, '-c:v', 'mpeg4', '-c:a', 'aac'],
  ['video.mkv', ...PICTURES, '-c:v', 'mpeg4', '-c:a', 'libopus'],
])('%s comes out as 16 kHz mono samples', async ([name, ...args]) => {
  const made = await make(name, ...TONE, ...args);
  const path = await write('misnamed.txt', await readFile(made));
  await decoding(path, (audio, samples) => {
    expect(audio.durationMs).toBeGreaterThan(1900);
    expect(audio.durationMs).toBeLessThan(2200);
    expect(Math.abs(pitch(samples) - 440)).toBeLessThan(3);
  });
});

test('16 kHz mono 16-bit WAV is used where it lies, without ffmpeg', async () => {
  await open({ FFMPEG_BIN: '/nowhere/ffmpeg' });
  const samples = await make('raw.s16le', ...TONE, '-ar', '16000', '-f', 's16le');
  const path = await make('plain.wav', ...TONE, '-ar', '16000');
  await decoding(path, async (audio, decoded) => {
    expect(decoded.equals(await readFile(samples))).toBe(true);
    expect(dirname(audio.path)).toBe(spool);
    expect(await readdir(spool)).toHaveLength(1);
  });
});

test('a recording is what was uploaded, and its hash', async () => {
  const path = await make('hashed.mp3', ...TONE);
  const recording = await ingest.receive(createReadStream(path), never);
  expect(recording.sha256).toBe(
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  );
  expect(recording.bytes).toBe((await stat(path)).size);
  expect((await stat(await recording.stored.path())).mode & 0o777).toBe(0o600);
  expect(ingest.spoolBytes()).toBe(recording.bytes);
  await recording.release();
  await recording.release();
});

test('what is damaged at its end gives what it holds', async () => {
  const mp3 = await readFile(await make('whole.mp3', ...TONE, '-b:a', '128k'));
  await decoding(await write('cut.mp3', mp3.subarray(0, mp3.length / 2)), ({ durationMs }) => {
    expect(durationMs).toBeGreaterThan(900);
    expect(durationMs).toBeLessThan(1200);
  });
  const webm = await readFile(await make('whole.webm', ...TONE, '-c:a', 'libopus'));
  await decoding(await write('cut.webm', webm.subarray(0, webm.length / 2)), ({ durationMs }) => {
    expect(durationMs).toBeGreaterThan(500);
  });
});

test.for([
  ['no audio track', async () => make('silent.mp4', ...PICTURES, '-c:v', 'mpeg4'), 'The file has no audio track.'],
  [
    'an index that was cut off',
    async () => write('cut.m4a', (await readFile(await make('index.m4a', ...TONE, '-c:a', 'aac'))).subarray(0, 5000)),
    'damaged',
  ],
  ['a header and rubbish', async () => write('rubbish.flac', `fLaC${'rubbish'.repeat(1000)}`), 'damaged'],
  ['an ID3 tag and text', async () => write('tag.mp3', `ID3\x04\0\0\0\0\0\x0a${'0123456789'.repeat(500)}`), 'damaged'],
] as const)('%s is audio-undecodable', async ([, makeFile, message]) => {
  const error = await refusal(await makeFile());
  expect(error.code).toBe('audio-undecodable');
  expect(error.message).toContain(message);
  expect(error.message).not.toContain(directory);
  expect(String(error.cause)).toContain('ffmpeg ended with');
});

test('a playlist, a concat script, a page and a picture are not opened', async () => {
  const secret = await make('secret.wav', ...TONE);
  const contents = [
    `#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://${secret}\n#EXT-X-ENDLIST\n`,
    `ffconcat version 1.0\nfile '${secret}'\n`,
    '<!doctype html><title>Not found</title>',
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
    'This is no audio. '.repeat(1000),
    await readFile(await make('picture.png', ...PICTURES, '-frames:v', '1')),
    await readFile(await make('picture.jpg', ...PICTURES, '-frames:v', '1')),
  ];
  for (const content of contents) {
    expect((await refusal(await write('called.wav', content))).code).toBe('audio-unrecognised');
  }
});

test('a movie that points to samples in another file gets nothing of that file', async () => {
  const secret = await make('secret.mov', ...TONE, '-c:a', 'pcm_s16be');
  const movie = pointElsewhere(await readFile(secret), secret);
  const path = await write('pointing.mov', movie);
  // The trap works: a careless ffmpeg follows the pointer.
  const careless = ['-v', 'error', '-enable_drefs', '1', '-use_absolute_path', '1', '-f', 'mov', '-i', path];
  const { stdout } = await run('ffmpeg', [...careless, '-f', 's16le', 'pipe:1'], { encoding: 'buffer' });
  expect(stdout.length).toBeGreaterThan(100_000);
  expect((await refusal(path)).code).toBe('audio-too-short'); // of its own it has none
});

test('0.05 s is too short, in any container; so is nothing', async () => {
  const brief = ['-f', 'lavfi', '-i', 'sine=duration=0.05'];
  for (const path of [
    await make('brief.wav', ...brief, '-ar', '16000'),
    await make('brief.flac', ...brief),
    await make('brief44.wav', ...brief),
    await make('none.wav', ...brief, '-af', 'atrim=end_sample=0'),
  ]) {
    expect((await refusal(path)).code, path).toBe('audio-too-short');
  }
  const empty = await ingest.receive(Readable.from([]), never).catch((thrown: unknown) => thrown);
  expect((empty as GatewayError).code).toBe('audio-too-short');
});

test('ten hours of silence in a few bytes are refused by what the header says', async () => {
  const hours = await make('hours.flac', '-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', '36000', '-c:a', 'flac');
  const startedAtMs = performance.now();
  expect((await refusal(hours)).code).toBe('audio-too-long');
  expect(performance.now() - startedAtMs).toBeLessThan(1000);
});

test('audio that is longer than it says is stopped where the limit is', async () => {
  await open({ AUDIO_SECONDS_MAX: 60, SPOOL_BYTES_MAX: 60 * 32_000 + 2_000_000 });
  const silence = ['-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', '600'];
  for (const path of [
    await make('live.webm', ...silence, '-c:a', 'libopus', '-live', '1'),
    await make('long.mp3', ...silence, '-c:a', 'libmp3lame', '-write_xing', '0'),
  ]) {
    expect((await refusal(path)).code, path).toBe('audio-too-long');
  }
  expect((await refusal(await make('long.wav', ...silence, '-ar', '16000'))).code).toBe('disk-full');
});

test('decoded audio counts against the spool too', async () => {
  await open({ SPOOL_BYTES_MAX: 300_000 });
  const path = await make('small.flac', '-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', '60');
  expect((await refusal(path)).code).toBe('disk-full');
});

test('an upload past the limit is refused as it arrives', async () => {
  await open({ UPLOAD_BYTES_MAX: 100_000 });
  const endless = new Readable({
    read() {
      this.push(Buffer.alloc(65_536));
    },
  });
  const error = await ingest.receive(endless, never).catch((thrown: unknown) => thrown);
  expect((error as GatewayError).code).toBe('body-too-large');
  expect(endless.destroyed).toBe(true);
});

test('an upload that breaks leaves nothing, and its own error is what is thrown', async () => {
  const broken = new Error('the form broke');
  const upload = new Readable({ read() {} });
  upload.push(Buffer.alloc(5_000_000));
  const received = ingest.receive(upload, never).catch((thrown: unknown) => thrown);
  await expect.poll(() => ingest.spoolBytes()).toBe(5_000_000);
  upload.destroy(broken);
  expect(await received).toBe(broken);
});

test('an abort ends an upload and a decoding at once, with its reason', async () => {
  const left = new Error('the client left');
  const uploading = new AbortController();
  const received = ingest.receive(new Readable({ read() {} }), uploading.signal).catch((thrown: unknown) => thrown);
  uploading.abort(left);
  expect(await received).toBe(left);

  const recording = await ingest.receive(createReadStream(await manyHours()), never);
  const decoding = new AbortController();
  const decoded = decode(recording, MIXED, decoding.signal).catch((thrown: unknown) => thrown);
  await expect.poll(() => ingest.spoolBytes()).toBeGreaterThan(recording.bytes);
  expect(await runningFfmpegs()).toHaveLength(1);
  const abortedAtMs = performance.now();
  decoding.abort(left);
  expect(await decoded).toBe(left);
  expect(performance.now() - abortedAtMs).toBeLessThan(500);
  expect(await runningFfmpegs()).toEqual([]);
  await recording.release();
});

test('more channels than loudspeakers have names are mixed down', async () => {
  const sines = Array(20).fill('0.3*sin(2*PI*440*t)').join('|');
  const path = await make('many.wav', '-f', 'lavfi', '-i', `aevalsrc=${sines}:d=2`, '-c:a', 'pcm_s16le');
  await decoding(path, (audio, samples) => {
    expect(audio.durationMs).toBe(2000);
    expect(Math.abs(pitch(samples) - 440)).toBeLessThan(3);
  });
});

test('closing ends what runs and removes what was not released', async () => {
  await ingest.receive(createReadStream(await make('forgotten.mp3', ...TONE)), never);
  const recording = await ingest.receive(createReadStream(await manyHours()), never);
  const decoded = decode(recording, MIXED, never).catch((thrown: unknown) => thrown);
  const received = ingest.receive(new Readable({ read() {} }), never).catch((thrown: unknown) => thrown);
  await expect.poll(runningFfmpegs).toHaveLength(1);
  await ingest.close();
  expect(((await decoded) as GatewayError).code).toBe('shutting-down');
  expect(((await received) as GatewayError).code).toBe('shutting-down');
  const late = await ingest.receive(Readable.from([Buffer.alloc(10)]), never).catch((thrown: unknown) => thrown);
  expect((late as GatewayError).code).toBe('shutting-down');
});

test('decoding has a deadline', async () => {
  const clock = new FakeClock();
  await open({}, { clock });
  const refused = refusal(await manyHours());
  await expect.poll(runningFfmpegs).toHaveLength(1);
  await clock.advance(300_000);
  expect((await refused).code).toBe('audio-undecodable');
  expect(clock.pendingCount).toBe(0);
});

test('ffmpeg runs with bounds on memory and processor time', async () => {
  const controller = new AbortController();
  const refused = decoding(await manyHours(), () => {}, controller.signal).catch((thrown: unknown) => thrown);
  await expect.poll(() => ingest.spoolBytes()).toBeGreaterThan(1_000_000);
  const [pid] = await runningFfmpegs();
  const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
  expect(limits).toMatch(/Max address space +2147483648 +2147483648/);
  expect(limits).toMatch(/Max cpu time +300 +300/);
  expect(limits).toMatch(/Max core file size +0 +0/);
  expect(limits).toMatch(/Max file size +461848576 +461848576/); // four hours, and a little
  controller.abort(new Error('enough'));
  await refused;
});

test('an ffmpeg that is killed from outside is no short recording', async () => {
  const refused = refusal(await manyHours());
  await expect.poll(() => ingest.spoolBytes()).toBeGreaterThan(1_000_000);
  for (const pid of await runningFfmpegs()) process.kill(pid, 'SIGSEGV');
  expect((await refused).code).toBe('audio-undecodable');
});

test('only so many decode at a time, and only so many wait', async () => {
  await open({ DECODES_MAX: 1, DECODES_WAITING_MAX: 1 });
  const path = await manyHours();
  const recordings = await Promise.all([1, 2, 3].map(() => ingest.receive(createReadStream(path), never)));
  const controllers = recordings.map(() => new AbortController());
  const decodings = recordings.map((recording, at) =>
    decode(recording, MIXED, (controllers[at] as AbortController).signal).catch((thrown: unknown) => thrown),
  );
  const refused = await Promise.race(decodings);
  expect((refused as GatewayError).code).toBe('queue-full');
  await expect.poll(runningFfmpegs).toHaveLength(1);
  for (const controller of controllers) controller.abort(new Error('enough'));
  await Promise.all(decodings);
  await Promise.all(recordings.map((recording) => recording.release()));
});

test('no room for what ffmpeg writes is disk-full', async () => {
  const full = await write('ffmpeg-to-a-full-disk', '#!/bin/sh\nexec ffmpeg "$@" > /dev/full\n');
  await chmod(full, 0o700);
  await open({ FFMPEG_BIN: full });
  expect((await refusal(await make('any.flac', ...TONE))).code).toBe('disk-full');
});

test.for([
  ['a quota', 'Error closing file pipe:1: Disk quota exceeded', 'disk-full'],
  ['a disk that fails', 'av_interleaved_write_frame(): Input/output error', 'internal'],
  ['a disk that fails at the end', 'Error writing trailer of pipe:1: Input/output error', 'internal'],
])('what was not written to its end for %s is no short recording', async ([, words, code]) => {
  const failing = await write(
    'ffmpeg-that-cannot-write',
    `#!/bin/sh\nffmpeg "$@"\necho "[error] ${words}" >&2\nexit 1\n`,
  );
  await chmod(failing, 0o700);
  await open({ FFMPEG_BIN: failing });
  const path = await make('any.flac', ...TONE);
  const error = await decoding(path, () => assert.fail('it was decoded')).catch((thrown: unknown) => thrown);
  expect(toGatewayError(error).code).toBe(code);
});

test('what a recording says of itself is no failure', async () => {
  const title = 'title=[error] Error closing file pipe:1: No space left on device';
  await decoding(await make('titled.flac', ...TONE, '-metadata', title), (audio) => {
    expect(audio.durationMs).toBe(2000);
  });
});

test('ffmpeg ends with a gateway that is killed', async () => {
  const program = `
    import { openSync } from 'node:fs';
    import { runFfmpeg, samplesOutput } from ${JSON.stringify(join(import.meta.dirname, 'ffmpeg.ts'))};
    const limits = { program: 'ffmpeg', cpuSeconds: 60, memoryBytes: 2 * 1024 ** 3, fileBytes: 1024 ** 3 };
    const task = { path: ${JSON.stringify(await manyHours())}, demuxer: 'flac', output: samplesOutput({ channel: null }) };
    runFfmpeg(task, limits, () => {}, openSync('/dev/null', 'w'));
    setTimeout(() => console.log('decoding'), 200);`;
  const gateway = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(gateway.stdout, 'data');
  const decoding = async () => (await run('ps', ['-A', '-o', 'args='])).stdout.includes(await manyHours());
  expect(await decoding()).toBe(true);
  gateway.kill('SIGKILL');
  await expect.poll(decoding).toBe(false);
});

test('samples are written in large pieces, not packet by packet', async () => {
  const path = await make('minute.ogg', '-f', 'lavfi', '-i', 'sine=duration=60', '-c:a', 'libopus');
  const unlimited = { program: 'ffmpeg', cpuSeconds: 60, memoryBytes: 2 * 1024 ** 3, fileBytes: 1024 ** 3 };
  const { output, gone } = runFfmpeg(
    { path, demuxer: 'ogg', output: samplesOutput({ channel: null }) },
    unlimited,
    () => {},
  );
  const sizes: number[] = [];
  for await (const piece of output) sizes.push(piece.length);
  expect(await gone).toBe(0);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  expect(bytes).toBeGreaterThan(1_900_000);
  expect(bytes / sizes.length).toBeGreaterThan(8000); // a packet has 640 bytes
});

test('a missing ffmpeg is said with the command that brings it', async () => {
  await open({ FFMPEG_BIN: 'ffmpeg-that-is-not-there' });
  const error = await refusal(await make('any.mp3', ...TONE));
  expect(error.code).toBe('setup-incomplete');
  expect(error.message).toContain('apt-get install ffmpeg');
});

test('what a crash left in the spool is gone after a start', async () => {
  await writeFile(join(spool, 'left-over'), 'audio');
  await open();
  expect(await readdir(spool)).toEqual([]);
});

/** Takes ffmpeg long enough to be caught at it: four hours that say so, just within the limit. */
async function manyHours(): Promise<string> {
  const path = join(directory, 'many-hours.flac');
  const exists = await stat(path).catch(() => undefined);
  if (exists) return path;
  return make('many-hours.flac', '-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', '14000', '-c:a', 'flac');
}

/** Rewrites the movie's data reference, which said "in this file", into an alias to `target`, and removes its own samples. */
function pointElsewhere(movie: Buffer, target: string): Buffer {
  const entry = Buffer.from('url \0\0\0\x01', 'latin1');
  const at = movie.indexOf(entry) - 4;
  assert(at > 0 && movie.readUInt32BE(at) === 12);
  const path = Buffer.from(target);
  const alias = Buffer.alloc(8 + 4 + 150 + 4 + path.length + (path.length % 2) + 4);
  alias.writeUInt32BE(alias.length, 0);
  alias.write('alis', 4);
  alias.writeInt16BE(2, 162); // an absolute path follows
  alias.writeInt16BE(path.length, 164);
  path.copy(alias, 166);
  alias.writeInt16BE(-1, 166 + path.length + (path.length % 2));
  const pointing = Buffer.concat([movie.subarray(0, at), alias, movie.subarray(at + 12)]);
  // The index lies behind the samples, so only the boxes around the reference change their size.
  for (const box of ['moov', 'trak', 'mdia', 'minf', 'dinf', 'dref']) {
    const offset = pointing.lastIndexOf(box, at) - 4;
    pointing.writeUInt32BE(pointing.readUInt32BE(offset) + alias.length - 12, offset);
  }
  return pointing.fill(0, movie.indexOf('mdat') + 4, movie.indexOf('moov') - 4);
}

async function countChannels(path: string, raw: AudioSelection['raw'] = null): Promise<number> {
  const recording = await ingest.receive(createReadStream(path), never);
  return ingest.countChannels(recording, { raw }, never).finally(() => recording.release());
}

const LEFT_TONE_RIGHT_SILENCE = [
  ...['-f', 'lavfi', '-i', 'sine=frequency=440:duration=2', '-f', 'lavfi', '-i', 'anullsrc=r=44100:cl=mono'],
  ...['-filter_complex', '[0:a][1:a]join=inputs=2:channel_layout=stereo', '-t', '2'],
];

test.for([
  ['stereo.wav', []],
  ['stereo.flac', []],
  ['stereo.mp3', []],
  ['stereo.webm', ['-c:a', 'libopus']],
] as const)('each channel of %s is decoded by itself', async ([name, codec]) => {
  const path = await make(name, ...LEFT_TONE_RIGHT_SILENCE, ...codec);
  expect(await countChannels(path)).toBe(2);
  const loudness = (channel: number | null) =>
    decoding(path, (_audio, samples) => peakOf(samples), never, { channel, raw: null });
  expect(await loudness(0)).toBeGreaterThan(2000);
  expect(await loudness(1)).toBeLessThan(200);
  expect(await loudness(null)).toBeGreaterThan(1000);
});

test('channels are counted whatever their layout', async () => {
  const many = (count: number) =>
    make(`${count}.wav`, '-f', 'lavfi', '-i', `aevalsrc=${Array(count).fill('sin(440*2*PI*t)').join('|')}:d=1`);
  expect(await countChannels(await make('mono.mp3', ...TONE))).toBe(1);
  expect(await countChannels(await make('engine.wav', ...TONE, '-ac', '1', '-ar', '16000'))).toBe(1);
  expect(await countChannels(await many(6))).toBe(6);
  expect(await countChannels(await many(20))).toBe(20);
  await expect(many(24).then((path) => countChannels(path))).rejects.toMatchObject({ code: 'audio-undecodable' });
});

test.for([
  ['garbage behind a header', Buffer.concat([Buffer.from('fLaC'), Buffer.alloc(1000, 7)]), 'audio-undecodable'],
  ['no audio at all', Buffer.from('{"url":"http://a/"}'), 'audio-unrecognised'],
] as const)('channels cannot be counted of %s', async ([, content, code]) => {
  await expect(write('broken', content).then((path) => countChannels(path))).rejects.toMatchObject({ code });
});

const raw = (encoding: RawFormat['encoding'], sampleRate: number, channels = 1): RawFormat => ({
  encoding,
  sampleRate,
  channels,
});

test.for<[RawFormat, string[]]>([
  [raw('linear16', 8000), ['-f', 's16le', '-ar', '8000', '-ac', '1']],
  [raw('linear16', 44_100, 2), ['-f', 's16le', '-ar', '44100', '-ac', '2']],
  [raw('linear32', 16_000), ['-f', 'f32le', '-ar', '16000', '-ac', '1']],
  [raw('mulaw', 8000), ['-f', 'mulaw', '-ar', '8000', '-ac', '1']],
  [raw('alaw', 8000, 2), ['-f', 'alaw', '-ar', '8000', '-ac', '2']],
])('audio without a header is read as described: %j', async ([format, encoder]) => {
  const path = await make('headerless', ...TONE, ...encoder);
  expect(await countChannels(path, format)).toBe(format.channels);
  const selection = { channel: null, raw: format };
  await decoding(
    path,
    (audio, samples) => {
      expect(audio.durationMs).toBeCloseTo(2000, -2);
      expect(peakOf(samples)).toBeGreaterThan(2000);
    },
    never,
    selection,
  );
});

test('a header that is there is believed more than the description', async () => {
  const path = await make('headed.wav', ...TONE, '-ar', '44100');
  const selection = { channel: null, raw: raw('mulaw', 8000) };
  await decoding(path, (audio) => expect(audio.durationMs).toBeCloseTo(2000, -2), never, selection);
});

function peakOf(samples: Buffer): number {
  let peak = 0;
  for (let at = 0; at + 1 < samples.length; at += 2) peak = Math.max(peak, Math.abs(samples.readInt16LE(at)));
  return peak;
}
