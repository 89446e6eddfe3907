// What every API's own description says alike of its answers.
import type { z } from '@hono/zod-openapi';

export const requestIdHeader = { description: 'Names this request in the logs.', schema: { type: 'string' as const } };
export const retryAfterHeader = {
  description: 'Seconds after which to try again, at least 1.',
  schema: { type: 'integer' as const, minimum: 1 },
};

export function jsonAnswer(description: string, schema: z.ZodType, headers: object = {}) {
  return {
    description,
    headers: { 'x-request-id': requestIdHeader, ...headers },
    content: { 'application/json': { schema } },
  };
}
