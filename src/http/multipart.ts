// Owns the reading of multipart/form-data as a stream: the file's bytes go through, fields are kept, every limit is
// enforced as bytes arrive. What the fields mean is the dialects' business, where the file goes its receiver's.
import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy';
import { GatewayError } from '../errors.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { discardRest, REST_BYTES_MAX } from './discard-rest.ts';

export const FORM_LIMITS = {
  fieldsMax: 200,
  /** Fields and files. */
  partsMax: 220,
  fieldNameBytesMax: 200,
  fieldValueBytesMax: 64 * 1024,
  partHeaderBytesMax: 16 * 1024,
  /** Everything that is not inside a file: values, part headers, boundaries, and what stands before and after the parts. */
  formBytesMax: 1024 ** 2,
};

export interface FilePart {
  name: string;
  filename: string | undefined;
  contentType: string;
}

export interface MultipartOptions<File> {
  /** Largest body, files and fields together. */
  bytesMax: number;
  /** How long the body may stand still while we are ready to take more. */
  idleMs: number;
  signal: AbortSignal;
  clock?: Clock;
  /** The first file under this name is taken; other files are read past. */
  fileField: string;
  /** Reads `stream` to its end, or rejects. `fields` are those that came before the file. */
  onFile(part: FilePart, stream: Readable, fields: readonly [name: string, value: string][]): Promise<File>;
}

export interface Form<File> {
  fields: [name: string, value: string][];
  file: File | undefined;
}

/**
 * Reads the whole form. When it fails, a file already taken is released, and what the client still sends is discarded
 * within bounds before this rejects, so that the answer reaches clients that read nothing until they have sent all.
 */
export async function readMultipart<File extends { release(): Promise<void> }>(
  body: Readable,
  headers: Headers,
  options: MultipartOptions<File>,
): Promise<Form<File>> {
  const length = Number(headers.get('content-length') ?? 0);
  body.on('error', () => {}); // a connection that breaks is noticed by its close; unheard, the error would end the process
  try {
    options.signal.throwIfAborted();
    if (body.destroyed) throw malformed('The connection closed before the body had arrived.');
    if (length > options.bytesMax) throw tooLarge(options.bytesMax);
    return await readForm(body, createParser(headers.get('content-type') ?? ''), options);
  } catch (thrown) {
    const isWorthIt = length <= options.bytesMax + REST_BYTES_MAX && !isStalled(thrown);
    if (isWorthIt) await discardRest(body, { signal: options.signal, ...(options.clock && { clock: options.clock }) });
    throw thrown;
  }
}

function createParser(contentType: string): BusboyInstance {
  if (!/^multipart\/form-data\b/i.test(contentType)) throw malformed('The request body must be multipart/form-data.');
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      // Some clients send a file without a file name.
      isPartAFile: (_name, type = '', filename) =>
        filename !== undefined || /^(audio\/|video\/|application\/octet-stream$)/.test(type),
      limits: {
        fields: FORM_LIMITS.fieldsMax,
        parts: FORM_LIMITS.partsMax,
        fieldSize: FORM_LIMITS.fieldValueBytesMax,
        headerSize: FORM_LIMITS.partHeaderBytesMax,
      },
    });
  } catch (cause) {
    throw malformed('The Content-Type header has no usable multipart boundary.', cause);
  }
}

async function readForm<File extends { release(): Promise<void> }>(
  body: Readable,
  parser: BusboyInstance,
  options: MultipartOptions<File>,
): Promise<Form<File>> {
  const fields: [string, string][] = [];
  const parsed = Promise.withResolvers<void>();
  const fail = parsed.reject;
  let current: BusboyFileStream | undefined;
  let finishedFileBytes = 0;
  let taken: Promise<File> | undefined;

  parser.on('field', (name: string | undefined, value, _nameTruncated, valueTruncated) => {
    if (name === undefined) return fail(malformed('A form field has no name.'));
    if (name.length > FORM_LIMITS.fieldNameBytesMax) return fail(malformed('The name of a form field is too long.'));
    if (valueTruncated) return fail(valueTooLong(name));
    fields.push([name, value]);
  });
  parser.on('file', (name: string | undefined, stream, filename, _encoding, contentType) => {
    finishedFileBytes += current?.bytesRead ?? 0;
    current = stream;
    stream.on('error', () => {}); // the parser reports it too
    if (taken || name !== options.fileField) return void stream.resume();
    taken = options.onFile({ name, filename, contentType }, stream, fields);
    taken.then(() => assert(stream.readableEnded, 'A file was left unread.')).catch(fail);
  });
  parser.on('fieldsLimit', () => fail(malformed(`The form has more than ${FORM_LIMITS.fieldsMax} fields.`)));
  parser.on('partsLimit', () => fail(malformed(`The form has more than ${FORM_LIMITS.partsMax} parts.`)));
  parser.on('error', (cause) => fail(malformed('The multipart body is broken or incomplete.', cause)));
  parser.on('finish', parsed.resolve);

  const fileBytes = () => finishedFileBytes + (current?.bytesRead ?? 0);
  const stop = pump(body, parser, fileBytes, options, fail);
  try {
    await parsed.promise;
    return { fields, file: await taken };
  } catch (thrown) {
    stop();
    current?.destroy(thrown as Error);
    const file = await taken?.catch(() => undefined);
    await file?.release();
    throw thrown;
  } finally {
    stop();
  }
}

/** Moves the body into the parser, as fast as the parser takes it, and watches over it. Returns what stops it. */
function pump(
  body: Readable,
  parser: BusboyInstance,
  fileBytes: () => number,
  options: Pick<MultipartOptions<unknown>, 'bytesMax' | 'idleMs' | 'signal' | 'clock'>,
  fail: (reason: unknown) => void,
): () => void {
  const { bytesMax, idleMs, signal, clock = systemClock } = options;
  let bytes = 0;
  let lastByteAtMs = clock.nowMs();
  let cancelTimer = () => {};

  const onData = (chunk: Buffer) => {
    bytes += chunk.length;
    lastByteAtMs = clock.nowMs();
    if (bytes > bytesMax) return refuse(tooLarge(bytesMax));
    // What the parser has not looked at yet may be a file's.
    if (bytes - chunk.length - parser.writableLength - fileBytes() > FORM_LIMITS.formBytesMax) {
      return refuse(malformed('The form without its file is too large.'));
    }
    if (!parser.write(chunk)) body.pause();
  };
  const onDrain = () => {
    lastByteAtMs = clock.nowMs();
    body.resume();
  };
  const onEnd = () => {
    cancelTimer();
    parser.end();
  };
  const onClose = () => {
    if (!body.readableEnded) refuse(malformed('The connection closed before the whole body had arrived.'));
  };
  const onAbort = () => refuse(signal.reason);
  const watch = (delayMs: number) => {
    cancelTimer = clock.after(delayMs, () => {
      // One timer per silence, not per chunk. While the body is paused it is we who are slow.
      const leftMs = body.isPaused() ? idleMs : idleMs - (clock.nowMs() - lastByteAtMs);
      if (leftMs <= 0) refuse(stalled(idleMs));
      else watch(leftMs);
    });
  };
  const stop = () => {
    cancelTimer();
    signal.removeEventListener('abort', onAbort);
    parser.off('drain', onDrain);
    body.off('data', onData).off('end', onEnd).off('close', onClose).pause();
  };
  const refuse = (reason: unknown) => {
    stop();
    fail(reason);
  };

  parser.on('drain', onDrain);
  signal.addEventListener('abort', onAbort);
  body.on('data', onData).on('end', onEnd).on('close', onClose);
  watch(idleMs);
  return stop;
}

function tooLarge(bytesMax: number): GatewayError {
  return new GatewayError('body-too-large', `The request body is larger than ${bytesMax} bytes.`);
}

function valueTooLong(name: string): GatewayError {
  return new GatewayError(
    'field-invalid',
    `The value of this field is longer than ${FORM_LIMITS.fieldValueBytesMax} bytes.`,
    {
      field: name,
    },
  );
}

function malformed(message: string, cause?: unknown): GatewayError {
  return new GatewayError('body-malformed', message, { cause });
}

function stalled(idleMs: number): GatewayError {
  return new GatewayError('upload-stalled', `The upload sent nothing for ${idleMs / 1000} seconds.`);
}

function isStalled(thrown: unknown): boolean {
  return thrown instanceof GatewayError && thrown.code === 'upload-stalled';
}
