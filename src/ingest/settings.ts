import { z } from 'zod';
import { env } from '../lib/env.ts';
import { allowPrivateUrls } from '../lib/safe-url.ts';

export const ingestSettings = z.object({
  UPLOAD_BYTES_MAX: env.integer(2 * 1024 ** 3, { min: 1 }).describe('Largest request body with audio, in bytes.'),
  UPLOAD_IDLE_SECONDS: env
    .number(30, { min: 0.1 })
    .describe('An upload, or the server of a URL, that sends nothing for this long is given up.'),
  UPLOAD_SECONDS_MAX: env.number(3600, { min: 1 }).describe('How long one upload may take to arrive.'),
  UPLOADS_MAX: env.integer(256, { min: 1 }).describe('How many uploads may be arriving at a time.'),
  URL_FETCH_SECONDS_MAX: env.number(300, { min: 1 }).describe('How long the audio of a URL may take to arrive.'),
  URL_REDIRECTS_MAX: env.integer(5, { max: 20 }).describe('How many redirects of a URL are followed.'),
  ALLOW_PRIVATE_URLS: allowPrivateUrls,
  CHUNK_SECONDS_MIN: env
    .number(20, { min: 1, max: 28 })
    .describe('A long recording is cut at the longest pause after this many seconds of a chunk.'),
  CHUNK_SECONDS_MAX: env
    .number(28, { min: 10, max: 28 })
    .describe('The longest chunk. Engines hear 30 seconds at a time and invent text in what is a little longer.'),
  AUDIO_SECONDS_MAX: env.number(14_400, { min: 1 }).describe('Longest audio accepted, in seconds.'),
  SPOOL_BYTES_MAX: env
    .integer(16 * 1024 ** 3, { min: 1 })
    .describe('Room that uploads and decoded audio may take together, nearly all of it on disk, in bytes.'),
  DECODES_MAX: env.integer(4, { min: 1 }).describe('How many `ffmpeg` processes may run at a time.'),
  DECODES_WAITING_MAX: env
    .integer(256)
    .describe('How many uploads may wait for `ffmpeg`; beyond that they are refused.'),
  DECODE_SECONDS_MAX: env.number(300, { min: 1 }).describe('How long `ffmpeg` may work on one upload.'),
  DECODE_MEMORY_BYTES_MAX: env
    .integer(2 * 1024 ** 3, { min: 1024 ** 3 })
    .describe('Address space that one `ffmpeg` process may take.'),
  FFMPEG_BIN: env.text('ffmpeg').describe('The `ffmpeg` program: a name on the PATH or a path.'),
});

export type IngestSettings = z.infer<typeof ingestSettings>;
