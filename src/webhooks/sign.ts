// The Standard Webhooks scheme: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
import { createHmac } from 'node:crypto';
import { GatewayError } from '../errors.ts';

const PREFIX = 'whsec_';

/** Bytes behind `whsec_` are base64, as the scheme's own tools write them; any other text is its own bytes. */
export function readSecret(text: string): Buffer {
  if (!text.startsWith(PREFIX)) return Buffer.from(text);
  const encoded = text.slice(PREFIX.length);
  const secret = Buffer.from(encoded, 'base64');
  const withoutPadding = (base64: string) => base64.replace(/=+$/, '');
  if (secret.length === 0 || withoutPadding(secret.toString('base64')) !== withoutPadding(encoded)) {
    throw new GatewayError('setup-incomplete', `WEBHOOK_SECRET begins with ${PREFIX}, but base64 does not follow.`);
  }
  return secret;
}

export interface Signing {
  secret: Buffer;
  id: string;
  timestampSeconds: number;
  body: Uint8Array;
}

/** The value of `webhook-signature`. */
export function sign({ secret, id, timestampSeconds, body }: Signing): string {
  const hash = createHmac('sha256', secret).update(`${id}.${timestampSeconds}.`).update(body);
  return `v1,${hash.digest('base64')}`;
}
