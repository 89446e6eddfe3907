import { z } from 'zod';
import { env } from '../lib/env.ts';
import { allowPrivateUrls } from '../lib/safe-url.ts';

export const webhooksSettings = z.object({
  WEBHOOK_SECRET: env
    .text()
    .describe('Signs webhooks by the Standard Webhooks scheme: `whsec_` and base64, or any text. Unset: unsigned.'),
  WEBHOOK_RETRIES_MAX: env.integer(10, { max: 100 }).describe('How often a webhook that failed is sent again.'),
  WEBHOOK_RETRY_SECONDS: env.number(30, { max: 3600 }).describe('Seconds between two attempts to deliver a webhook.'),
  WEBHOOK_SECONDS_MAX: env.number(30, { min: 0.1 }).describe('How long the receiver of a webhook may take to answer.'),
  WEBHOOK_DELIVERIES_MAX: env.integer(8, { min: 1 }).describe('How many webhooks may be under way at a time.'),
  WEBHOOK_DELIVERIES_PER_HOST_MAX: env.integer(4, { min: 1 }).describe('How many of them may go to one host.'),
  WEBHOOK_BODY_BYTES_MAX: env.integer(64 * 1024 ** 2, { min: 1 }).describe('Largest body of a webhook, in bytes.'),
  WEBHOOK_QUEUE_MAX: env.integer(10_000, { min: 1 }).describe('How many webhooks are kept, waiting or failed.'),
  WEBHOOK_QUEUE_BYTES_MAX: env
    .integer(1024 ** 3, { min: 1 })
    .describe('Disk space that the bodies of kept webhooks may take, in bytes.'),
  WEBHOOK_FAILED_RETENTION_SECONDS: env
    .integer(604_800)
    .describe('How long a webhook that was given up is kept to be looked at.'),
  ALLOW_PRIVATE_URLS: allowPrivateUrls,
});

export type WebhooksSettings = z.infer<typeof webhooksSettings>;
