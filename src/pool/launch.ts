// How an engine is started: which program, with which arguments and environment. Reads the file system, starts nothing.
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { findProgram } from '../../backends/command.mjs';
import { locateEngine } from '../../backends/whisper-server/locate.mjs';
import { GatewayError } from '../errors.ts';
import type { Model } from '../models/model.ts';
import type { Device } from './protocol.ts';
import type { PoolSettings } from './settings.ts';

const ROOT = resolve(import.meta.dirname, '../..');

export interface Launch {
  command: string;
  arguments: string[];
  environment: NodeJS.ProcessEnv;
  port: number;
  /** Random, so that an answer from another server on this port cannot be taken for ours, and so that a leftover is known. */
  requestPath: string;
}

/** The engine program, by the same rule as set-up. Throws `setup-incomplete` when there is none. */
export function findEngine(
  settings: Pick<PoolSettings, 'WHISPER_SERVER_BIN'>,
  environment: NodeJS.ProcessEnv,
  root = ROOT,
): string {
  const wanted = settings.WHISPER_SERVER_BIN;
  const found = locateEngine(root, { PATH: environment.PATH, WHISPER_SERVER_BIN: wanted });
  if (found) return found.path;
  throw new GatewayError(
    'setup-incomplete',
    wanted === undefined
      ? 'There is no whisper-server yet: run `npm start`, which builds it, or set WHISPER_SERVER_BIN.'
      : `WHISPER_SERVER_BIN is ${wanted}, which is not a program that can be run.`,
  );
}

/** Distinguishes one build of the engine from another without reading it. */
export function identifyEngine(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `${path} ${size} ${mtimeMs}`;
}

export function describeLaunch(of: {
  engine: string;
  device: Device;
  model: Model;
  port: number;
  emptyDirectory: string;
  environment: NodeJS.ProcessEnv;
}): Launch {
  const requestPath = `/b-${randomBytes(12).toString('hex')}`;
  const engineArguments = [
    ...['-m', resolve(of.model.path), '--host', '127.0.0.1', '--port', String(of.port), '--request-path', requestPath],
    // Otherwise it serves files from where it was built.
    ...['--public', of.emptyDirectory],
    // -ml -1: the default of 0 means lines of 60 characters, cut inside words. -nlp: spares a second pass of the encoder.
    ...['-t', String(of.device.threads), '-l', 'auto', '-nlp'],
    ...['-bs', '5', '-bo', '5', '-ml', '-1', '-sns', '-pp', '-pr'],
    ...(of.device.kind === 'cpu' ? ['-ng'] : []),
  ];
  // The kernel ends the engine when we die, however we die. It keeps the process id: setpriv becomes the engine.
  const setpriv = findProgram('setpriv', of.environment);
  return {
    command: setpriv ?? of.engine,
    arguments: setpriv ? ['--pdeathsig', 'KILL', '--', of.engine, ...engineArguments] : engineArguments,
    environment: engineEnvironment(of.environment, of.device),
    port: of.port,
    requestPath,
  };
}

function engineEnvironment(environment: NodeJS.ProcessEnv, device: Device): NodeJS.ProcessEnv {
  const { WHISPER_ARG_DEVICE: _overridesTheDevice, ...kept } = environment;
  return {
    ...kept,
    CUDA_VISIBLE_DEVICES: device.uuid ?? '',
    // Waiting threads sleep: two engines that share cores take 4 s where spinning takes 24 s.
    OMP_WAIT_POLICY: 'passive',
    // A failed assertion would start a debugger.
    GGML_NO_BACKTRACE: '1',
  };
}
