// Owns what is known of every published whisper model, and every name callers have for them. The data is in
// catalogue.json, which setup reads too. Knows nothing of what is on disk.
//
// `bytes` and the checksums are those the authors publish. `memoryMb` is all that one engine takes of a GPU, so it can be
// held against what the GPU has: weights and buffers with beam search and flash attention, and 400 for the CUDA context
// (published figures say 200 to 500). `multilingual` is what a model understands, not what its vocabulary could say:
// distilled models have every language's tokens and know English only. Neither they nor turbo can translate.
import assert from 'node:assert';
import { z } from 'zod';
import * as names from '../../backends/model-names.mjs';
import data from './catalogue.json' with { type: 'json' };

const source = z.union([
  z.strictObject({ url: z.url({ protocol: /^https$/ }) }),
  z.strictObject({ npmPackage: z.string(), member: z.string() }),
]);

const entry = z.strictObject({
  bytes: z.int().positive().nullable(),
  sha256: z.hash('sha256').optional(),
  sha1: z.hash('sha1').optional(),
  rank: z.int().min(0),
  memoryMb: z.int().positive(),
  multilingual: z.boolean(),
  translates: z.boolean(),
  timestamps: z.boolean(),
  sources: z.array(source).min(1),
});

const catalogue = z
  .strictObject({
    models: z.record(z.string(), entry),
    /** Best first. */
    defaults: z.strictObject({ gpu: z.array(z.string()), cpu: z.array(z.string()) }),
    /** What the project's own tests run on, first come first served. */
    tests: z.array(z.string()),
    aliases: z.record(z.string(), z.string()),
  })
  .parse(data);

export type CatalogueEntry = z.infer<typeof entry>;
export type Source = z.infer<typeof source>;

export const CATALOGUE: ReadonlyMap<string, CatalogueEntry> = new Map(Object.entries(catalogue.models));

/** For names that are known to be in it. */
export function published(model: string): CatalogueEntry {
  const known = CATALOGUE.get(model);
  assert(known, `${model} is not in the catalogue`);
  return known;
}

export const DEFAULTS = catalogue.defaults;
/** Vendor names → a model's name, or 'default'. */
export const ALIASES: ReadonlyMap<string, string> = new Map(Object.entries(catalogue.aliases));

/** A file's name, a name of the catalogue, or what remains of a name that nobody knows; null for the default. */
export function meaningOf(asked: string, isFile: (name: string) => boolean): string | null {
  return names.meaningOf(asked, catalogue, isFile);
}
