// Finds every process that a gateway under test has started, however deep and whoever inherited it, by the mark that
// start-up leaves in its environment and in the folder names on its command line.
import { readdir, readFile } from 'node:fs/promises';

/** Without /proc nobody can be found, so the cases that look for processes are skipped elsewhere. */
export const processesAreVisible = process.platform === 'linux';

export interface SeenProcess {
  pid: number;
  command: string;
}

export async function processesMarked(mark: string): Promise<SeenProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const seen = await Promise.all(
    pids.map(async (pid) => {
      // A process that ended meanwhile, or a zombie, has neither: it holds no device and no memory.
      const [environment, command] = await Promise.all(
        ['environ', 'cmdline'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')),
      );
      const isMarked = environment?.includes(mark) || command?.includes(mark);
      return isMarked ? [{ pid, command: (command ?? '').replaceAll('\0', ' ').trim() }] : [];
    }),
  );
  return seen.flat().filter(({ pid }) => pid !== process.pid);
}

/** An engine is told its model's file; nothing else that a gateway starts is. */
export function isEngine({ command }: SeenProcess): boolean {
  return /\s-m\s\S*ggml-\S+/.test(command);
}
