// Owns an upload from its first byte to its samples on disk: the spool, the hash, the decoding. Does not parse requests
// (dialects hand in a stream of the file's bytes), and does not know what is done with the samples.
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { createUrlGuard } from '../lib/safe-url.ts';
import type { Recording } from '../transcript/recording.ts';
import { Decoder } from './decode.ts';
import { createFetchUrl, type FetchUrl } from './fetch-url.ts';
import type { IngestSettings } from './settings.ts';
import { openSpool } from './spool.ts';

export interface IngestParts {
  settings: IngestSettings;
  /** For the spool alone: whatever lies in it is removed. */
  directory: string;
  log: Log;
  clock: Clock;
}

export interface Ingest {
  /** Streams an upload to the spool while hashing it. Destroys `upload` when that fails. */
  receive(upload: Readable, signal: AbortSignal): Promise<Recording>;
  /** The same of what a URL holds. */
  fetch: FetchUrl;
  /** The recording must not be released before what comes of it is: their samples may be the same bytes. */
  decode: Decoder['decode'];
  countChannels: Decoder['countChannels'];
  /** What uploads and decoded audio take on disk. */
  spoolBytes(): number;
  /** Ends what runs and removes every file. */
  close(): Promise<void>;
}

export async function createIngest({ settings, directory, log, clock }: IngestParts): Promise<Ingest> {
  const spool = await openSpool(directory, settings.SPOOL_BYTES_MAX);
  const decoder = new Decoder({ settings, spool, log, clock });
  const guard = createUrlGuard({ allowPrivate: settings.ALLOW_PRIVATE_URLS });
  const fetchUrl = createFetchUrl({ settings, guard, receive, clock });
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();

  function run<Result>(signal: AbortSignal, task: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const result = task(AbortSignal.any([signal, closing.signal]));
    const settled: Promise<unknown> = result.catch(() => {}).finally(() => running.delete(settled));
    running.add(settled);
    return result;
  }

  let arriving = 0;
  async function receiveInTime(upload: Readable, signal: AbortSignal): Promise<Recording> {
    if (arriving >= settings.UPLOADS_MAX) {
      upload.destroy();
      throw new GatewayError('queue-full', 'Too many uploads are arriving at the moment.', { retryAfterSeconds: 1 });
    }
    const late = new AbortController();
    const cancel = clock.after(settings.UPLOAD_SECONDS_MAX * 1000, () =>
      late.abort(
        new GatewayError('upload-stalled', `The upload did not arrive within ${settings.UPLOAD_SECONDS_MAX} seconds.`),
      ),
    );
    arriving += 1;
    try {
      return await receive(upload, AbortSignal.any([signal, late.signal]));
    } finally {
      arriving -= 1;
      cancel();
    }
  }

  async function receive(upload: Readable, signal: AbortSignal): Promise<Recording> {
    const hash = createHash('sha256');
    const inspect = (chunk: Buffer, bytes: number) => {
      if (bytes > settings.UPLOAD_BYTES_MAX) {
        throw new GatewayError('body-too-large', `The file is larger than ${settings.UPLOAD_BYTES_MAX} bytes.`);
      }
      hash.update(chunk);
    };
    const file = await spool.write(upload, inspect, signal);
    if (file.bytes === 0) {
      await file.release();
      throw new GatewayError('audio-too-short', 'The file is empty.');
    }
    return { ...file, sha256: hash.digest('hex') };
  }

  return {
    receive: (upload, signal) => run(signal, (either) => receiveInTime(upload, either)),
    fetch: (url, signal) => run(signal, (either) => fetchUrl(url, either)),
    decode: (recording, selection, signal) => run(signal, (either) => decoder.decode(recording, selection, either)),
    countChannels: (recording, selection, signal) =>
      run(signal, (either) => decoder.countChannels(recording, selection, either)),
    spoolBytes: spool.bytes,
    async close() {
      closing.abort(new GatewayError('shutting-down', 'The server is shutting down.'));
      await Promise.all(running);
      await spool.clear();
    },
  };
}
