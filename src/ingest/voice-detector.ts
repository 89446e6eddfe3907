// A program, not a part: runs Silero's voice activity model for voice-activity-process.ts. In a process of its own because the model
// computes for 10 s over an hour of audio, and because native code that fails, be it over a damaged model file, takes its
// whole process with it. Its argument is the model's path; it says `ready`, then answers each question in the order they came.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Answer, Question } from './voice-activity-process.ts';

interface Vad {
  acceptWaveform(samples: Float32Array): void;
  isDetected(): boolean;
  flush(): void;
  clear(): void;
  reset(): void;
}

const WINDOW_SAMPLES = 512;
/** 8 MB each, and 40 ms to make. One recording is heard after the other for most of the time; see `takeNext` of our parent. */
const VADS_MAX = 2;
/** Of what was heard last, two seconds: enough for a model that heard something else to hear on as if it had not. */
const QUESTIONS_KEPT = 2;

const [, , model = ''] = process.argv;
if (!existsSync(model)) {
  console.error(`There is no model at ${model}. Run: node backends/setup.mjs start`);
  process.exit(1);
}
const { Vad } = createRequire(import.meta.url)('sherpa-onnx-node') as { Vad: new (...parameters: unknown[]) => Vad };

// The library would join windows to speech itself, and tell only when it has ended. With next to no minimum it tells for each
// window whether there is voice in it (more than 0.5 begins it, less than 0.35 ends it).
const MINIMUM_SECONDS = 0.000_01;
const sileroVad = {
  model,
  threshold: 0.5,
  minSilenceDuration: MINIMUM_SECONDS,
  minSpeechDuration: MINIMUM_SECONDS,
  maxSpeechDuration: 3_600,
  windowSize: WINDOW_SAMPLES,
};
const createVad = () => new Vad({ sileroVad, sampleRate: 16_000, numThreads: 1, debug: false }, 1);

/** What is known of a recording: what it was last, and the model that heard that, unless another recording needed it. */
interface Heard {
  last: Uint8Array[];
  vad: Vad | undefined;
}

const idle: Vad[] = [createVad()];
/** The one that was heard least recently is the first. */
const recordings = new Map<number, Heard>();

function detect(vad: Vad, bytes: Uint8Array, gain: number): Uint8Array {
  const integers = new Int16Array(new Uint8Array(bytes).buffer);
  const samples = new Float32Array(integers.length);
  for (let at = 0; at < samples.length; at += 1)
    samples[at] = Math.max(-1, Math.min(1, (Number(integers[at]) * gain) / 32_768));
  const voice = new Uint8Array(samples.length / WINDOW_SAMPLES);
  for (const index of voice.keys()) {
    vad.acceptWaveform(samples.subarray(index * WINDOW_SAMPLES, (index + 1) * WINDOW_SAMPLES));
    if (!vad.isDetected()) continue;
    voice[index] = 1;
    // Or it would collect the samples of whatever goes on and on.
    vad.flush();
    vad.clear();
  }
  return voice;
}

process.on('message', ({ recording, samples, gain }: Question) => {
  process.send?.({ voice: samples ? hear(recording, samples, gain) : forget(recording) } satisfies Answer);
});

function hear(recording: number, samples: Uint8Array, gain: number): Uint8Array {
  const { last, vad } = recordings.get(recording) ?? { last: [], vad: undefined };
  const listening = vad ?? takeVad();
  if (!vad) for (const before of last) detect(listening, before, gain);
  recordings.delete(recording);
  recordings.set(recording, { last: [...last, samples].slice(-QUESTIONS_KEPT), vad: listening });
  return detect(listening, samples, gain);
}

/** One that has heard nothing: an idle one, a new one, or that of the recording that was heard least recently. */
function takeVad(): Vad {
  const held = [...recordings.values()].filter(({ vad }) => vad);
  const free = idle.pop() ?? (held.length < VADS_MAX ? createVad() : undefined);
  if (free) return free;
  const [least] = held as [Heard];
  const vad = least.vad as Vad;
  least.vad = undefined;
  vad.reset();
  return vad;
}

function forget(recording: number): Uint8Array {
  const vad = recordings.get(recording)?.vad;
  recordings.delete(recording);
  if (vad) {
    vad.reset();
    idle.push(vad);
  }
  return new Uint8Array();
}

// A terminal's Ctrl-C is for the server, which may still finish what it has.
process.on('SIGINT', () => {});
process.send?.('ready');
