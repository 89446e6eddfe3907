import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lineSplitter, type OutputEvent, readStderrLine, readStdoutLine } from './engine-output.ts';

const eventsOf = (file: string, read: (line: string) => OutputEvent | null) =>
  readFileSync(join(import.meta.dirname, 'fixtures', file), 'utf8')
    .split('\n')
    .flatMap((line) => read(line) ?? []);

test('a recorded stdout gives each request and its segments', () => {
  const events = eventsOf('cpu-engine.stdout.txt', readStdoutLine);
  expect(events.slice(0, 2)).toEqual([
    { type: 'request-begun', name: 'jfk.wav' },
    {
      type: 'segment-draft',
      startMs: 0,
      endMs: 10_600,
      text: ' And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.',
    },
  ]);
  expect(events.filter((event) => event.type === 'segment-draft')).toHaveLength(6);
});

test('a recorded stderr gives the backend, each audio and its progress', () => {
  const events = eventsOf('cpu-engine.stderr.txt', readStderrLine);
  expect(events.slice(0, 4)).toEqual([
    { type: 'backend-chosen', backend: 'cpu' },
    { type: 'audio-begun', name: 'jfk.wav' },
    { type: 'language-detected', language: 'en', probability: 0.98082 },
    { type: 'progress', fraction: 1 },
  ]);
});

// From the engine's source: no GPU was at hand to record them.
test.each<[string, OutputEvent]>([
  ['whisper_backend_init_gpu: using CUDA0 backend', { type: 'backend-chosen', backend: 'cuda' }],
  ['whisper_backend_init_gpu: no GPU found', { type: 'backend-chosen', backend: 'cpu' }],
  ['whisper_backend_init_gpu: failed to initialize CUDA0 backend', { type: 'backend-chosen', backend: 'cpu' }],
  [
    'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 1549.00 MiB on device 0: cudaMalloc failed: out of memory',
    { type: 'memory-short' },
  ],
  ['CUDA error: out of memory', { type: 'engine-broken', line: 'CUDA error: out of memory' }],
  [
    'whisper_full_with_state: whisper_kv_cache_init() failed for self-attention cache',
    {
      type: 'engine-broken',
      line: 'whisper_full_with_state: whisper_kv_cache_init() failed for self-attention cache',
    },
  ],
  ['whisper_print_progress_callback: progress =  35%', { type: 'progress', fraction: 0.35 }],
])('%s', (line, event) => {
  expect(readStderrLine(line)).toEqual(event);
});

test('a segment after the first hour, and one without text', () => {
  expect(readStdoutLine('[01:02:03.004 --> 01:02:05.600]   Yes.')).toEqual({
    type: 'segment-draft',
    startMs: 3_723_004,
    endMs: 3_725_600,
    text: ' Yes.',
  });
  expect(readStdoutLine('[00:00:00.000 --> 00:00:01.000]  ')).toEqual(expect.objectContaining({ text: '' }));
});

test('other lines are nothing', () => {
  expect(readStdoutLine('Successfully loaded jfk.wav')).toBeNull();
  expect(readStderrLine('whisper_model_load: loading model')).toBeNull();
});

test('lines are put together across reads, and a line without end takes no more memory', () => {
  const lines: string[] = [];
  const split = lineSplitter((line) => lines.push(line));
  split('one\ntw');
  split('o\n');
  for (let i = 0; i < 100; i += 1) split('x'.repeat(1_000));
  split('\nthree\n');
  expect(lines).toHaveLength(4);
  expect(lines[1]).toBe('two');
  expect(lines[2]?.length).toBe(8_192);
  expect(lines[3]).toBe('three');
});
