// Owns the reading of multipart/form-data as a stream: the file's bytes go through, fields are kept, every limit is
// enforced as bytes arrive. What the fields mean is the dialects' business, where the file goes its receiver's.
import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy';
import { GatewayError } from '../errors.ts';
import { type BodyOptions, lengthOf, malformed, pump, readWithin } from './body.ts';

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
  /** Its bytes are no more than these, the whole form's; undefined where nobody knows. */
  bytesMax: number | undefined;
}

const FILENAME_CHARACTERS_MAX = 255;

/** As it is shown to people. Some clients send the whole path. */
export function shownFilename({ filename }: Pick<FilePart, 'filename'>): string | null {
  return filename?.split(/[\\/]/).at(-1)?.slice(0, FILENAME_CHARACTERS_MAX) || null;
}

export interface MultipartOptions<File> extends BodyOptions {
  /** The first file under this name, or one of these, is taken; other files are read past. */
  fileField: string | readonly string[];
  /** Reads `stream` to its end, or rejects. `fields` are those that came before the file. */
  onFile(part: FilePart, stream: Readable, fields: readonly [name: string, value: string][]): Promise<File>;
}

export interface Form<File> {
  fields: [name: string, value: string][];
  file: File | undefined;
}

/** Reads the whole form. When it fails, a file already taken is released. */
export async function readMultipart<File extends { release(): Promise<void> }>(
  body: Readable,
  headers: Headers,
  options: MultipartOptions<File>,
): Promise<Form<File>> {
  return readWithin(body, headers, options, () =>
    readForm(body, createParser(headers.get('content-type') ?? ''), lengthOf(headers), options),
  );
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
  bytesMax: number | undefined,
  options: MultipartOptions<File>,
): Promise<Form<File>> {
  const fileFields = [options.fileField].flat();
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
    if (name === undefined || taken || !fileFields.includes(name)) return void stream.resume();
    taken = options.onFile({ name, filename, contentType, bytesMax }, stream, fields);
    taken.then(() => assert(stream.readableEnded, 'A file was left unread.')).catch(fail);
  });
  parser.on('fieldsLimit', () => fail(malformed(`The form has more than ${FORM_LIMITS.fieldsMax} fields.`)));
  parser.on('partsLimit', () => fail(malformed(`The form has more than ${FORM_LIMITS.partsMax} parts.`)));
  parser.on('error', (cause) => fail(malformed('The multipart body is broken or incomplete.', cause)));
  parser.on('finish', parsed.resolve);

  const fileBytes = () => finishedFileBytes + (current?.bytesRead ?? 0);
  const inspect = (bytesBefore: number) => {
    // What the parser has not looked at yet may be a file's.
    if (bytesBefore - parser.writableLength - fileBytes() > FORM_LIMITS.formBytesMax) {
      throw malformed('The form without its file is too large.');
    }
  };
  const stop = pump(body, parser, { ...options, inspect }, fail);
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

function valueTooLong(name: string): GatewayError {
  return new GatewayError(
    'field-invalid',
    `The value of '${name}' is longer than ${FORM_LIMITS.fieldValueBytesMax} bytes.`,
    {
      field: name,
    },
  );
}
