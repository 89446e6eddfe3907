// Takes an upload into the spool while it is hashed. Owns the bounds on what arrives: how much, how long, how many at a time.
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Recording } from '../transcript/recording.ts';
import type { IngestSettings } from './settings.ts';
import type { Spool } from './spool.ts';

export interface ReceiverParts {
  settings: Pick<IngestSettings, 'UPLOAD_BYTES_MAX' | 'UPLOAD_SECONDS_MAX' | 'UPLOADS_MAX'>;
  spool: Spool;
  clock: Clock;
}

export class Receiver {
  readonly #parts: ReceiverParts;
  #arriving = 0;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  /** Counts `arrival` among those that arrive, or throws `queue-full` before it begins. */
  async admit<Result>(arrival: () => Promise<Result>): Promise<Result> {
    if (this.#arriving >= this.#parts.settings.UPLOADS_MAX) {
      throw new GatewayError('queue-full', 'Too many recordings are arriving at the moment.', { retryAfterSeconds: 1 });
    }
    this.#arriving += 1;
    try {
      return await arrival();
    } finally {
      this.#arriving -= 1;
    }
  }

  /** Gives the upload up when it takes too long. */
  async receiveInTime(upload: Readable, signal: AbortSignal, bytesExpected?: number): Promise<Recording> {
    const { settings, clock } = this.#parts;
    const late = new AbortController();
    const cancel = clock.after(settings.UPLOAD_SECONDS_MAX * 1000, () =>
      late.abort(
        new GatewayError('upload-stalled', `The upload did not arrive within ${settings.UPLOAD_SECONDS_MAX} seconds.`),
      ),
    );
    try {
      return await this.receive(upload, AbortSignal.any([signal, late.signal]), bytesExpected);
    } finally {
      cancel();
    }
  }

  /** Destroys `upload` when it fails. */
  async receive(upload: Readable, signal: AbortSignal, bytesExpected?: number): Promise<Recording> {
    const bytesMax = this.#parts.settings.UPLOAD_BYTES_MAX;
    const hash = createHash('sha256');
    const inspect = (chunk: Buffer, bytes: number) => {
      if (bytes > bytesMax) throw new GatewayError('body-too-large', `The file is larger than ${bytesMax} bytes.`);
      hash.update(chunk);
    };
    const file = await this.#parts.spool.take(upload, inspect, signal, bytesExpected);
    if (file.bytes === 0) {
      await file.release();
      throw new GatewayError('audio-too-short', 'The file is empty.');
    }
    return { ...file, sha256: hash.digest('hex') };
  }
}
