#!/usr/bin/env node
// A stand-in for whisper-server 1.9.1: same flags, same HTTP contract, same lines on stdout and stderr, no model. It takes
// time in proportion to the audio and fails on command (see README.md), so that tests can prove scheduling and recovery.
// It owns no speech: never offer it to a user as an engine.
import { accessSync, readFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { readWav, segmentsOf } from './speech.mjs';

const WINDOW_MS = 30_000;
const STEP_MS = 20;
const AUDIO_MS_MIN = 100;
const DECODERS_MAX = 8;
const NUMBERS = ['temperature', 'temperature_inc', 'entropy_thold', 'logprob_thold', 'no_speech_thold', 'beam_size'];
const languageNames = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'none' });

const knobs = {
  speed: Number(process.env.PACED_SPEED || 20),
  startMs: Number(process.env.PACED_START_MS || 0),
  hangOn: Number(process.env.PACED_HANG_ON || 0),
  crashOn: Number(process.env.PACED_CRASH_ON || 0),
  noiseBytes: Number(process.env.PACED_NOISE || 0),
  isShortOfMemory: isShortOfMemory(),
  fallsBackToCpu: Boolean(process.env.PACED_CPU_FALLBACK),
  answer: /^(\d{3}) ?(.*)$/s.exec(process.env.PACED_ANSWER || ''),
};

// Synchronous and blocking, as printf is: an unread pipe stops this process as it stops the real one.
const say = (/** @type {number} */ descriptor) => (/** @type {string} */ text) => {
  for (let rest = Buffer.from(text); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EAGAIN') return;
    }
  }
};
const out = say(1);
const err = say(2);
const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

const flags = readFlags(process.argv.slice(2));
await load();
serve();

/** @param {string[]} argv */
function readFlags(argv) {
  const withValue = {
    '-m': 'model',
    '--model': 'model',
    '--host': 'host',
    '--port': 'port',
    '--request-path': 'prefix',
    '-t': 'threads',
    '--threads': 'threads',
    '-l': 'language',
    '--language': 'language',
    '-ml': 'maxLength',
    '--max-len': 'maxLength',
    '-bs': 'beams',
    '-bo': 'bestOf',
    '--public': 'public',
    '-p': 'processors',
    '-dev': 'device',
    '-mc': 'context',
    '--tmp-dir': 'temporary',
    '--inference-path': 'inferencePath',
    '-dtw': 'alignment',
  };
  const alone = ['-nlp', '-sns', '-pp', '-pr', '-ng', '-fa', '-nfa', '-nf', '-nt', '-sow', '-tr', '--convert'];
  const numeric = ['port', 'threads', 'maxLength', 'beams', 'bestOf', 'processors', 'device', 'context'];
  /** @type {Record<string, string>} */
  const read = {
    host: '127.0.0.1',
    port: '8080',
    prefix: '',
    language: 'en',
    maxLength: '0',
    model: 'models/ggml-base.en.bin',
  };
  for (let i = 0; i < argv.length; i += 1) {
    const flag = String(argv[i]);
    const name = withValue[/** @type {keyof typeof withValue} */ (flag)];
    if (name) {
      i += 1;
      const value = argv[i];
      if (value === undefined || (numeric.includes(name) && !/^-?\d/.test(value))) process.kill(process.pid, 'SIGABRT');
      read[name] = String(value);
    } else if (alone.includes(flag)) {
      read[flag] = 'true';
    } else {
      // Success to the shell, although nothing was started: the real one does this too.
      err(`${flag === '-h' ? '' : `error: unknown argument: ${flag}\n`}\nusage: server.mjs [options]\n`);
      process.exit(0);
    }
  }
  if (read.language !== 'auto' && !isLanguage(String(read.language))) {
    err(`error: unknown language '${read.language}'\n`);
    process.exit(0);
  }
  return read;
}

async function load() {
  err(`whisper_init_from_file_with_params_no_state: loading model from '${flags.model}'\n`);
  try {
    accessSync(String(flags.model));
  } catch {
    err(`whisper_init_from_file_with_params_no_state: failed to open '${flags.model}'\n`);
    err('error: failed to initialize whisper context\n');
    process.exit(3);
  }
  err('whisper_model_load: loading model\n');
  await sleep(knobs.startMs);
  const isCuda = Boolean(process.env.CUDA_VISIBLE_DEVICES) && !flags['-ng'] && !knobs.fallsBackToCpu;
  if (knobs.isShortOfMemory) {
    err(
      'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 141.10 MiB on device 0: cudaMalloc failed: out of memory\n',
    );
    err('error: failed to initialize whisper context\n');
    process.exit(3);
  }
  err(`whisper_model_load: ${isCuda ? '       CUDA0' : '         CPU'} total size =   147.37 MB\n`);
  err(`whisper_backend_init_gpu: ${isCuda ? 'using CUDA0 backend' : 'no GPU found'}\n`);
}

function isShortOfMemory() {
  if (process.env.PACED_OOM) return true;
  if (!process.env.PACED_MEMORY_FILE) return false;
  const freeMb = Number(readFileSync(process.env.PACED_MEMORY_FILE, 'utf8'));
  return freeMb < Number(process.env.PACED_MEMORY_MB || 1000);
}

function serve() {
  let inferenceCount = 0;
  let isStopping = false;
  let inFlight = 0;
  /** @type {Promise<unknown>} */
  let mutex = Promise.resolve();
  const stopWhenIdle = () => {
    if (isStopping && inFlight === 0) process.exit(0);
  };

  const server = createServer((request, response) => {
    const path = String(request.url);
    if (request.method === 'GET' && path === `${flags.prefix}/health`) {
      return send(response, 200, 'application/json', '{"status":"ok"}');
    }
    if (request.method !== 'POST' || path !== `${flags.prefix}/inference`) {
      request.resume();
      return send(response, 404, 'text/plain', `File Not Found (${path})`);
    }
    /** @type {Buffer[]} */
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      inFlight += 1;
      const fields = readForm(String(request.headers['content-type']), Buffer.concat(parts));
      mutex = mutex.then(async () => {
        const isClosed = () => response.destroyed;
        if (fields.has('file')) inferenceCount += 1;
        const [status, type, body] = await infer(fields, inferenceCount, isClosed);
        send(response, status, type, body);
        inFlight -= 1;
        stopWhenIdle();
      });
    });
  });

  server.on('error', () => {
    err(`\ncouldn't bind to server socket: hostname=${flags.host} port=${flags.port}\n\n`);
    process.exit(1);
  });
  // SO_REUSEPORT where this Node knows it: two servers on one port both succeed, as with the real one.
  server.listen({ host: flags.host, port: Number(flags.port), reusePort: true }, () => {
    out(`\nwhisper server listening at http://${flags.host}:${flags.port}\n\n`);
    const stop = () => {
      if (isStopping) {
        err('Received second interrupt, terminating immediately.\n');
        process.exit(1);
      }
      isStopping = true;
      out('\nCaught signal 15, shutting down gracefully...\n');
      server.close();
      stopWhenIdle();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

/**
 * @param {Map<string, { name: string, content: Buffer }>} fields
 * @param {number} number which inference of this process it is
 * @param {() => boolean} isClosed
 * @returns {Promise<[number, string, string]>}
 */
async function infer(fields, number, isClosed) {
  const file = fields.get('file');
  if (!file) {
    err("error: no 'file' field in the request\n");
    return [400, 'text/plain', 'Invalid request'];
  }
  const text = (/** @type {string} */ name, /** @type {string} */ fallback) =>
    fields.get(name)?.content.toString() ?? fallback;
  for (const name of NUMBERS) {
    if (Number.isNaN(Number.parseFloat(text(name, '0')))) {
      return [500, 'text/plain', '500 Internal Server Error\nstof'];
    }
  }
  out(`Received request: ${file.name}\n`);
  const audio = readWav(file.content);
  if (!audio) {
    err('error: failed to decode audio data from memory buffer\nerror: failed to read audio data\n');
    return [400, 'text/plain', 'Invalid request'];
  }
  out(`Successfully loaded ${file.name}\nRunning whisper.cpp inference on ${file.name}\n\n`);
  const language = text('language', String(flags.language));
  if (language !== 'auto' && !isLanguage(language)) {
    err(`whisper_lang_id: unknown language '${language}'\n`);
    return [500, 'text/plain', '500 Internal Server Error\nbasic_string: construction from null is not valid'];
  }
  if (Number(text('best_of', '2')) > DECODERS_MAX) {
    err(`whisper_full_with_state: too many decoders requested, max = ${DECODERS_MAX}\n`);
    return [500, 'application/json', '{"error":"failed to process audio"}'];
  }
  err(`operator(): processing '${file.name}' (${audio.samples.length / 2} samples), lang = ${language} ...\n\n`);
  err('noise\n'.repeat(Math.ceil(knobs.noiseBytes / 6)));
  if (language === 'auto') err('whisper_full_with_state: auto-detected language: en (p = 0.980820)\n');

  const maxLength = Number(text('max_len', String(flags.maxLength)));
  const segments = audio.durationMs < AUDIO_MS_MIN ? [] : segmentsOf(audio.samples, maxLength === 0 ? 60 : maxLength);
  const isFinished = await pace(audio.durationMs, segments, number, isClosed);
  if (!isFinished) {
    err('client disconnected, aborted processing\n');
    return [404, 'text/plain', 'File Not Found'];
  }
  if (knobs.answer) return [Number(knobs.answer[1]), 'text/plain', String(knobs.answer[2])];
  const isTranslation = text('translate', 'false') === 'true';
  const body = verbose(audio.durationMs, segments, isTranslation, language, Number(text('temperature', '0')));
  if (text('response_format', 'json') === 'verbose_json') return [200, 'application/json', JSON.stringify(body)];
  return [200, 'application/json', JSON.stringify({ text: body.text })];
}

/**
 * Takes the time the audio is worth, writing progress and segments as they come due; false when the client left.
 * @param {number} durationMs
 * @param {import('./speech.mjs').Segment[]} segments
 * @param {number} number
 * @param {() => boolean} isClosed
 */
async function pace(durationMs, segments, number, isClosed) {
  const totalMs = durationMs / knobs.speed;
  const startedMs = performance.now();
  let printed = 0;
  let windows = 0;
  for (;;) {
    const share = totalMs > 0 ? Math.min(1, (performance.now() - startedMs) / totalMs) : 1;
    if (number === knobs.hangOn) await new Promise(() => setInterval(() => {}, WINDOW_MS));
    if (number === knobs.crashOn && share >= 0.5) {
      err('CUDA error: an illegal memory access was encountered\n');
      process.kill(process.pid, 'SIGABRT');
    }
    if (isClosed()) return false;
    for (; printed < segments.length; printed += 1) {
      const segment = segments[printed];
      if (!segment || (segment.endMs > share * durationMs && share < 1)) break;
      if (flags['-pr']) out(`[${stamp(segment.startMs)} --> ${stamp(segment.endMs)}]  ${segment.text}\n`);
    }
    const due = share >= 1 ? Math.ceil(durationMs / WINDOW_MS) : Math.floor((share * durationMs) / WINDOW_MS);
    for (; windows < due; windows += 1) {
      const percent = Math.min(100, Math.round((100 * (windows + 1) * WINDOW_MS) / durationMs));
      if (flags['-pp']) err(`whisper_print_progress_callback: progress = ${String(percent).padStart(3)}%\n`);
    }
    if (share >= 1) return true;
    await sleep(Math.min(STEP_MS, totalMs));
  }
}

/**
 * @param {number} durationMs
 * @param {import('./speech.mjs').Segment[]} segments
 * @param {boolean} isTranslation
 * @param {string} language
 * @param {number} temperature
 */
function verbose(durationMs, segments, isTranslation, language, temperature) {
  return {
    task: isTranslation ? 'translate' : 'transcribe',
    language: language === 'auto' ? 'english' : languageNames.of(language)?.toLowerCase(),
    duration: durationMs / 1000,
    text: segments.map((segment) => `${segment.text}\n`).join(''),
    segments: segments.map((segment, id) => ({
      id,
      text: segment.text,
      start: segment.startMs / 1000,
      end: segment.endMs / 1000,
      tokens: segment.tokens.map((token) => token.id),
      words: segment.tokens.map((token) => ({
        word: token.text,
        start: token.startMs / 1000,
        end: token.endMs / 1000,
        t_dtw: -1,
        probability: token.probability,
      })),
      temperature,
      avg_logprob: -0.25,
      // Stale unless the language is detected, as in the real one.
      no_speech_prob: language === 'auto' ? 0.05 : 0,
    })),
  };
}

/**
 * @param {string} contentType
 * @param {Buffer} body
 */
function readForm(contentType, body) {
  /** @type {Map<string, { name: string, content: Buffer }>} */
  const fields = new Map();
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (!boundary) return fields;
  const delimiter = Buffer.from(`--${boundary}`);
  for (let at = body.indexOf(delimiter); at !== -1; ) {
    const next = body.indexOf(delimiter, at + delimiter.length);
    if (next === -1) break;
    const part = body.subarray(at + delimiter.length + 2, next - 2);
    const split = part.indexOf('\r\n\r\n');
    const head = part.toString('utf8', 0, split);
    const field = / name="([^"]*)"/.exec(head)?.[1];
    if (field)
      fields.set(field, { name: /filename="([^"]*)"/.exec(head)?.[1] ?? '', content: part.subarray(split + 4) });
    at = next;
  }
  return fields;
}

/**
 * @param {import('node:http').ServerResponse} response
 * @param {number} status
 * @param {string} type
 * @param {string} body
 */
function send(response, status, type, body) {
  response.writeHead(status, { 'content-type': type, server: 'whisper.cpp' });
  response.end(body);
}

/** @param {string} language */
function isLanguage(language) {
  return /^[a-z]{2,3}$/.test(language) && languageNames.of(language) !== undefined;
}

/** @param {number} ms */
function stamp(ms) {
  return new Date(Math.round(ms)).toISOString().slice(11, 23);
}
