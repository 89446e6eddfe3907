// How Deepgram's clients say who they are: `Token KEY`, or `Bearer` and a token that lasts for a while; browsers and recent
// SDKs name either in the subprotocols of a WebSocket, where they cannot set a header.
import type { DialectServices } from '../dialect.ts';

export interface Credential {
  kind: 'key' | 'token';
  value: string;
}

export function readCredential(headers: Headers): Credential | undefined {
  const [, scheme, value] =
    /^(token|bearer)\s+(\S+)\s*$/i.exec(headers.get('authorization') ?? '') ??
    /^\s*(token|bearer)\s*,\s*([^\s,]+)/i.exec(headers.get('sec-websocket-protocol') ?? '') ??
    [];
  if (!scheme || !value) return undefined;
  return { kind: scheme.toLowerCase() === 'token' ? 'key' : 'token', value };
}

/** Throws `key-missing` or `key-invalid`. A key is no token: `Bearer KEY` is refused, as Deepgram refuses it. */
export function authenticate(
  headers: Headers,
  { keys, tokens }: Pick<DialectServices, 'keys' | 'tokens'>,
): Credential | undefined {
  const credential = readCredential(headers);
  if (credential?.kind === 'token') tokens.check(credential.value);
  else keys.check(credential?.value);
  return credential;
}

/** OpenAI's clients send `Bearer` as well, but never what has the look of such a token. */
export function isDeepgramCredential(headers: Headers): boolean {
  return /^(token\s|bearer\s+eyJ[\w-]*\.[\w-]*\.[\w-]*\s*$)/i.test(headers.get('authorization') ?? '');
}
