// Times of words by where somebody is heard. Pure.
// An engine lets a word begin where the one before it ended, and end where the next begins, whatever lies between: after a pause
// of three seconds the first word lasts three seconds. In a long sentence that is cut off it stamps words later and later, until
// its clock runs out and the rest is stamped upon one instant.
import type { Segment, Word } from './transcript.ts';
import { goesPastEnd } from './trust.ts';

interface Span {
  startMs: number;
  endMs: number;
}

/** A voice begins and ends more softly than a detector hears. */
const BESIDE_MS = 200;
/** A word that shares less with a voice was stamped beside it: where it belongs is not known. */
const SHARED_MS_MIN = 100;

/** The segment with its words where a voice is heard; `voice` is that of its chunk, in order. */
export function timedByVoice(segment: Segment, voice: Span[]): Segment {
  const heard = joined(voice.map(({ startMs, endMs }) => ({ startMs: startMs - BESIDE_MS, endMs: endMs + BESIDE_MS })));
  const stamped = goesPastEnd(segment) ? sharedOut(segment.words, withinSpan(heard, segment)) : segment.words;
  const words = stamped.map((word) => confined(word, heard));
  const [first, last] = [words[0], words.at(-1)];
  const isLater = first !== undefined && first.startMs > (segment.words[0]?.startMs ?? 0);
  const isSooner = last !== undefined && last.endMs < (segment.words.at(-1)?.endMs ?? 0);
  return {
    ...segment,
    startMs: isLater ? Math.max(segment.startMs, first.startMs) : segment.startMs,
    endMs: isSooner ? Math.min(segment.endMs, last.endMs) : segment.endMs,
    words,
  };
}

/** Within the stretch of voice that it shares most with, of equals the last. */
function confined(word: Word, heard: Span[]): Word {
  const shared = withinSpan(heard, word);
  const most = shared.reduce<Span | undefined>(
    (best, span) => (best && durationMs(best) > durationMs(span) ? best : span),
    undefined,
  );
  return most && durationMs(most) >= SHARED_MS_MIN ? { ...word, ...most } : word;
}

/** Each has as much of the voice as it has of the letters. */
function sharedOut(words: Word[], heard: Span[]): Word[] {
  const letters = words.reduce((sum, { text }) => sum + text.length, 0);
  const voiceMs = heard.reduce((sum, span) => sum + durationMs(span), 0);
  if (voiceMs === 0) return words;
  let before = 0;
  return words.map((word) => {
    const startMs = afterVoice(heard, (voiceMs * before) / letters);
    before += word.text.length;
    return { ...word, startMs, endMs: afterVoice(heard, (voiceMs * before) / letters) };
  });
}

/** When so much voice has been heard. */
function afterVoice(heard: Span[], voiceMs: number): number {
  let left = voiceMs;
  for (const span of heard) {
    if (left <= durationMs(span)) return span.startMs + left;
    left -= durationMs(span);
  }
  return heard.at(-1)?.endMs ?? 0;
}

function withinSpan(spans: Span[], { startMs, endMs }: Span): Span[] {
  return spans
    .map((span) => ({ startMs: Math.max(span.startMs, startMs), endMs: Math.min(span.endMs, endMs) }))
    .filter((span) => span.endMs > span.startMs);
}

function joined(spans: Span[]): Span[] {
  const all: Span[] = [];
  for (const span of spans) {
    const last = all.at(-1);
    if (last && span.startMs <= last.endMs) last.endMs = Math.max(last.endMs, span.endMs);
    else all.push({ ...span });
  }
  return all;
}

function durationMs(span: Span): number {
  return span.endMs - span.startMs;
}
