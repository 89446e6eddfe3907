// A transcript as SubRip and WebVTT, byte for byte as OpenAI answers them. Pure.
import type { Segment, Transcript } from './transcript.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

export function toSrt(transcript: Transcript): string {
  const cues = spokenSegments(transcript).map((segment, index) => `${index + 1}\n${cue(segment, ',')}\n\n`);
  // OpenAI's file ends in three line feeds: the last cue's own two and one more.
  return `${cues.join('')}\n`;
}

export function toVtt(transcript: Transcript): string {
  const cues = spokenSegments(transcript).map((segment) => `${cue(segment, '.')}\n\n`);
  return `WEBVTT\n\n${cues.join('')}`;
}

/** A cue without text is not valid in either format. */
function spokenSegments(transcript: Transcript): Segment[] {
  return transcript.segments.filter((segment) => cueText(segment) !== '');
}

function cue(segment: Segment, decimalMark: ',' | '.'): string {
  const [start, end] = [segment.startMs, segment.endMs].map((timeMs) => timestamp(timeMs, decimalMark));
  return `${start} --> ${end}\n${cueText(segment)}`;
}

/** On one line, since a blank line ends a cue, and without the arrow that marks a cue's times. */
function cueText(segment: Segment): string {
  return segment.text.replace(/\s+/g, ' ').trim().replace(/--+>/g, '->');
}

function timestamp(timeMs: number, decimalMark: ',' | '.'): string {
  const wholeMs = Math.max(0, Math.round(timeMs));
  const [hours, minutes, seconds] = [
    Math.floor(wholeMs / HOUR_MS),
    Math.floor((wholeMs % HOUR_MS) / MINUTE_MS),
    Math.floor((wholeMs % MINUTE_MS) / SECOND_MS),
  ].map((number) => String(number).padStart(2, '0'));
  return `${hours}:${minutes}:${seconds}${decimalMark}${String(wholeMs % SECOND_MS).padStart(3, '0')}`;
}
