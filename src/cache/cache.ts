// Owns finished transcripts: the newest in memory, all within the bounds on disk. A transcript it takes or gives is frozen.
// Does not run anything (in-flight.ts shares runs) and does not decide when to look (the caller's Cache-Control does).
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Transcript } from '../transcript/transcript.ts';
import { Disk } from './disk.ts';
import { transcriptSchema } from './schema.ts';
import type { CacheSettings } from './settings.ts';

export interface CacheStatus {
  memory: { entries: number; bytes: number };
  /** Null when nothing is kept on disk. */
  disk: { entries: number; bytes: number } | null;
  hits: number;
  misses: number;
}

export interface Cache {
  /** Never rejects: whatever is wrong with the disk is a miss. */
  recall(key: string): Promise<Transcript | undefined>;
  /** Resolves when `recall` finds it in memory; the disk follows in the background. Freezes the transcript. */
  remember(key: string, transcript: Transcript): Promise<void>;
  status(): Promise<CacheStatus>;
  /** Writes what waits for the disk. */
  close(): Promise<void>;
}

export interface CacheOptions {
  settings: CacheSettings;
  /** Made when it is not there. */
  directory: string;
  log: Log;
  clock: Clock;
}

export async function openCache({ settings, directory, log, clock }: CacheOptions): Promise<Cache> {
  const ageMs = settings.CACHE_AGE_SECONDS * 1000;
  const memoryBytesMax = settings.CACHE ? settings.CACHE_MEMORY_BYTES : 0;
  const diskBytesMax = settings.CACHE ? settings.CACHE_DISK_BYTES : 0;
  const memory =
    memoryBytesMax > 0
      ? new LRUCache<string, Transcript>({
          maxSize: memoryBytesMax,
          ttl: ageMs,
          ttlResolution: 0,
          perf: { now: () => clock.nowMs() },
        })
      : undefined;
  const path = join(directory, 'transcripts.sqlite');
  const disk = diskBytesMax > 0 ? await Disk.open({ path, bytesMax: diskBytesMax, ageMs, log, clock }) : undefined;
  return new LayeredCache(memory, disk);
}

class LayeredCache implements Cache {
  readonly #memory: LRUCache<string, Transcript> | undefined;
  readonly #disk: Disk | undefined;
  #hits = 0;
  #misses = 0;

  constructor(memory: LRUCache<string, Transcript> | undefined, disk: Disk | undefined) {
    this.#memory = memory;
    this.#disk = disk;
  }

  async recall(key: string): Promise<Transcript | undefined> {
    const transcript = this.#memory?.get(key) ?? (await this.#recallFromDisk(key));
    if (transcript) this.#hits += 1;
    else this.#misses += 1;
    return transcript;
  }

  async remember(key: string, transcript: Transcript): Promise<void> {
    const text = JSON.stringify(transcript);
    this.#memory?.set(key, freezeDeeply(transcript), { size: Buffer.byteLength(text) });
    this.#disk?.write(key, text);
  }

  async status(): Promise<CacheStatus> {
    return {
      memory: { entries: this.#memory?.size ?? 0, bytes: this.#memory?.calculatedSize ?? 0 },
      disk: (await this.#disk?.size()) ?? null,
      hits: this.#hits,
      misses: this.#misses,
    };
  }

  async close(): Promise<void> {
    await this.#disk?.close();
  }

  async #recallFromDisk(key: string): Promise<Transcript | undefined> {
    const stored = await this.#disk?.read(key);
    if (!stored) return undefined;
    // While the disk was read, a newer transcript may have been remembered.
    const newer = this.#memory?.get(key);
    if (newer) return newer;
    const transcript = parse(stored.text);
    if (!transcript) {
      this.#disk?.delete(key);
      return undefined;
    }
    const size = Buffer.byteLength(stored.text);
    this.#memory?.set(key, transcript, { size, ttl: Math.max(1, stored.expiresAtMs - Date.now()) });
    return transcript;
  }
}

function parse(text: string): Transcript | undefined {
  try {
    return freezeDeeply(transcriptSchema.parse(JSON.parse(text)));
  } catch {
    return undefined;
  }
}

/** Callers share one object: what one of them changed, all others would be given. */
function freezeDeeply<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) freezeDeeply(part);
  return Object.freeze(value);
}
