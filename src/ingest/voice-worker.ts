// A program, not a part: what a thread of voice-thread.ts runs, so that hearing for minutes keeps no request waiting. Once it has
// loaded the model, or has not, it answers each question in the order they came.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { type Heard, Hearing } from './hearing.ts';
import { Silero } from './silero/silero.ts';
import type { Question, Ready } from './voice-thread.ts';

assert(parentPort);
const port = parentPort;
const recordings = new Map<number, Hearing>();
let silero: Silero | undefined;
let reason: string | undefined;
try {
  const { modelPath } = workerData as { modelPath: string };
  if (existsSync(modelPath)) silero = new Silero(modelPath);
  else reason = `There is no model at ${modelPath}. Run: node backends/setup.mjs start`;
} catch (error) {
  reason = `The model cannot be used: ${error instanceof Error ? error.message : error}`;
}

port.on('message', ({ recording, samples }: Question) => {
  const heard = samples ? hear(recording, samples) : forget(recording);
  port.postMessage(heard, [heard.levels.buffer, heard.voice.buffer] as ArrayBuffer[]);
});

function hear(recording: number, samples: Uint8Array<ArrayBuffer>): Heard {
  const hearing = recordings.get(recording) ?? new Hearing(silero);
  recordings.set(recording, hearing);
  const heard = hearing.hear(Buffer.from(samples.buffer));
  samples.buffer.transfer(0); // which frees them now; the collector sees nothing to do until there are many
  return heard;
}

function forget(recording: number): Heard {
  recordings.delete(recording);
  return { levels: new Float32Array(), voice: new Uint8Array() };
}

port.postMessage({ reason } satisfies Ready);
