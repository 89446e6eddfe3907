// How RunPod's clients say who they are: `Authorization: Bearer KEY`, or the key by itself.
import type { KeyRing } from '../../http/auth.ts';

/** Throws `key-missing` or `key-invalid`. */
export function authenticate(headers: Headers, { keys }: { keys: KeyRing }): void {
  keys.check(/^(?:bearer\s+)?(\S+)\s*$/i.exec(headers.get('authorization') ?? '')?.[1]);
}
