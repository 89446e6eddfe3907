// Requests made by hand: for clients that have no SDK here, and for bodies that no SDK would send.
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';

export type Field = [name: string, value: string];

export interface FilePart {
  bytes: Buffer<ArrayBuffer>;
  name?: string;
  type?: string;
}

/** A form with its file last, as most clients send it. */
export function formOf(fields: Field[], file?: FilePart): FormData {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  if (file) form.append('file', new Blob([file.bytes], { type: file.type ?? 'audio/wav' }), file.name ?? 'audio.wav');
  return form;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

export async function transcribe(
  url: string,
  body: FormData,
  { path = '/v1/audio/transcriptions', ...init }: RequestInit & { path?: string } = {},
): Promise<Answer> {
  const answer = await fetch(`${url}${path}`, { method: 'POST', ...init, body });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}

/** OpenAI's envelope, exactly: one object of four keys, and an id on the answer. Returns the message. */
export function expectError(
  answer: Answer,
  status: number,
  { type = 'invalid_request_error', param = null, code = null }: Partial<Omit<ErrorBody['error'], 'message'>> = {},
): string {
  expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
  const body: ErrorBody = JSON.parse(answer.text);
  expect({ status: answer.status, body }).toEqual({
    status,
    body: { error: { message: expect.stringMatching(/\S/), type, param, code } },
  });
  expect(answer.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
  return body.error.message;
}

/** The bytes of a form as they go over the wire, so that a case can cut, reorder or misname them. */
export function wireForm(
  parts: ({ name: string; value: string } | { name: string; file: Buffer; filename?: string; type?: string })[],
  boundary = 'compat-boundary',
): Buffer {
  const pieces = parts.flatMap((part) => {
    const isFile = 'file' in part;
    const filename = isFile ? `; filename="${part.filename ?? 'audio.wav'}"` : '';
    const type = isFile ? `Content-Type: ${part.type ?? 'application/octet-stream'}\r\n` : '';
    return [
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${part.name}"${filename}\r\n${type}\r\n`),
      isFile ? part.file : Buffer.from(part.value),
      Buffer.from('\r\n'),
    ];
  });
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

export async function sendBytes(
  url: string,
  body: Buffer,
  contentType = 'multipart/form-data; boundary=compat-boundary',
): Promise<Answer> {
  const answer = await fetch(`${url}/v1/audio/transcriptions`, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body: new Uint8Array(body),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

/** An upload over a bare socket that announces `contentLength` bytes, sends `body` and then nothing more. */
export function openUpload(
  url: string,
  body: Buffer,
  contentLength: number,
): { socket: Socket; answer: Promise<Answer> } {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `POST /v1/audio/transcriptions HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
      `Content-Type: multipart/form-data; boundary=compat-boundary\r\nContent-Length: ${contentLength}\r\n` +
      'Connection: close\r\n\r\n',
  );
  socket.write(body);
  const answer = new Promise<Answer>((resolve, reject) => {
    let received = '';
    socket.setEncoding('utf8').on('data', (text) => {
      received += text;
    });
    socket.once('error', reject);
    socket.once('close', () => {
      const [head = '', ...rest] = received.split('\r\n\r\n');
      const [statusLine = '', ...headerLines] = head.split('\r\n');
      const headers = new Headers(headerLines.map((line) => line.split(': ', 2) as [string, string]));
      const text = rest.join('\r\n\r\n');
      resolve({
        status: Number(statusLine.split(' ')[1]),
        headers,
        text: headers.get('transfer-encoding') === 'chunked' ? (text.split('\r\n')[1] ?? '') : text,
      });
    });
  });
  // A case that only hangs up does not look at the answer.
  answer.catch(() => {});
  return { socket, answer };
}

/** The records of a finished event stream; throws on anything that is not `data:`, a comment or a blank line. */
export function streamRecords(body: string): string[] {
  expect(body).toMatch(/\n\n$/);
  return body
    .slice(0, -2)
    .split('\n\n')
    .filter((record) => !record.startsWith(':'))
    .map((record) => {
      expect(record).toMatch(/^data: [^\n]*$/);
      return record.slice('data: '.length);
    });
}
