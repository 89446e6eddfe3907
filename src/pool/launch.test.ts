import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Model } from '../models/model.ts';
import { describeLaunch, findEngine } from './launch.ts';
import type { Device } from './protocol.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'launch-'));
  for (const name of ['whisper-server', 'setpriv', 'other']) {
    await writeFile(join(directory, name), '', { mode: 0o755 });
  }
  await writeFile(join(directory, 'plain.txt'), '');
});
afterAll(() => rm(directory, { recursive: true }));

const cpu: Device = { id: 'cpu', kind: 'cpu', uuid: null, name: '', memoryTotalMb: 1, slots: 1, threads: 2 };
const cuda: Device = { ...cpu, id: 'cuda:0', kind: 'cuda', uuid: 'GPU-1', threads: 5 };
const launch = (device: Device, environment: NodeJS.ProcessEnv) =>
  describeLaunch({
    engine: '/engines/whisper-server',
    device,
    model: { path: '/models/ggml-tiny.bin' } as Model,
    port: 4_321,
    emptyDirectory: '/run/empty',
    environment,
  });

describe('arguments and environment', () => {
  test('on a GPU', () => {
    const found = launch(cuda, { PATH: '/nowhere', WHISPER_ARG_DEVICE: '3', CUDA_VISIBLE_DEVICES: '0,1', HOME: '/h' });
    expect(found.command).toBe('/engines/whisper-server');
    expect(found.arguments.join(' ')).toBe(
      `-m /models/ggml-tiny.bin --host 127.0.0.1 --port 4321 --request-path ${found.requestPath} --public /run/empty ` +
        '-t 5 -l auto -nlp -bs 5 -bo 5 -ml -1 -sns -pp -pr',
    );
    expect(found.environment).toEqual({
      PATH: '/nowhere',
      HOME: '/h',
      CUDA_VISIBLE_DEVICES: 'GPU-1',
      OMP_WAIT_POLICY: 'passive',
      GGML_NO_BACKTRACE: '1',
    });
  });

  test('on a CPU: no GPU is used, and none is seen', () => {
    const found = launch(cpu, { PATH: '' });
    expect(found.arguments.slice(-1)).toEqual(['-ng']);
    expect(found.environment.CUDA_VISIBLE_DEVICES).toBe('');
  });

  test('through setpriv where there is one', () => {
    const found = launch(cpu, { PATH: `/nowhere:${directory}` });
    expect(found.command).toBe(join(directory, 'setpriv'));
    expect(found.arguments.slice(0, 5)).toEqual(['--pdeathsig', 'KILL', '--', '/engines/whisper-server', '-m']);
  });

  test('trap: max_len 60 is switched off for the process', () => {
    const { arguments: all } = launch(cpu, {});
    expect(all[all.indexOf('-ml') + 1]).toBe('-1');
  });

  test('no two engines have the same request path', () => {
    expect(launch(cpu, {}).requestPath).not.toBe(launch(cpu, {}).requestPath);
    expect(launch(cpu, {}).requestPath).toMatch(/^\/b-[0-9a-f]{24}$/);
  });
});

describe('the engine program', () => {
  test('is WHISPER_SERVER_BIN, a path or a name on the PATH', () => {
    const path = join(directory, 'other');
    expect(findEngine({ WHISPER_SERVER_BIN: path }, {})).toBe(path);
    expect(findEngine({ WHISPER_SERVER_BIN: 'other' }, { PATH: directory })).toBe(path);
  });

  test('else whisper-server on the PATH, else the one that was built', async () => {
    const settings = { WHISPER_SERVER_BIN: undefined };
    expect(findEngine(settings, { PATH: directory })).toBe(join(directory, 'whisper-server'));
    const built = join(directory, 'build/whisper-server/whisper-server');
    await mkdir(dirname(built), { recursive: true });
    await writeFile(built, '', { mode: 0o755 });
    expect(findEngine(settings, { PATH: '/nowhere' }, directory)).toBe(built);
  });

  test('is never what cannot be run', () => {
    const failure = (wanted: string | undefined) => () =>
      findEngine({ WHISPER_SERVER_BIN: wanted }, { PATH: '/nowhere' }, '/nowhere');
    const setupIncomplete = (text: string) =>
      expect.objectContaining({ code: 'setup-incomplete', message: expect.stringContaining(text) });
    expect(failure(undefined)).toThrow(setupIncomplete('npm start'));
    expect(failure('./gone')).toThrow(setupIncomplete('./gone'));
    expect(failure(join(directory, 'plain.txt'))).toThrow(setupIncomplete('not a program that can be run'));
  });
});
