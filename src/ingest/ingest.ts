// Owns an upload from its first byte to its samples on disk: the spool, the hash, the decoding. Does not parse requests
// (dialects hand in a stream of the file's bytes), and does not know what is done with the samples.
import type { Readable } from 'node:stream';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { createUrlGuard } from '../lib/safe-url.ts';
import { type AudioSelection, PCM_BYTES_PER_MS, type Recording, type SplitAudio } from '../transcript/recording.ts';
import { Decoder, type OpenAudio } from './decode.ts';
import { createFetchUrl, type FetchUrl } from './fetch-url.ts';
import { Receiver } from './receive.ts';
import type { IngestSettings } from './settings.ts';
import { splitIntoChunks } from './split.ts';
import { Spool } from './spool.ts';
import { VoiceActivity } from './voice-activity.ts';

export interface IngestParts {
  settings: IngestSettings;
  /** For the spool alone: whatever lies in it is removed. */
  directory: string;
  log: Log;
  clock: Clock;
}

export interface Ingest {
  /**
   * Streams an upload to the spool while hashing it. Destroys `upload` when that fails. It has no more than `bytesMax` bytes, where
   * anybody knows.
   */
  receive(upload: Readable, signal: AbortSignal, bytesMax?: number): Promise<Recording>;
  /** The same of what a URL holds. */
  fetch: FetchUrl;
  /** Begins to decode. The recording must not be released before what comes of it is: their samples may be the same bytes. */
  open: Decoder['open'];
  /** The same, cut into chunks where nobody speaks. */
  split(recording: Recording, selection: AudioSelection, signal: AbortSignal): Promise<SplitAudio>;
  countChannels: Decoder['countChannels'];
  /** What uploads and decoded audio take. */
  spoolBytes(): number;
  /** Ends what runs and removes every file. */
  close(): Promise<void>;
}

export async function createIngest({ settings, directory, log, clock }: IngestParts): Promise<Ingest> {
  const spool = await Spool.open(directory, settings.SPOOL_BYTES_MAX);
  const decoder = new Decoder({ settings, spool, log, clock });
  const guard = createUrlGuard({ allowPrivate: settings.ALLOW_PRIVATE_URLS });
  const receiver = new Receiver({ settings, spool, clock });
  const receive = (body: Readable, signal: AbortSignal) => receiver.receive(body, signal);
  const fetchUrl = createFetchUrl({ settings, guard, receive, clock });
  const voiceActivity = new VoiceActivity({ log });
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();

  function run<Result>(signal: AbortSignal, task: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const result = task(AbortSignal.any([signal, closing.signal]));
    const settled: Promise<unknown> = result.catch(() => {}).finally(() => running.delete(settled));
    running.add(settled);
    return result;
  }

  /** Decoding goes on after it was begun, and is waited for when we close. */
  async function openTracked(recording: Recording, selection: AudioSelection, signal: AbortSignal): Promise<OpenAudio> {
    const audio = await decoder.open(recording, selection, signal);
    void run(signal, () => audio.byteLength).catch(() => {});
    return audio;
  }

  return {
    receive: (upload, signal, bytesMax) =>
      run(signal, (either) => receiver.admit(() => receiver.receiveInTime(upload, either, bytesMax))),
    fetch: (url, signal) => run(signal, (either) => receiver.admit(() => fetchUrl(url, either))),
    open: (recording, selection, signal) => run(signal, (either) => openTracked(recording, selection, either)),
    split: (recording, selection, signal) =>
      run(signal, async (either) => {
        const audio = await openTracked(recording, selection, either);
        return {
          chunks: splitIntoChunks(audio.file, voiceActivity, settings, either),
          durationMs: audio.byteLength.then((bytes) => bytes / PCM_BYTES_PER_MS),
          release: audio.release,
        };
      }),
    countChannels: (recording, selection, signal) =>
      run(signal, (either) => decoder.countChannels(recording, selection, either)),
    spoolBytes: () => spool.bytes,
    async close() {
      closing.abort(new GatewayError('shutting-down', 'The server is shutting down.'));
      await Promise.all(running);
      await voiceActivity.close();
      await spool.clear();
    },
  };
}
