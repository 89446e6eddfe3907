import { expect, test } from 'vitest';
import type { Transcript } from '../../transcript/transcript.ts';
import { FakeTranscriber, listingOf } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { writeResult } from './result.ts';

const transcript = jfk as Transcript;
const details = { requestId: 'job-1', sha256: 'digest', createdAtMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678) };
const { models, listings } = new FakeTranscriber(transcript);

test('is punctuated, has utterances, and says whose it is and which model it is of', async () => {
  listings.push(listingOf('default', 'base'), listingOf('base'), listingOf(transcript.model));
  const { contentType, body } = await writeResult(transcript, details, models);
  expect(contentType).toBe('application/json');
  const uuid = listingOf(transcript.model).uuid;
  expect(JSON.parse(body)).toMatchObject({
    metadata: {
      ...{ request_id: 'job-1', sha256: 'digest', created: '2026-01-02T03:04:05.678Z', duration: 11, channels: 1 },
      models: [uuid],
    },
    results: {
      channels: [{ alternatives: [{ transcript: expect.stringMatching(/^And so, my fellow Americans, /) }] }],
      utterances: [{ transcript: expect.stringMatching(/^And so, /), channel: 0 }, {}],
    },
  });
  expect(JSON.parse(body).metadata).not.toHaveProperty('warnings');
});

test('of a model whose file is gone is written all the same', async () => {
  const { body } = await writeResult({ ...transcript, model: 'mine' }, details, models);
  expect(JSON.parse(body).metadata.models).toEqual([listingOf('base').uuid]);
});
