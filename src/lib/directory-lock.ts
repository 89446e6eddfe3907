// One gateway per data directory: a second one would clear the first one's spool.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';

/** Takes the directory, creating it, or throws `setup-incomplete` naming the process that holds it. Returns the release. */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, 'gateway.pid');
  const owner = `${process.pid} ${await startedAt(process.pid)}`;
  try {
    await writeFile(path, owner, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const [pid = '', started = ''] = (await readFile(path, 'utf8')).split(' ');
    // A process id alone proves nothing: after a crash it may belong to another program, and in a container to ourselves.
    if (Number(pid) !== process.pid && isAlive(Number(pid)) && (await startedAt(Number(pid))) === started) {
      throw new GatewayError(
        'setup-incomplete',
        `Another gateway (process ${pid}) is using ${directory}. Stop it, or set DATA_DIR to another folder.`,
      );
    }
    await writeFile(path, owner);
  }
  return () => rm(path, { force: true });
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
