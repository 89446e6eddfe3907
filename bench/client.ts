// A client of the gateway's OpenAI API that notes when what happened. Every request is given a prompt of its own, so that
// no two meet in the gateway's cache.
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Timed {
  /** From the first byte sent, each. */
  uploadedMs: number;
  firstTextMs: number;
  totalMs: number;
  text: string;
}

/** `audio` is a file's path or its bytes; `onText` hears each delta. */
export async function transcribe(
  url: string,
  audio: string | Buffer,
  { onText, signal }: { onText?: (text: string) => void; signal?: AbortSignal } = {},
): Promise<Timed> {
  const startedMs = performance.now();
  const boundary = randomUUID();
  const field = (name: string, value: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const head = Buffer.from(
    `${field('model', 'whisper-1')}${field('stream', 'true')}${field('prompt', randomUUID())}--${boundary}\r\n` +
      'Content-Disposition: form-data; name="file"; filename="audio"\r\nContent-Type: application/octet-stream\r\n\r\n',
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const bytes = typeof audio === 'string' ? (await stat(audio)).size : audio.length;
  const sent = request(`${url}/v1/audio/transcriptions`, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': head.length + bytes + tail.length,
    },
    ...(signal && { signal }),
  });
  const answered = new Promise<NodeJS.ReadableStream & { statusCode?: number }>((resolve, reject) => {
    sent.once('response', resolve);
    sent.once('error', reject);
  });
  answered.catch(() => {}); // the upload fails with it
  const body = async function* () {
    yield head;
    if (typeof audio === 'string') yield* createReadStream(audio, { highWaterMark: 1024 ** 2 });
    else yield audio;
    yield tail;
  };
  await pipeline(Readable.from(body()), sent);
  const uploadedMs = performance.now() - startedMs;

  const answer = await answered;
  let firstTextMs: number | undefined;
  let text: string | undefined;
  for await (const line of createInterface({ input: answer })) {
    if (answer.statusCode !== 200) throw new Error(`The gateway answered ${answer.statusCode}: ${line}`);
    if (!line.startsWith('data: {')) continue;
    const event = JSON.parse(line.slice('data: '.length)) as { type?: string; delta?: string; text?: string };
    if (event.type === 'transcript.text.delta') {
      firstTextMs ??= performance.now() - startedMs;
      onText?.(event.delta ?? '');
    } else if (event.type === 'transcript.text.done') text = event.text;
    else throw new Error(`The gateway sent: ${line}`);
  }
  const totalMs = performance.now() - startedMs;
  if (text === undefined || firstTextMs === undefined) throw new Error('The answer ended without a transcript.');
  return { uploadedMs, firstTextMs, totalMs, text };
}
