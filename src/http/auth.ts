// Owns the comparison of a presented key with the configured ones. How a key is presented (presented-key.ts has the usual
// ways), and what a refusal looks like, belongs to the dialects.
import { createHash, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../errors.ts';

export interface KeyRing {
  /** Nobody is asked for a key. */
  readonly isEmpty: boolean;
  /** Throws `key-missing` or `key-invalid`; returns for every caller when no keys are configured. */
  check(presented: string | undefined): void;
}

export function createKeyRing(keys: readonly string[]): KeyRing {
  // Digests have one length, so the comparison takes the same time whatever is presented.
  const digests = keys.map(digest);
  return {
    isEmpty: keys.length === 0,
    check(presented) {
      if (digests.length === 0) return;
      if (!presented) throw new GatewayError('key-missing', 'No API key was given.');
      const candidate = digest(presented);
      let known = false;
      for (const key of digests) known = timingSafeEqual(key, candidate) || known;
      if (!known) throw new GatewayError('key-invalid', 'The API key is not valid.');
    },
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
