// What an engine writes on its two pipes, line by line, as events. Pure.

/** A longer line is cut here: the text of one segment stays well below it. */
const LINE_CHARACTERS_MAX = 8_192;

export type OutputEvent =
  /** The engine has begun on a request; its file has the name we gave it. Drafts after this line belong to it. */
  | { type: 'request-begun'; name: string }
  | { type: 'segment-draft'; startMs: number; endMs: number; text: string }
  /** The same for progress, which comes on the other pipe. */
  | { type: 'audio-begun'; name: string }
  | { type: 'progress'; fraction: number }
  | { type: 'language-detected'; language: string; probability: number }
  | { type: 'backend-chosen'; backend: 'cuda' | 'cpu' }
  | { type: 'memory-short' }
  /** The engine goes on answering after this, but from freed memory or a broken device. */
  | { type: 'engine-broken'; line: string };

const STAMP = String.raw`(\d+):(\d\d):(\d\d)[.,](\d{3})`;
const DRAFT = new RegExp(String.raw`^\[${STAMP} --> ${STAMP}\]  (.*)$`);

export function readStdoutLine(line: string): OutputEvent | null {
  const begun = /^Received request: (.*)$/.exec(line);
  if (begun) return { type: 'request-begun', name: begun[1] ?? '' };
  const draft = DRAFT.exec(line);
  if (!draft) return null;
  const [startMs, endMs] = [stampMs(draft.slice(1, 5)), stampMs(draft.slice(5, 9))];
  return { type: 'segment-draft', startMs, endMs, text: draft[9] ?? '' };
}

export function readStderrLine(line: string): OutputEvent | null {
  const begun = /^operator\(\): processing '([^']*)'/.exec(line);
  if (begun) return { type: 'audio-begun', name: begun[1] ?? '' };
  const progress = /progress\s*=\s*(\d+)%/.exec(line);
  if (progress) return { type: 'progress', fraction: Math.min(1, Number(progress[1]) / 100) };
  const detected = /auto-detected language: ([a-z]+) \(p = ([\d.]+)\)/.exec(line);
  if (detected) return { type: 'language-detected', language: detected[1] ?? '', probability: Number(detected[2]) };
  // Chosen is not yet initialised: the engine also goes on without the GPU when that fails.
  if (/no GPU found|failed to initialize CUDA\d* backend/.test(line)) return { type: 'backend-chosen', backend: 'cpu' };
  if (/using CUDA\d* backend/.test(line)) return { type: 'backend-chosen', backend: 'cuda' };
  if (/whisper_kv_cache_init\(\) failed|CUDA error/.test(line)) return { type: 'engine-broken', line };
  if (/out of memory/i.test(line)) return { type: 'memory-short' };
  return null;
}

function stampMs(parts: (string | undefined)[]): number {
  const [hours = 0, minutes = 0, seconds = 0, milliseconds = 0] = parts.map(Number);
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds;
}

/** Cuts a stream of text into lines and hands on each whole one. Holds at most one line. */
export function lineSplitter(onLine: (line: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(0, LINE_CHARACTERS_MAX);
    for (const line of lines) onLine(line.slice(0, LINE_CHARACTERS_MAX));
  };
}
