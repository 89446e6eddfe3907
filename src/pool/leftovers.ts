// Notes of the engines that run, so that the next start can end those that outlived a killed gateway. Where `setpriv` is
// there is nothing to find: the kernel has ended them already.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Log } from '../lib/log.ts';

const NAME = /^engine-\d+\.json$/;
const GONE_POLL_MS = 20;
const GONE_POLLS_MAX = 100;

const noteSchema = z.object({
  processId: z.number().int().positive(),
  gatewayProcessId: z.number().int().positive(),
  /** Random and in the engine's arguments: a process of the same number that is another program does not have it. */
  requestPath: z.string().min(8),
});

/** Returns what removes the note. Synchronous: no engine may run unnoted, not even for a moment. */
export function noteEngine(directory: string, processId: number | undefined, requestPath: string): () => void {
  if (processId === undefined) return () => {};
  const path = join(directory, `engine-${processId}.json`);
  writeFileSync(path, JSON.stringify({ processId, gatewayProcessId: process.pid, requestPath }));
  return () => {
    try {
      rmSync(path, { force: true });
    } catch {
      // A note too many does no harm: the next start finds no such engine.
    }
  };
}

/** Kills the engines an earlier gateway left behind and waits until they are gone. Those of a living gateway stay. */
export async function reapLeftovers(directory: string, log: Log): Promise<void> {
  const names = (await readdir(directory)).filter((name) => NAME.test(name));
  await Promise.all(
    names.map(async (name) => {
      const path = join(directory, name);
      const note = await readNote(path);
      if (note && isEngine(note.processId, note.requestPath)) {
        // Still its child: that gateway lives.
        if (parentOf(note.processId) === note.gatewayProcessId) return;
        log.warn({ processId: note.processId }, 'ending an engine that an earlier run left behind');
        kill(note.processId);
        for (let i = 0; i < GONE_POLLS_MAX && isEngine(note.processId, note.requestPath); i += 1) {
          await sleep(GONE_POLL_MS);
        }
      }
      await rm(path, { force: true });
    }),
  );
}

/** Memory of a process, or null where the kernel does not tell. */
export function residentMb(processId: number): number | null {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readProcess(processId, 'status'))?.[1];
  return kilobytes === undefined ? null : Math.round(Number(kilobytes) / 1024);
}

async function readNote(path: string) {
  try {
    return noteSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null;
  }
}

function isEngine(processId: number, requestPath: string): boolean {
  return readProcess(processId, 'cmdline').split('\0').includes(requestPath);
}

function parentOf(processId: number): number | null {
  const parent = /^PPid:\s+(\d+)$/m.exec(readProcess(processId, 'status'))?.[1];
  return parent === undefined ? null : Number(parent);
}

function readProcess(processId: number, file: 'cmdline' | 'status'): string {
  const path = `/proc/${processId}/${file}`;
  try {
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  } catch {
    // It ended between the two calls.
    return '';
  }
}

function kill(processId: number): void {
  try {
    process.kill(processId, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
