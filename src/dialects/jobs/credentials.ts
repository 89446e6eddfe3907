// How clients of this API say who they are: `Authorization: Bearer KEY`, `Authorization: Token KEY`, or `X-API-Key: KEY`.
import type { KeyRing } from '../../http/auth.ts';

function presentedKey(headers: Headers): string | undefined {
  const [, key] = /^(?:bearer|token)\s+(\S+)\s*$/i.exec(headers.get('authorization') ?? '') ?? [];
  return key ?? headers.get('x-api-key')?.trim();
}

/** Throws `key-missing` or `key-invalid`. */
export function authenticate(headers: Headers, { keys }: { keys: KeyRing }): void {
  keys.check(presentedKey(headers));
}

/** The other APIs know no such header. */
export function hasOwnKey(headers: Headers): boolean {
  return headers.has('x-api-key') && !headers.has('authorization');
}
