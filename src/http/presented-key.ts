// How programs say who they are where an API leaves that open, or asks for no key at all: `Authorization: Bearer KEY`,
// `Authorization: Token KEY`, the key by itself, or `X-API-Key: KEY`. And what the API's own description says of it.
import type { OpenAPIHono } from '@hono/zod-openapi';

const DESCRIPTION = 'One of the keys in `API_KEYS`. Not needed where the server has none.';
const BEARER = 'Key';
const HEADER = 'KeyHeader';

/** Of a route in the description. */
export const keySecurity = [{ [BEARER]: [] }, { [HEADER]: [] }];

export function describeKey(registry: OpenAPIHono['openAPIRegistry']): void {
  registry.registerComponent('securitySchemes', BEARER, { type: 'http', scheme: 'bearer', description: DESCRIPTION });
  registry.registerComponent('securitySchemes', HEADER, {
    ...{ type: 'apiKey', in: 'header', name: 'X-API-Key', description: DESCRIPTION },
  });
}

/** A scheme with nothing behind it is no key, and what `Basic` holds is none either. */
export function presentedKey(headers: Headers): string | undefined {
  const [, key] =
    /^(?:(?:bearer|token)\s+)?(?!(?:bearer|token)$)(\S+)\s*$/i.exec(headers.get('authorization') ?? '') ?? [];
  return key ?? (headers.get('x-api-key')?.trim() || undefined);
}
