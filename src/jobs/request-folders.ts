// Owns what is on disk of requests that are answered later: one folder for each, with `request.json` and, unless the audio is
// fetched, `recording`; then `runs.json`, and `failure.json` where nothing more can be done. Every change is on disk when its
// call resolves, and a crash leaves the state before it or after it. Decides nothing.
import { copyFile, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import type { Log } from '../lib/log.ts';
import type { Recording } from '../transcript/recording.ts';

const keptRequest = z.object({
  id: z.string(),
  dialect: z.string(),
  callback: z.object({ url: z.string(), method: z.enum(['POST', 'PUT']) }),
  /** Whatever the dialect needs to answer. */
  request: z.unknown(),
  source: z.union([z.object({ url: z.string() }), z.object({ sha256: z.string(), bytes: z.number() })]),
  acceptedAtMs: z.number(),
});
export type KeptRequest = z.infer<typeof keptRequest>;

const runs = z.object({
  /** Ended for a reason that may pass. */
  failed: z.number(),
  /** Ended with the process. The one that is under way counts as such until it has ended. */
  crashed: z.number(),
});
export type Runs = z.infer<typeof runs>;

const failure = z.object({ reason: z.string(), failedAtMs: z.number() });
export type Failure = z.infer<typeof failure>;

export interface RequestFolder {
  request: KeptRequest;
  runs: Runs;
  failure: Failure | undefined;
}

/** Of a folder that is being filled or deleted: half a request is never taken for one. Also of a file that is being written. */
const PART = '.part';
const REQUEST = 'request.json';
const RECORDING = 'recording';
const RUNS = 'runs.json';
const FAILURE = 'failure.json';

export class RequestFolders {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Everything that is kept; what half exists is removed. */
  async list(log: Log): Promise<RequestFolder[]> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const folders: RequestFolder[] = [];
    for (const name of await readdir(this.#directory)) {
      try {
        if (name.endsWith(PART)) await rm(join(this.#directory, name), { recursive: true });
        else folders.push(await this.#read(name));
      } catch (error) {
        log.error({ err: error, request: name }, 'a kept request cannot be read, and is left where it is');
      }
    }
    return folders;
  }

  async keep(request: KeptRequest, recording: Recording | undefined): Promise<void> {
    const part = this.#path(`${request.id}${PART}`);
    try {
      await mkdir(part, { mode: 0o700 });
      if (recording) {
        await move(recording.path, join(part, RECORDING));
        await sync(join(part, RECORDING));
      }
      await write(join(part, REQUEST), request);
      await rename(part, this.#path(request.id));
      await sync(this.#directory);
    } catch (error) {
      await rm(part, { recursive: true, force: true });
      throw diskError(error);
    }
  }

  async noteRuns(id: string, noted: Runs): Promise<void> {
    await write(this.#path(id, RUNS), noted);
  }

  async noteFailure(id: string, noted: Failure): Promise<void> {
    await write(this.#path(id, FAILURE), noted);
  }

  async remove(id: string): Promise<void> {
    const part = this.#path(`${id}${PART}`);
    await rename(this.#path(id), part);
    await rm(part, { recursive: true });
  }

  recordingPath(id: string): string {
    return this.#path(id, RECORDING);
  }

  async #read(id: string): Promise<RequestFolder> {
    const text = await readFile(this.#path(id, REQUEST), 'utf8');
    const [noted, failed] = await Promise.all([readNote(this.#path(id, RUNS)), readNote(this.#path(id, FAILURE))]);
    return {
      request: keptRequest.parse(JSON.parse(text)),
      runs: runs.parse(noted ?? { failed: 0, crashed: 0 }),
      failure: failure.optional().parse(failed),
    };
  }

  #path(id: string, ...name: string[]): string {
    return join(this.#directory, id, ...name);
  }
}

async function readNote(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function write(path: string, content: object): Promise<void> {
  const part = `${path}${PART}`;
  try {
    const file = await open(part, 'w', 0o600);
    await file
      .writeFile(JSON.stringify(content))
      .then(() => file.sync())
      .finally(() => file.close());
    await rename(part, path);
    await sync(join(path, '..'));
  } catch (error) {
    throw diskError(error);
  }
}

/** The spool may be a file system of its own. */
async function move(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EXDEV') throw error;
    return copyFile(from, to);
  });
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}

/** A full disk is no bug, and may pass. */
function diskError(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') return error;
  return new GatewayError('disk-full', 'The server has no disk space left for requests with a callback.', {
    cause: error,
  });
}
