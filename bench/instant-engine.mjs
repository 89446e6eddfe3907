#!/usr/bin/env node
// An engine that takes no time: it reads what it is sent and has the answer ready. So what is measured is what stands before
// it. Speaks as much of whisper-server's contract as the gateway asks for, and OpenAI's route for those who proxy that. What it
// "hears" depends on the length of the audio alone, which it takes from the length of the request.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

const BYTES_PER_SECOND = 32_000;
const WORD_SECONDS = 0.4;
const WORDS_PER_SEGMENT = 8;
const WORDS =
  'river mountain country ask harbour winter because listen people morning under silver answer garden after window'.split(
    ' ',
  );

const flag = (/** @type {string} */ name) => process.argv[process.argv.indexOf(name) + 1] ?? '';
const [port, prefix] = [Number(flag('--port')), process.argv.includes('--request-path') ? flag('--request-path') : ''];
/** A byte is appended for each inference, for those who want to know how many there were. */
const countPath = process.env.INSTANT_COUNT_FILE;
/** @type {Map<number, string>} */
const answers = new Map();

process.stderr.write('whisper_backend_init_gpu: no GPU found\n');
createServer((request, response) => {
  if (request.method === 'GET') return send(response, '{"status":"ok"}');
  request.resume();
  request.once('end', () => {
    if (countPath) appendFileSync(countPath, '.');
    const words = Math.round(Number(request.headers['content-length'] ?? 0) / BYTES_PER_SECOND / WORD_SECONDS);
    if (request.url === `${prefix}/inference`) return send(response, answerOf(words));
    send(
      response,
      JSON.stringify({
        text: segmentsOf(words)
          .map(({ text }) => text)
          .join(''),
      }),
    );
  });
}).listen({ host: '127.0.0.1', port, reusePort: true }, () => process.send?.('ready'));
process.on('SIGTERM', () => process.exit(0));

/** @param {number} words */
function answerOf(words) {
  const known = answers.get(words);
  if (known !== undefined) return known;
  const segments = segmentsOf(words);
  const text = segments.map((segment) => `${segment.text}\n`).join('');
  const duration = words * WORD_SECONDS;
  const answer = JSON.stringify({ task: 'transcribe', language: 'english', duration, text, segments });
  answers.set(words, answer);
  return answer;
}

/** @param {number} count */
function segmentsOf(count) {
  const words = Array.from({ length: count }, (_, index) => ({
    word: ` ${WORDS[(index * index + Math.floor(index / 7)) % WORDS.length]}`,
    start: index * WORD_SECONDS,
    end: (index + 1) * WORD_SECONDS,
    t_dtw: -1,
    probability: 0.9,
  }));
  return Array.from({ length: Math.ceil(count / WORDS_PER_SEGMENT) }, (_, id) => {
    const own = words.slice(id * WORDS_PER_SEGMENT, (id + 1) * WORDS_PER_SEGMENT);
    return {
      id,
      text: own.map(({ word }) => word).join(''),
      start: own[0]?.start,
      end: own[own.length - 1]?.end,
      tokens: own.map((_word, index) => 1000 + index),
      words: own,
      temperature: 0,
      avg_logprob: -0.25,
      no_speech_prob: 0.05,
    };
  });
}

/**
 * @param {import('node:http').ServerResponse} response
 * @param {string} body
 */
function send(response, body) {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
