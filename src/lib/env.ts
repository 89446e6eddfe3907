// Zod types for settings that arrive as environment variables. An empty variable counts as unset, as in shells and compose files.
import { z } from 'zod';

const unsetWhenEmpty = (value: unknown) => (typeof value === 'string' && value.trim() === '' ? undefined : value);

function text(): z.ZodPreprocess<z.ZodOptional<z.ZodString>>;
function text(fallback: string): z.ZodPreprocess<z.ZodDefault<z.ZodString>>;
function text(fallback?: string) {
  return z.preprocess(unsetWhenEmpty, fallback === undefined ? z.string().optional() : z.string().default(fallback));
}

export const env = {
  text,
  integer: (fallback: number, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}) =>
    z.preprocess(unsetWhenEmpty, z.coerce.number().int().min(min).max(max).default(fallback)),
  number: (fallback: number, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}) =>
    z.preprocess(unsetWhenEmpty, z.coerce.number().min(min).max(max).default(fallback)),
  flag: (fallback: boolean) =>
    z.preprocess(
      (value) => (typeof value === 'string' ? unsetWhenEmpty(value.toLowerCase()) : value),
      z
        .enum(['true', 'false', '1', '0', 'yes', 'no', 'on', 'off'])
        .default(fallback ? 'true' : 'false')
        .transform((word) => ['true', '1', 'yes', 'on'].includes(word)),
    ),
  list: () =>
    z.preprocess(
      unsetWhenEmpty,
      z
        .string()
        .transform((text) =>
          text
            .split(',')
            .map((item) => item.trim())
            .filter((item) => item !== ''),
        )
        .default([]),
    ),
};
