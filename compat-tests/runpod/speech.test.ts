// A whisper worker as RunPod's SDK asks for it, with the real engine.
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { expectSpeech, speech } from '../audio.ts';
import { curl } from '../curl.ts';
import { useWebServer } from '../deepgram/web-server.ts';
import { eventually, useGateway } from '../gateway.ts';
import { type Ended, endpointAt, type Output, type SdkError, textOf } from './endpoint.ts';

/** Generous: includes an inference, on whatever else the machine does. */
const ENDED_MS_MAX = 30_000;
const KEY = 'key-of-a-friend';
const TOKEN = 'hf_never_to_be_seen_again';

let delivered: { id: string | null; text: string }[] = [];
beforeEach(() => {
  delivered = [];
  // The SDK says each status it meets on the console.
  vi.spyOn(console, 'log').mockImplementation(() => {});
  return () => void vi.restoreAllMocks();
});
const web = useWebServer(async (request, response) => {
  if (request.url === '/speech.wav') return void response.end(speech());
  if (request.method === 'GET') return void response.writeHead(404).end();
  const text = (await request.setEncoding('utf8').toArray()).join('');
  delivered.push({ id: request.headers['webhook-id']?.toString() ?? null, text });
  response.end();
});
const audio = () => `${web().url}/speech.wav`;

describe('with keys and a worker’s environment', () => {
  const gateway = useGateway({
    ...{ ALLOW_PRIVATE_URLS: 'true', API_KEYS: KEY, HF_TOKEN: TOKEN },
    ...{ LANGUAGE: 'en', BEAM_SIZE: '2', LOGPROB_THRESHOLD: '-0.9', VAD_ONSET: '0.35', DEBUG: 'true' },
  });
  const endpoint = () => endpointAt(gateway().url, { key: KEY });
  const ended = async (id: string) => {
    const states = new Set<string>();
    const last = await eventually(async () => {
      const status = (await endpoint().status(id)) as Ended & { completed: boolean };
      states.add(status.status);
      expect(status.completed).toBe(true);
      return status;
    }, ENDED_MS_MAX);
    return { states: [...states], last };
  };

  test('runSync: the output, and what the environment decided', async () => {
    const job = (await endpoint().runSync({ input: { audio_file: audio() } })) as Ended;
    expect(job).toMatchObject({ status: 'COMPLETED', completed: true, succeeded: true });
    expect(job.delayTime).toBeGreaterThanOrEqual(0);
    expect(job.executionTime).toBeGreaterThan(0);
    expectSpeech(textOf(job.output));
    const { segments, detected_language, warnings, logs, debug_info, ...rest } = job.output;
    expect(rest).toEqual({});
    for (const { start, end } of segments) expect(end).toBeGreaterThan(start);
    expect(detected_language).toBe('en');
    expect(warnings.map((warning) => warning.split(':')[0])).toEqual(['vad_onset']);
    expect(logs).toContain('transcribed by tiny-q5_1');
    expect(debug_info).toMatchObject({
      decode: { language: 'en', beam_size: 2, log_prob_threshold: -0.9, no_speech_threshold: 0.6 },
      model: { path: 'tiny-q5_1' },
    });
  });

  test('run and status, with every option that a request may hold; a secret among them is not seen again', async () => {
    const { id, status } = await endpoint().run({
      input: {
        ...{ audio_file: audio(), model: 'tiny-q5_1', language: null, compute_type: 'float16', batch_size: 32 },
        ...{ beam_size: 5, temperature: 0, temperature_increment_on_fallback: 0.2, length_penalty: 1.1 },
        ...{ vad_onset: 0.3, vad_offset: 0.25, min_duration_on: 0.08, min_duration_off: 0.08 },
        ...{ pad_onset: 0, pad_offset: 0, align_output: true, output_format: 'srt', diarization: true },
        ...{ huggingface_access_token: TOKEN, min_speakers: 1, max_speakers: 4, debug: false },
        ...{ no_speech_threshold: 0.6, log_prob_threshold: -1, compression_ratio_threshold: 2.4 },
      },
      policy: { executionTimeout: 60_000 },
    });
    expect(status).toBe('IN_QUEUE');
    const { last } = await ended(id);
    expect(last).toMatchObject({ id, status: 'COMPLETED', succeeded: true });
    expectSpeech(textOf(last.output));
    expect(last.output.detected_language).toBe('en');
    expect(last.output.transcription).toMatch(/^1\n00:00:0\d,\d{3} --> 00:00:1\d,\d{3}\nAnd so/);
    expect(last.output.debug_info).toBeUndefined();
    expect(last.output.warnings.map((warning) => warning.split(':')[0])).toEqual([
      ...['compute_type', 'batch_size', 'length_penalty', 'vad_onset', 'vad_offset', 'min_duration_on'],
      ...['min_duration_off', 'diarization', 'min_speakers', 'max_speakers', 'huggingface_access_token', 'policy'],
    ]);
    expect(JSON.stringify([last, gateway().log])).not.toContain(TOKEN);
    const outputs: { output: Output }[] = [];
    for await (const output of endpoint().stream(id)) outputs.push(output);
    expect(outputs.map(({ output }) => output)).toEqual([last.output]);
  });

  test('thresholds change what is heard', async () => {
    const input = { audio_file: audio(), language: null, beam_size: 1, temperature_increment_on_fallback: 0 };
    // Nothing is speech where every probability is too high for it and every score too low.
    const thresholds = { no_speech_threshold: 0, log_prob_threshold: 0 };
    const deaf = (await endpoint().runSync({ input: { ...input, ...thresholds } })) as Ended;
    expect(deaf.output.segments).toEqual([]);
    const usual = (await endpoint().runSync({ input })) as Ended;
    expectSpeech(textOf(usual.output));
  }, 120_000);

  test('audio that is not there: FAILED, in the answer and in the webhook', async () => {
    const webhook = `${web().url}/hook`;
    const { id } = await endpoint().run({ input: { audio_file: `${web().url}/none.wav` }, webhook });
    const { last } = await ended(id);
    expect(last).toMatchObject({ id, status: 'FAILED', succeeded: false, error: expect.stringContaining('404') });
    expect(last.output).toBeUndefined();
    await eventually(async () => expect(delivered).toHaveLength(1), ENDED_MS_MAX);
    expect(JSON.parse(delivered[0]?.text ?? '')).toMatchObject({ id, status: 'FAILED', error: last.error });
  });

  test('a webhook is sent what the status says', async () => {
    const job = (await endpoint().runSync({
      input: { audio_file: audio(), output_format: 'txt' },
      webhook: `${web().url}/hook`,
    })) as Ended & Record<string, unknown>;
    await eventually(async () => expect(delivered).toHaveLength(1), ENDED_MS_MAX);
    const { started, completed, succeeded, ...status } = job;
    expect([started, completed, succeeded]).toEqual([true, true, true]);
    expect(delivered[0]?.id).toContain(job.id);
    expect(JSON.parse(delivered[0]?.text ?? '')).toEqual(status);
  });

  test.each<[name: string, input: unknown, status: number, error: string]>([
    ['no audio', {}, 400, 'audio_file is required.'],
    ['a range', { audio_file: 'http://a.example/a.wav', beam_size: 0 }, 400, 'beam_size: '],
    ['a type', { audio_file: 'http://a.example/a.wav', temperature: '0' }, 400, 'temperature: '],
    ['a model', { audio_file: 'http://a.example/a.wav', model: 'none' }, 400, "The model 'none' is unknown."],
    ['no URL', { audio_file: 'speech.wav' }, 400, 'audio_file: '],
  ])('the SDK throws what is refused: %s', async (_name, input, status, error) => {
    const thrown = await endpoint()
      .run({ input })
      .catch((reason: SdkError) => reason.response);
    expect(thrown).toMatchObject({ status, data: { error: expect.stringContaining(error) } });
  });

  test('a wrong key and an unknown job', async () => {
    const statusOf = (asked: Promise<unknown>) => asked.catch(({ response }: SdkError) => response.status);
    expect(await statusOf(endpointAt(gateway().url).health())).toBe(401);
    expect(await statusOf(endpoint().status('nobody'))).toBe(404);
    expect(await statusOf(endpoint().cancel('nobody'))).toBe(404);
  });

  test('curl, with a key by itself', async () => {
    const url = `${gateway().url}/v2/any-name`;
    const headers = ['-H', `Authorization: ${KEY}`, '-H', 'Content-Type: application/json'];
    const input = JSON.stringify({ input: { audio_file: audio(), output_format: 'vtt' } });
    const answer = await curl(`${url}/runsync?wait=60000`, ...headers, '-d', input);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-request-id')).toMatch(/req_/);
    expect(JSON.parse(answer.body)).toMatchObject({
      status: 'COMPLETED',
      output: { transcription: expect.stringMatching(/^WEBVTT\n/) },
    });
    const health = await curl(`${url}/health`, ...headers);
    expect(JSON.parse(health.body).jobs.completed).toBeGreaterThan(0);
  });
});
