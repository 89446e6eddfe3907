import { z } from 'zod';
import { env } from '../lib/env.ts';

export const httpSettings = z.object({
  HOST: env.text('127.0.0.1').describe('Address to listen on.'),
  PORT: env.integer(8080, { max: 65_535 }).describe('Port to listen on; 0 takes a free one.'),
  API_KEYS: env.list().describe('Keys that callers must present, separated by commas.'),
  ALLOW_ANONYMOUS: env
    .flag(false)
    .describe('Without `API_KEYS` the server listens on loopback only, unless this is `true`.'),
});
