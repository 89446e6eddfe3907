// One gateway per data directory: a second one would clear the first one's spool.
import { mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';

const HEARTBEAT_MS = 10_000;
/** A holder on another host (a container that shares the volume) is known by its heartbeat alone. */
const SILENCE_MS_MAX = 3 * HEARTBEAT_MS;

/** Takes the directory, creating it, or throws `setup-incomplete` naming the process that holds it. Returns the release. */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, 'gateway.pid');
  const owner = `${process.pid} ${await startedAt(process.pid)} ${hostname()}`;
  try {
    await writeFile(path, owner, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const holder = await livingHolder(path);
    if (holder) {
      throw new GatewayError(
        'setup-incomplete',
        `Another gateway (${holder}) is using ${directory}. Stop it, or set DATA_DIR to another folder.`,
      );
    }
    await writeFile(path, owner);
  }
  const heartbeat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), HEARTBEAT_MS);
  heartbeat.unref();
  return async () => {
    clearInterval(heartbeat);
    await rm(path, { force: true });
  };
}

async function livingHolder(path: string): Promise<string | null> {
  const [pid = '', started = '', host = hostname()] = (await readFile(path, 'utf8')).split(' ');
  if (host !== hostname()) {
    const { mtimeMs } = await stat(path);
    return Date.now() - mtimeMs < SILENCE_MS_MAX ? `on the host ${host}` : null;
  }
  // A process id alone proves nothing: after a crash it may belong to another program, and in a container to ourselves.
  if (Number(pid) === process.pid || !isAlive(Number(pid))) return null;
  return (await startedAt(Number(pid))) === started ? `process ${pid}` : null;
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Start time in clock ticks since boot (field 22 of /proc/<pid>/stat); empty where there is no /proc. */
async function startedAt(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field is the program's name in parentheses and may hold spaces.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
