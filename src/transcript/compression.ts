// How repetitive a text is: the measure by which openai-whisper recognises a decoder caught in a loop. Pure.
import { deflateSync } from 'node:zlib';

/** Bytes of the text over bytes of its zlib form; 1 for no text. Above 2.4 the text most likely repeats itself. */
export function compressionRatio(text: string): number {
  const bytes = Buffer.from(text);
  return bytes.length === 0 ? 1 : bytes.length / deflateSync(bytes).length;
}
