// Owns keys that expire: what a holder of a lasting key hands to a browser. They are JSON Web Tokens (HS256) signed with
// our own secret and all lasting keys, so they are stored nowhere, outlive a restart, and end when any key is withdrawn.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';

export interface TemporaryTokens {
  mint(lifetimeSeconds: number): string;
  /** Throws `key-invalid`; returns for every caller when no lasting keys are configured. */
  check(token: string): void;
}

const HEADER = encode({ alg: 'HS256', typ: 'JWT' });
const CONTEXT = 'whispergate temporary token';
const payload = z.object({ exp: z.number() });

export function createTemporaryTokens(
  keys: readonly string[],
  secret: Uint8Array,
  epochMs: () => number = Date.now,
): TemporaryTokens {
  // With the keys alone, whoever holds a token could try out keys until one has its signature.
  const signingKey = createHmac('sha256', secret)
    .update([CONTEXT, ...keys].join('\n'))
    .digest();
  const sign = (text: string) => createHmac('sha256', signingKey).update(text).digest();

  return {
    mint(lifetimeSeconds) {
      const issuedSeconds = epochMs() / 1000;
      // In whole seconds, and not an instant less than was promised.
      const claims = { iat: Math.floor(issuedSeconds), exp: Math.ceil(issuedSeconds + lifetimeSeconds) };
      const content = `${HEADER}.${encode(claims)}`;
      return `${content}.${sign(content).toString('base64url')}`;
    },
    check(token) {
      if (keys.length === 0) return;
      const [header = '', body = '', signature = '', ...more] = token.split('.');
      const given = Buffer.from(signature, 'base64url');
      const own = sign(`${header}.${body}`);
      const isGenuine = more.length === 0 && given.length === own.length && timingSafeEqual(given, own);
      // Only what we signed ourselves is ever parsed.
      if (!isGenuine || payload.parse(decode(body)).exp * 1000 <= epochMs()) {
        throw new GatewayError('key-invalid', 'The token is not valid, or no longer.');
      }
    },
  };
}

function encode(content: object): string {
  return Buffer.from(JSON.stringify(content)).toString('base64url');
}

function decode(text: string): unknown {
  return JSON.parse(Buffer.from(text, 'base64url').toString());
}
