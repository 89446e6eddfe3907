// What happens to a job, and to models → the records of event streams. They have no event names: the type is inside, so
// that one handler sees them all, and a record of type `error` is not taken for the connection's own.
import type { EventRecord } from '../../http/sse.ts';
import type { Job, JobEvent } from '../../jobs/job.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import type { ModelEvent } from '../dialect.ts';
import { writeJob, writeModelEvent } from './response.ts';
import type { JobRecord } from './schema.ts';

/** The id of a job's last record. A client that comes back with it has seen all there is. */
export const END = 'end';

/** A stream that ends without a last record is to be asked for again. */
export async function* jobRecords(
  events: AsyncIterable<JobEvent>,
  transcriptsOf: (job: Job) => Transcript[] | undefined,
): AsyncGenerator<EventRecord> {
  for await (const event of events) {
    if (event.type === 'progress') {
      const { percent, chunk, chunksTotal } = event;
      yield record(String(event.sequence), { type: 'progress', percent, chunk, chunks_total: chunksTotal });
    } else {
      yield endOf(event.job, transcriptsOf);
      return;
    }
  }
}

export async function* modelRecords(events: AsyncIterable<ModelEvent>): AsyncGenerator<EventRecord> {
  for await (const event of events) yield JSON.stringify(writeModelEvent(event));
}

/** What a client that lost its connection has seen; nothing it could be is taken for nothing. */
export function sequenceOf(lastEventId: string | undefined): number {
  const sequence = Number(lastEventId ?? 0);
  return Number.isSafeInteger(sequence) && sequence > 0 ? sequence : 0;
}

/** All who watch a job are told of its end by one event, at one moment, and an hour of words takes 70 ms to read and write. */
const ends = new WeakMap<Job, EventRecord>();

function endOf(job: Job, transcriptsOf: (job: Job) => Transcript[] | undefined): EventRecord {
  const end = ends.get(job) ?? record(END, describeEnd(job, transcriptsOf));
  ends.set(job, end);
  return end;
}

function describeEnd(job: Job, transcriptsOf: (job: Job) => Transcript[] | undefined): JobRecord {
  if (job.status === 'done') return { type: 'done', job: writeJob(job, transcriptsOf(job)) };
  return { type: 'error', message: job.error?.message ?? 'job cancelled' };
}

function record(id: string, content: JobRecord): EventRecord {
  return { id, data: JSON.stringify(content) };
}
