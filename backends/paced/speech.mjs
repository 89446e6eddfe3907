// What the stand-in "hears": text that depends on the samples alone, so a test can compare two runs of the same audio.
// One word for each 400 ms of audio that is not digital silence, chosen by a hash of those samples. Tokens are not words,
// as in the real engine: long words come in two tokens and punctuation is a token of its own.

const SAMPLE_RATE = 16_000;
const BYTES_PER_SAMPLE = 2;
const WORD_MS = 400;
const WORDS_PER_SEGMENT = 8;
const WORDS =
  'river mountain country ask harbour winter because listen people morning under silver answer garden after window'.split(
    ' ',
  );

/**
 * @typedef {{ id: number, text: string, startMs: number, endMs: number, probability: number }} Token
 * @typedef {{ text: string, startMs: number, endMs: number, tokens: Token[] }} Segment
 */

/**
 * The samples inside a 16-bit PCM WAV file, or null when it is anything else.
 * @param {Buffer} file
 * @returns {{ samples: Buffer, durationMs: number } | null}
 */
export function readWav(file) {
  if (file.length < 44 || file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE') {
    return null;
  }
  let bytesPerSecond = 0;
  for (let at = 12; at + 8 <= file.length; ) {
    const name = file.toString('latin1', at, at + 4);
    const length = file.readUInt32LE(at + 4);
    if (name === 'fmt ') bytesPerSecond = file.readUInt32LE(at + 16);
    if (name === 'data' && bytesPerSecond > 0) {
      const samples = file.subarray(at + 8, Math.min(file.length, at + 8 + length));
      return { samples, durationMs: (samples.length * 1000) / bytesPerSecond };
    }
    at += 8 + length + (length % 2);
  }
  return null;
}

/**
 * @param {Buffer} samples
 * @param {number} maxCharacters the engine's max_len: segments are cut between tokens, even inside words
 * @returns {Segment[]}
 */
export function segmentsOf(samples, maxCharacters) {
  const wordBytes = (SAMPLE_RATE * BYTES_PER_SAMPLE * WORD_MS) / 1000;
  /** @type {Segment[]} */
  const segments = [];
  /** @type {Token[]} */
  let tokens = [];
  let wordCount = 0;
  const finish = () => {
    const [first, last] = [tokens[0], tokens[tokens.length - 1]];
    if (first && last) {
      segments.push({
        text: tokens.map((token) => token.text).join(''),
        startMs: first.startMs,
        endMs: last.endMs,
        tokens,
      });
    }
    tokens = [];
  };
  for (let at = 0; at < samples.length; at += wordBytes) {
    const hash = hashOf(samples.subarray(at, at + wordBytes));
    if (hash === null) continue;
    wordCount += 1;
    const startMs = (at / wordBytes) * WORD_MS;
    const isLast = wordCount % WORDS_PER_SEGMENT === 0;
    for (const token of tokensOf(hash, startMs, isLast)) {
      const length = tokens.reduce((sum, other) => sum + other.text.length, 0);
      if (maxCharacters > 0 && length + token.text.length > maxCharacters) finish();
      tokens.push(token);
    }
    if (isLast) finish();
  }
  finish();
  return segments;
}

/**
 * @param {number} hash
 * @param {number} startMs
 * @param {boolean} endsSentence
 * @returns {Token[]}
 */
function tokensOf(hash, startMs, endsSentence) {
  const index = hash % WORDS.length;
  const word = ` ${WORDS[index]}`;
  const probability = 0.5 + (hash % 500) / 1000;
  const texts = word.length > 7 ? [word.slice(0, 5), word.slice(5)] : [word];
  if (endsSentence) texts.push('.');
  const shareMs = WORD_MS / texts.length;
  return texts.map((text, place) => ({
    id: 1000 + index * 10 + place,
    text,
    startMs: startMs + place * shareMs,
    endMs: startMs + (place + 1) * shareMs,
    probability,
  }));
}

/**
 * FNV-1a over the samples; null for digital silence.
 * @param {Buffer} bytes
 */
function hashOf(bytes) {
  let hash = 0x811c9dc5;
  let isSilent = true;
  for (const byte of bytes) {
    if (byte !== 0) isSilent = false;
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return isSilent ? null : hash;
}
