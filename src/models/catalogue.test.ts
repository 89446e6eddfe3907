import { describe, expect, it } from 'vitest';
import data from './catalogue.json' with { type: 'json' };
import { ALIASES, CATALOGUE, DEFAULTS, meaningOf } from './catalogue.ts';

describe('the catalogue', () => {
  it('names only models it holds', () => {
    const names = [...DEFAULTS.gpu, ...DEFAULTS.cpu, ...data.tests, ...ALIASES.values()];
    expect(names.filter((name) => name !== 'default' && !CATALOGUE.has(name))).toEqual([]);
  });

  it('offers only models for every language as defaults, down to one that tests deliver', () => {
    for (const names of Object.values(DEFAULTS)) {
      expect(names.filter((name) => !CATALOGUE.get(name)?.multilingual)).toEqual([]);
      expect(names).toContain('tiny-q5_1');
    }
  });

  it('knows a checksum of every file and its first source by name', () => {
    for (const [name, entry] of CATALOGUE) {
      expect(entry.sha256 ?? entry.sha1, name).toBeDefined();
      expect(entry.sources[0], name).toMatchObject({ url: expect.stringMatching(/^https:\/\/huggingface\.co\//) });
      if (name.includes('.en')) expect(entry, name).toMatchObject({ multilingual: false, translates: false });
      if (name.startsWith('distil-')) expect(entry, name).toMatchObject({ multilingual: false, translates: false });
      // Weights, the 400 MB of the CUDA context, and some buffers.
      if (entry.bytes) expect(entry.memoryMb, name).toBeGreaterThan(entry.bytes / 1e6 + 400);
    }
  });

  it('keeps what was verified', () => {
    expect(CATALOGUE.get('tiny-q5_1')).toMatchObject({
      bytes: 32_152_673,
      sha256: '818710568da3ca15689e31a743197b520007872ff9576237bda97bd1b469c3d7',
    });
    expect(CATALOGUE.get('large-v3')).toMatchObject({ rank: 4, memoryMb: 4542, translates: true });
    expect(CATALOGUE.get('large-v3-turbo')).toMatchObject({ translates: false, timestamps: true });
    expect(CATALOGUE.get('distil-large-v2')?.timestamps).toBe(false);
    expect(CATALOGUE.get('distil-large-v3')?.timestamps).toBe(true);
  });
});

describe('meaningOf', () => {
  it.each([
    ['base', 'base'],
    ['BASE.en', 'base.en'],
    [' base ', 'base'],
    ['whisper-1', null],
    ['openai/whisper-1', null],
    ['Whisper-1', null],
    ['gpt-4o-transcribe', null],
    ['gpt-4o-mini-transcribe-2025-12-15', null],
    ['gpt-4o-transcribe-2025-03-20', null],
    ['openai/whisper-1-2031-01-01', null],
    ['large-2025-03-20', 'large-2025-03-20'],
    ['gpt-4o-transcribe-2025-03', 'gpt-4o-transcribe-2025-03'],
    ['gpt-4o-transcribe-diarize', null],
    ['gpt-transcribe', null],
    ['default', null],
    ['large', 'large-v3'],
    ['turbo', 'large-v3-turbo'],
    ['whisper-large', 'large-v3'],
    ['whisper-large-v3-turbo', 'large-v3-turbo'],
    ['whisper-small.en', 'small.en'],
    ['openai/whisper-large-v2', 'large-v2'],
    ['Systran/faster-whisper-small', 'small'],
    ['Systran/faster-whisper-large-v3', 'large-v3'],
    ['Systran/faster-distil-whisper-large-v3', 'distil-large-v3'],
    ['Systran/faster-distil-whisper-medium.en', 'distil-medium.en'],
    ['deepdml/faster-whisper-large-v3-turbo-ct2', 'large-v3-turbo'],
    ['mobiuslabsgmbh/faster-whisper-large-v3-turbo', 'large-v3-turbo'],
    ['distil-whisper/distil-large-v3', 'distil-large-v3'],
    ['distil-whisper/distil-large-v3-ggml', 'distil-large-v3'],
    ['distil-whisper-large-v3-en', 'distil-large-v3'],
    ['ggml-large-v3-turbo-q5_0', 'large-v3-turbo-q5_0'],
    ['ggml-base.en.bin', 'base.en'],
    ['/models/ggml-tiny.bin', 'tiny'],
    ['ggml-My-Model.bin', 'My-Model'],
    ['nova-3', 'nova-3'],
    ['', ''],
    ['constructor', 'constructor'],
  ])('%j is %s', (asked, meaning) => {
    expect(meaningOf(asked, () => false)).toBe(meaning);
  });

  it.each([
    ['whisper-mine', 'whisper-mine'],
    ['ggml-whisper-mine.bin', 'whisper-mine'],
    ['/models/ggml-whisper-mine.bin', 'whisper-mine'],
    ['mine', 'mine'],
    ['large', 'large'],
    ['whisper-large', 'large'],
    ['whisper-1', 'whisper-1'],
    ['whisper-1-2031-01-01', null],
    ['default', 'default'],
    [' spaced ', ' spaced '],
  ])("%j with files of such names is %j: a file's own name wins", (asked, meaning) => {
    const files = ['whisper-mine', 'large', 'whisper-1', 'default', ' spaced '];
    expect(meaningOf(asked, (name) => files.includes(name))).toBe(meaning);
  });
});
