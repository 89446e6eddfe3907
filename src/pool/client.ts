// Speaks the engine's HTTP contract and is the only place that judges its failures. One call is one inference on one
// engine; that there is never a second at the same time is the pool's business.
import { Agent, request } from 'undici';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Model } from '../models/model.ts';
import type { ChunkEvent } from '../transcript/event.ts';
import type { Chunk } from '../transcript/recording.ts';
import { BEAM_SIZE_MAX, type DecodingOptions, TEMPERATURE_STEP_MIN, USUAL_DECODING } from '../transcript/request.ts';
import { deadlineMs, WINDOW_MS } from './deadline.ts';
import type { EngineProcess } from './process.ts';
import type { Device } from './protocol.ts';
import { requestBody } from './request-body.ts';
import { chunkFinalFrom, hasTrueNoSpeech, parseResponse } from './response.ts';
import { loudnessIn, loudnessOf } from './voice.ts';

/** After its caller left, an engine that is still at it is killed: on a CPU one step of a large model takes seconds. */
const ABORT_MS_MAX = 800;
/** A stuck engine gets this long between the signal that asks and the one that insists. */
const STUCK_GRACE_MS = 2_000;
/** A connection that broke is judged by whether its engine died; the exit may arrive a little later. */
const EXIT_AFTER_BREAK_MS = 500;
const HEALTH_TIMEOUT_MS = 1_000;
/** A minute of dense speech takes about 60 kB. */
const RESPONSE_BYTES_MAX = 16 * 2 ** 20;
const EVENTS_WAITING_MAX = 256;
/** The engine reads the last 223 tokens of a prompt itself; a token of English is about four characters. */
const PROMPT_CHARACTERS_MAX = 224 * 4;
/** A prompt that is repeated for every window leaves room for the text of the window before. */
const PROMPT_CARRIED_CHARACTERS_MAX = 150 * 4;

/** An engine closes a connection that was idle for 5 s; we must have given it up by then, or would write into the closing. */
const IDLE_CONNECTION_MS_MAX = 1_000;

// No timeouts of undici's own: an inference is silent until it is done, and the deadline below is ours.
const agent = new Agent({
  headersTimeout: 0,
  bodyTimeout: 0,
  keepAliveTimeout: IDLE_CONNECTION_MS_MAX,
  keepAliveMaxTimeout: IDLE_CONNECTION_MS_MAX,
});

export interface Inference {
  device: Device;
  model: Model;
  chunk: Chunk;
  options: DecodingOptions;
  deadlineFactor: number;
  /** Fields of the form that differ from the usual, for the warm-up. */
  fields?: Record<string, string>;
}

/** `other-server`: something answers on this port that is not our engine. */
export async function checkHealth(engine: EngineProcess): Promise<'ready' | 'not-yet' | 'other-server'> {
  const signal = AbortSignal.timeout(HEALTH_TIMEOUT_MS);
  try {
    const { statusCode, body } = await request(`${engine.baseUrl}/health`, { dispatcher: agent, reset: true, signal });
    const text = await readBounded(body);
    return statusCode === 200 && text.includes('"ok"') ? 'ready' : 'other-server';
  } catch {
    return 'not-yet';
  }
}

/** Runs one chunk; see `Backend.run`. When it ends, however it ends, the engine is free or is being ended. */
export async function* infer(
  engine: EngineProcess,
  inference: Inference,
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<ChunkEvent> {
  signal.throwIfAborted();
  inferenceCount += 1;
  const fileName = `chunk-${inferenceCount}.wav`;
  const connection = new AbortController();
  const leave = () => connection.abort();
  signal.addEventListener('abort', leave, { once: true });
  const deadline = startDeadline(inference, clock, leave);

  const waiting: ChunkEvent[] = [];
  let wake = () => {};
  const stopListening = listen(engine, fileName, inference.chunk, (event) => {
    if (event.type === 'progress') deadline.extend(event.fraction);
    if (waiting.length < EVENTS_WAITING_MAX) waiting.push(event);
    wake();
  });
  let outcome: Outcome | null = null;
  // Judged at once, and not when the consumer next asks: one that left may never ask again.
  const settled = ask(engine, inference, fileName, connection.signal)
    .then((final): Outcome => ({ final }))
    .catch(async (failure: unknown): Promise<Outcome> => {
      deadline.stop();
      if (deadline.isOver()) return { failure: endStuck(engine) };
      if (!connection.signal.aborted) return { failure: await judge(engine, failure, clock) };
      await freeEngine(engine);
      return { failure: signal.reason };
    })
    .then((result) => {
      outcome = result;
      wake();
      return result;
    });

  try {
    while (outcome === null || waiting.length > 0) {
      const event = waiting.shift();
      if (event) yield event;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    const result = await settled;
    if ('failure' in result) throw result.failure;
    yield result.final;
  } finally {
    stopListening();
    deadline.stop();
    signal.removeEventListener('abort', leave);
    // Only a consumer that stopped iterating gets here before the end.
    if (outcome === null) leave();
    await settled;
  }
}

type Outcome = { final: ChunkEvent } | { failure: unknown };

let inferenceCount = 0;

/** Hands on what the engine writes about this request, and not what is left in its pipes of the one before. */
function listen(engine: EngineProcess, fileName: string, chunk: Chunk, onEvent: (event: ChunkEvent) => void) {
  let isOurText = false;
  let isOurProgress = false;
  const limit = (ms: number) => chunk.startMs + Math.min(ms, chunk.durationMs);
  return engine.onOutput((event) => {
    if (event.type === 'request-begun') isOurText = event.name === fileName;
    else if (event.type === 'audio-begun') isOurProgress = event.name === fileName;
    else if (isOurProgress && (event.type === 'progress' || event.type === 'language-detected')) onEvent(event);
    else if (event.type === 'segment-draft' && isOurText && event.text.trim() !== '') {
      onEvent({ ...event, startMs: limit(event.startMs), endMs: limit(event.endMs) });
    }
  });
}

/** A health check cannot see a stuck inference. Each sign of progress allows the rest of the audio its time anew. */
function startDeadline(inference: Inference, clock: Clock, onOver: () => void) {
  const { device, model, chunk, deadlineFactor: factor } = inference;
  let isOver = false;
  const arm = (durationMs: number) =>
    clock.after(deadlineMs({ kind: device.kind, rank: model.rank, durationMs, factor }), () => {
      isOver = true;
      onOver();
    });
  let disarm = arm(chunk.durationMs);
  return {
    isOver: () => isOver,
    stop: () => disarm(),
    extend: (fraction: number) => {
      disarm();
      disarm = arm(chunk.durationMs * (1 - fraction));
    },
  };
}

async function ask(engine: EngineProcess, inference: Inference, fileName: string, signal: AbortSignal) {
  const { chunk, options, model } = inference;
  const fields = formFields(options, model, chunk.durationMs);
  const { headers, stream, samples } = requestBody({ ...fields, ...inference.fields }, fileName, chunk);
  const { statusCode, body } = await request(`${engine.baseUrl}/inference`, {
    method: 'POST',
    dispatcher: agent,
    headers,
    body: stream,
    signal,
  });
  const text = await readBounded(body);
  if (statusCode !== 200) throw refusal(statusCode, text);
  const response = parseResponse(text);
  const isLanguageDetected = fields.language === 'auto';
  const isMeasured = response.segments.every((segment) => hasTrueNoSpeech(response, segment, isLanguageDetected));
  const loudness = isMeasured ? loudnessOf([]) : loudnessIn(samples());
  return chunkFinalFrom(response, { chunk, options, isLanguageDetected, loudness });
}

export function formFields(options: DecodingOptions, model: Model, durationMs: number): Record<string, string> {
  const isLong = durationMs > WINDOW_MS;
  const prompt = lastCharacters(options.prompt ?? '', isLong ? PROMPT_CARRIED_CHARACTERS_MAX : PROMPT_CHARACTERS_MAX);
  return {
    response_format: 'verbose_json',
    // An English-only model asked to detect the language answers with noise.
    language: model.multilingual ? (options.language ?? 'auto') : 'en',
    translate: String(options.task === 'translate'),
    // Above 1 the engine has no temperature left to try and answers with what the request before left behind.
    temperature: String(Math.min(1, Math.max(0, options.temperature))),
    temperature_inc: String(temperatureStep(options.temperatureStep ?? USUAL_DECODING.temperatureStep)),
    beam_size: String(Math.min(BEAM_SIZE_MAX, Math.max(1, options.beamSize ?? USUAL_DECODING.beamSize))),
    best_of: '5',
    entropy_thold: '2.4',
    logprob_thold: String(options.logprobThreshold ?? USUAL_DECODING.logprobThreshold),
    no_speech_thold: String(options.noSpeechThreshold ?? USUAL_DECODING.noSpeechThreshold),
    suppress_nst: 'true',
    max_len: '-1',
    no_language_probabilities: 'true',
    ...(prompt === '' ? {} : { prompt, carry_initial_prompt: String(isLong) }),
  };
}

/** A step so small that adding it changes nothing would have the engine count for ever (1.9.1). */
function temperatureStep(asked: number): number {
  return asked > 0 ? Math.max(TEMPERATURE_STEP_MIN, asked) : 0;
}

/** The end of a text, from the beginning of a word. */
function lastCharacters(text: string, charactersMax: number): string {
  const characters = [...text.trim()];
  if (characters.length <= charactersMax) return characters.join('');
  return characters
    .slice(-charactersMax)
    .join('')
    .replace(/^\S*\s+/, '');
}

/** The status alone says little: the engine turns everything but 400 and 500 into a 404, its own 503 and 499 included. */
function refusal(status: number, text: string): GatewayError {
  const cause = new Error(`status ${status}: ${text.slice(0, 500)}`);
  if (status === 400) return new GatewayError('audio-undecodable', 'The engine could not read this audio.', { cause });
  return new GatewayError('engine-failed', 'The engine failed while transcribing.', { cause });
}

function endStuck(engine: EngineProcess): GatewayError {
  void engine.end(STUCK_GRACE_MS, 'stuck: no sign of progress before the deadline', false);
  return new GatewayError('engine-timeout', 'The engine did not finish in time and was ended.');
}

/** Everything but refused audio and our own fault ends the engine: after a failed inference its state is not to be trusted. */
async function judge(engine: EngineProcess, failure: unknown, clock: Clock): Promise<GatewayError> {
  if (failure instanceof GatewayError && failure.code !== 'engine-failed') return failure;
  if (isFileFailure(failure)) return toGatewayError(failure);
  if (failure instanceof GatewayError) {
    void engine.kill(`failed an inference: ${describe(failure)}`, false);
    return failure;
  }
  const exit = await Promise.race([
    engine.exited,
    new Promise<null>((resolve) => clock.after(EXIT_AFTER_BREAK_MS, () => resolve(null))),
  ]);
  if (exit) {
    const cause = new Error(`the engine ${exit.reason}`, { cause: failure });
    return new GatewayError('engine-failed', 'The engine ended while transcribing.', { cause });
  }
  void engine.kill(`its connection broke: ${describe(failure)}`, false);
  return new GatewayError('engine-failed', 'The connection to the engine broke.', { cause: failure });
}

/** The chunk's file is gone or shorter than it was said to be. */
function isFileFailure(failure: unknown): boolean {
  const code = failure instanceof Error && 'code' in failure ? String(failure.code) : '';
  return ['ENOENT', 'EACCES', 'EIO', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'].includes(code);
}

function describe(failure: unknown): string {
  const cause = failure instanceof Error && failure.cause instanceof Error ? failure.cause : failure;
  return cause instanceof Error ? cause.message : String(cause);
}

/**
 * Waits until the engine has noticed that its caller left; kills it when it takes too long. A request without a file is
 * refused, but only once the engine's one mutex is free: its answer, whatever it is, says that the inference has ended.
 */
async function freeEngine(engine: EngineProcess): Promise<void> {
  if (!engine.isUsable) return;
  try {
    const { body } = await request(`${engine.baseUrl}/inference`, {
      method: 'POST',
      dispatcher: agent,
      reset: true,
      headers: { 'content-type': 'multipart/form-data; boundary=none' },
      body: '--none\r\ncontent-disposition: form-data; name="free"\r\n\r\n\r\n--none--\r\n',
      signal: AbortSignal.timeout(ABORT_MS_MAX),
    });
    await readBounded(body);
  } catch {
    await engine.kill('still busy after its caller had left', true);
  }
}

async function readBounded(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > RESPONSE_BYTES_MAX) throw new GatewayError('engine-failed', 'The engine answered without end.');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
