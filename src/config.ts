// Joins every folder's slice of the settings; the only reader of the environment. Reports every bad setting at once.
import { z } from 'zod';
import { cacheSettings } from './cache/settings.ts';
import { jobsApiSettings } from './dialects/jobs/settings.ts';
import { runpodSettings } from './dialects/runpod/settings.ts';
import { GatewayError } from './errors.ts';
import { httpSettings } from './http/settings.ts';
import { ingestSettings } from './ingest/settings.ts';
import { jobsSettings } from './jobs/settings.ts';
import { env } from './lib/env.ts';
import { modelsSettings } from './models/settings.ts';
import { poolSettings } from './pool/settings.ts';
import { scheduleSettings } from './schedule/settings.ts';
import { webhooksSettings } from './webhooks/settings.ts';

const processSettings = z.object({
  DATA_DIR: env.text('data').describe('Folder of the spool, the cache and run files. One gateway per folder.'),
  LOG_LEVEL: z
    .preprocess(
      (value) => (value === '' ? undefined : value),
      z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    )
    .describe('How much is logged: `trace`, `debug`, `info`, `warn`, `error` or `silent`.'),
  SHUTDOWN_SECONDS: env.integer(30).describe('How long running work may take to finish after SIGTERM.'),
});

/** In the order of the README's table. */
export const settingsSchema = z.object({
  ...httpSettings.shape,
  ...processSettings.shape,
  ...modelsSettings.shape,
  ...poolSettings.shape,
  ...scheduleSettings.shape,
  ...ingestSettings.shape,
  ...cacheSettings.shape,
  ...jobsSettings.shape,
  ...jobsApiSettings.shape,
  ...webhooksSettings.shape,
  ...runpodSettings.shape,
});

const SECRETS = [
  ...(['API_KEYS', 'WEBHOOK_SECRET', 'MODELS_DATABASE_URL'] as const),
  ...(['HUGGINGFACE_ACCESS_TOKEN', 'HF_TOKEN'] as const),
] satisfies (keyof Settings)[];

export type Settings = z.infer<typeof settingsSchema>;

export interface Config {
  settings: Settings;
  /** For the programs we start. */
  environment: NodeJS.ProcessEnv;
}

export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const parsed = settingsSchema.safeParse(environment);
  if (!parsed.success) {
    const complaints = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
    throw new GatewayError('setup-incomplete', `These settings are not valid:\n${complaints.join('\n')}`);
  }
  const settings = parsed.data;
  const isLoopback = ['127.0.0.1', '::1', 'localhost'].includes(settings.HOST);
  if (settings.API_KEYS.length === 0 && !isLoopback && !settings.ALLOW_ANONYMOUS) {
    throw new GatewayError(
      'setup-incomplete',
      `HOST=${settings.HOST} can be reached from other machines and no API_KEYS are set. ` +
        'Set API_KEYS, or ALLOW_ANONYMOUS=true if anyone who can reach the server may use it.',
    );
  }
  // What is secret is known here now; the programs we start inherit the rest.
  for (const name of SECRETS) delete environment[name];
  return { settings, environment };
}
