// Owns what is known of every published whisper model, and every name callers have for them. The data is in
// catalogue.json, which setup reads too. Knows nothing of what is on disk.
//
// `bytes` and the checksums are those the authors publish. `memoryMb` is what one engine takes with beam search and
// flash attention (weights included, the CUDA context of 200–500 MB not). Distilled models know English only, and
// cannot translate; neither can turbo.
import { z } from 'zod';
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
export const DEFAULTS = catalogue.defaults;
/** Vendor names → a model's name, or DEFAULT. */
export const ALIASES: ReadonlyMap<string, string> = new Map(Object.entries(catalogue.aliases));
export const DEFAULT = 'default';

/** What others wrap around the same names: `Systran/faster-whisper-small`, `ggml-base.en.bin`, `distil-whisper-large-v3-en`. */
const WRAPPINGS: [RegExp, string][] = [
  [/^\s+|\s+$/g, ''],
  [/^.*[\\/]/, ''],
  [/^ggml-/i, ''],
  [/\.bin$/i, ''],
  [/^(?:faster-)?(distil-)?whisper-/i, '$1'],
  [/-(?:ct2|ggml|mlx)$/i, ''],
  [/^(distil-.+)-en$/i, '$1'],
];

/** The model a name stands for: a name of the catalogue, DEFAULT, or what remains of a name that only the disk can know. */
export function meaningOf(asked: string): string {
  let name = asked;
  for (const [pattern, kept] of WRAPPINGS) {
    name = name.replace(pattern, kept);
    const alias = ALIASES.get(name.toLowerCase());
    if (alias) return alias;
  }
  return CATALOGUE.has(name.toLowerCase()) ? name.toLowerCase() : name;
}
