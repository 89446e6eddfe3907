import { expect, test } from 'vitest';
import type { TranscriptEvent } from '../../transcript/event.ts';
import { type Transcript, transcriptText } from '../../transcript/transcript.ts';
import { eventsOf } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import jfkTwice from './fixtures/jfk-twice.json' with { type: 'json' };
import { streamRecords } from './stream.ts';

const twice = jfkTwice as Transcript;
const final = (transcript: Transcript): TranscriptEvent => ({ type: 'transcript-final', transcript });
const draft = (text: string): TranscriptEvent => ({ type: 'segment-draft', startMs: 0, endMs: 0, text });
const drafts = (transcript: Transcript) => transcript.segments.map((segment) => draft(segment.text));
const withText = (...texts: string[]): Transcript => ({
  ...twice,
  segments: texts.map((text) => ({ ...(twice.segments[0] as Transcript['segments'][number]), text })),
});

async function collect(events: (TranscriptEvent | Error)[], { model = 'whisper-1', logprobs = false } = {}) {
  const records: string[] = [];
  const request = { logprobs, transcription: { model } } as Parameters<typeof streamRecords>[1];
  for await (const record of streamRecords(eventsOf(...events), request)) records.push(record);
  expect(records.at(-1)).toBe('[DONE]');
  const parsed = records.slice(0, -1).map((record) => JSON.parse(record));
  return { done: parsed.at(-1), deltas: parsed.slice(0, -1), joined: parsed.map(({ delta }) => delta ?? '').join('') };
}

test('each draft is a delta, and together they are the text', async () => {
  const { done, deltas, joined } = await collect([
    { type: 'progress', fraction: 0.5, chunk: 1, chunksTotal: 2 },
    ...drafts(twice),
    final(twice),
  ]);
  expect(deltas.map(({ type }) => type)).toEqual(['transcript.text.delta', 'transcript.text.delta']);
  expect(deltas[0].delta).toMatch(/^And so/);
  expect(joined).toBe(transcriptText(twice));
  expect(done).toEqual({
    type: 'transcript.text.done',
    text: transcriptText(twice),
    usage: {
      type: 'tokens',
      input_tokens: 250,
      input_token_details: { text_tokens: 0, audio_tokens: 250 },
      output_tokens: twice.segments.flatMap((segment) => segment.tokenIds).length,
      total_tokens: 250 + twice.segments.flatMap((segment) => segment.tokenIds).length,
    },
  });
});

test('a result without drafts is one delta', async () => {
  const { deltas, joined } = await collect([final(twice)]);
  expect(deltas).toHaveLength(1);
  expect(joined).toBe(transcriptText(twice));
});

test('what the drafts left out comes with the end', async () => {
  const { deltas, joined } = await collect([...drafts(twice).slice(0, 1), final(twice)]);
  expect(deltas).toHaveLength(2);
  expect(joined).toBe(transcriptText(twice));
});

test('space at the end of a draft waits for more text', async () => {
  const { deltas } = await collect([
    draft(' one '),
    draft(' '),
    draft('two\n'),
    final(withText(' one ', ' ', 'two\n')),
  ]);
  expect(deltas.map(({ delta }) => delta)).toEqual(['one', '  two']);
});

test('silence has no delta', async () => {
  const { done, deltas } = await collect([draft(' '), final({ ...twice, segments: [] })]);
  expect(deltas).toEqual([]);
  expect(done.text).toBe('');
});

test('drafts that the result takes back are an error, not a wrong text', async () => {
  await expect(collect([draft(' And so my felon'), final(jfk as Transcript)])).rejects.toMatchObject({
    code: 'engine-failed',
  });
});

test('a run without a result is an error', async () => {
  await expect(collect(drafts(twice))).rejects.toMatchObject({ code: 'engine-failed' });
});

test('a failure passes through', async () => {
  await expect(collect([draft(' a'), new Error('down')])).rejects.toThrow('down');
});

test('logprobs and languages come with the last record', async () => {
  const { done } = await collect([final(twice)], { model: 'gpt-transcribe', logprobs: true });
  expect(done.languages).toEqual([{ code: 'en' }]);
  expect(done.logprobs).toHaveLength(twice.segments.flatMap((segment) => segment.pieces).length);
});
