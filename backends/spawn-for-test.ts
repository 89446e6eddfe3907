// A child whose output a test can wait for.
import { type SpawnOptions, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export function spawnForTest(program: string, args: string[], options: Pick<SpawnOptions, 'cwd' | 'env'>) {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      lines.push(line);
      for (const look of waiting) look();
    });
  }
  const ended = new Promise<{ code: number | null; lines: string[] }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      for (const look of waiting) look();
      resolve({ code, lines });
    });
  });
  return {
    ended,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    /** Fails when it ended without saying so. */
    saying: (pattern: RegExp) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (lines.some((line) => pattern.test(line))) resolve();
          else if (child.exitCode !== null) reject(new Error(`it never said ${pattern}:\n${lines.join('\n')}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
  };
}
