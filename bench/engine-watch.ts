// Loaded into every stand-in engine before its own program: notes when it loads, runs and ends, a line each, in the file that
// ENGINE_WATCH names. Changes nothing of what the engine does.
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { basename } from 'node:path';

export interface EngineNote {
  /** `ready` is the end of its first inference, the gateway's own. */
  what: 'begin' | 'ready' | 'run' | 'ran' | 'stop' | 'end';
  /** Of this machine's clock, in ms. */
  at: number;
  engine: number;
  device: string;
  model: string;
}

const path = process.env.ENGINE_WATCH ?? '';
const model = basename(process.argv[process.argv.indexOf('-m') + 1] ?? '', '.bin').replace('ggml-', '');
const device = process.env.CUDA_VISIBLE_DEVICES ?? '';
let runs = 0;

function note(what: EngineNote['what'], at = performance.timeOrigin + performance.now()): void {
  const line: EngineNote = { what, at, engine: process.pid, device, model };
  appendFileSync(path, `${JSON.stringify(line)}\n`);
}

const isInference = (message: unknown) =>
  (message as { request: IncomingMessage }).request.url?.endsWith('/inference') ?? false;
note('begin', performance.timeOrigin);
subscribe('http.server.request.start', (message) => {
  if (isInference(message)) note('run');
});
subscribe('http.server.response.finish', (message) => {
  if (!isInference(message)) return;
  note('ran');
  runs += 1;
  if (runs === 1) note('ready');
});
process.prependListener('SIGTERM', () => note('stop'));
process.on('exit', () => note('end'));
