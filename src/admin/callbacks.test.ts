import { expect, test } from 'vitest';
import { describeCallbacks } from './callbacks.ts';

const failure = (id: string, failedAtMs: number) => ({
  ...{ id, url: 'https://example.com/hook', attempts: 11, reason: 'The receiver answered 410 Gone.' },
  ...{ createdAtMs: 0, failedAtMs },
});

test('both stages are one account, the latest failure first', () => {
  const status = describeCallbacks(
    { pending: 3, running: 2, failed: 1, failures: [failure('b', 2000)] },
    { pending: 4, delivering: 1, failed: 2, failures: [failure('c', 3000), failure('a', 1000)] },
  );
  expect(status).toMatchObject({ pending: 7, transcribing: 2, delivering: 1, failed: 3 });
  expect(status.failures.map(({ id, stage }) => [id, stage])).toEqual([
    ['c', 'delivery'],
    ['b', 'transcription'],
    ['a', 'delivery'],
  ]);
  expect(status.failures[0]).toEqual({
    id: 'c',
    stage: 'delivery',
    url: 'https://example.com/hook',
    attempts: 11,
    error: 'The receiver answered 410 Gone.',
    accepted_at: '1970-01-01T00:00:00.000Z',
    failed_at: '1970-01-01T00:00:03.000Z',
  });
});
