// A PostgreSQL of the test's own, from the programs that Debian installs, in a folder of its own and without a port.
import { execFile, execFileSync } from 'node:child_process';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const INSTALLATIONS = '/usr/lib/postgresql';

/** The folder of the newest installation's programs. */
export async function findPostgres(): Promise<string | undefined> {
  const versions = await readdir(INSTALLATIONS).catch(() => []);
  const [newest] = versions.sort((one, other) => Number(other) - Number(one));
  return newest && join(INSTALLATIONS, newest, 'bin');
}

export interface Postgres {
  url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  run(statements: string): Promise<void>;
  /** Stops it and deletes its folder. */
  remove(): Promise<void>;
}

export async function createPostgres(programs: string): Promise<Postgres> {
  const directory = await mkdtemp(join(tmpdir(), 'postgres-'));
  const identity = await unprivileged();
  if (identity) await chown(directory, identity.uid, identity.gid);
  const data = join(directory, 'data');
  const call = (program: string, ...args: string[]) =>
    run(join(programs, program), args, { cwd: directory, ...identity });
  const stop = async () => {
    await call('pg_ctl', '-D', data, '-m', 'immediate', '-w', 'stop').catch(() => {}); // it may not be running
  };
  await call('initdb', '-D', data, '-U', 'whisper', '--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C');
  return {
    url: `postgresql://whisper@/postgres?host=${encodeURIComponent(directory)}`,
    async start() {
      const options = `-c listen_addresses= -c unix_socket_directories=${directory} -c fsync=off`;
      await call('pg_ctl', '-D', data, '-w', '-l', join(directory, 'log'), '-o', options, 'start');
    },
    stop,
    async run(statements) {
      await call('psql', '-h', directory, '-U', 'whisper', '-d', 'postgres', '-v', 'ON_ERROR_STOP=1', '-c', statements);
    },
    async remove() {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** It refuses to run as root. */
async function unprivileged(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: idOf('-u'), gid: idOf('-g') };
}
