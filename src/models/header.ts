// What a ggml file says of itself: whether it is a whisper model at all, and what follows from its dimensions.
import { open } from 'node:fs/promises';
import { z } from 'zod';
import { CATALOGUE } from './catalogue.ts';
import type { Model } from './model.ts';

/** Bytes of "ggml" as the engine reads them: one little-endian number. */
const MAGIC = 0x67676d6c;
const FIELDS = [
  'vocabulary',
  'audioContext',
  'audioState',
  'audioHeads',
  'audioLayers',
  'textContext',
  'textState',
  'textHeads',
  'textLayers',
  'mels',
  'format',
] as const;
const HEADER_BYTES = 4 * (1 + FIELDS.length);

/** Wide enough for any fine-tune; other ggml files (voice activity, other architectures) fall outside. */
const header = z
  .object({
    vocabulary: z.int().min(50_000).max(60_000),
    audioState: z.int().min(64).max(4096),
    audioLayers: z.int().min(1).max(128),
    textState: z.int(),
    textLayers: z.int().min(1).max(128),
    mels: z.int().min(1).max(512),
  })
  .refine(({ audioState, textState }) => audioState === textState);

export type Header = z.infer<typeof header>;
export type Traits = Pick<Model, 'rank' | 'memoryMb' | 'multilingual' | 'translates' | 'timestamps'>;

/** Throws an Error that says why the file cannot be served. */
export async function readHeader(path: string): Promise<Header> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    if (bytesRead < HEADER_BYTES || buffer.readUInt32LE(0) !== MAGIC) throw new Error('it is not a ggml file');
    const fields = Object.fromEntries(FIELDS.map((field, index) => [field, buffer.readInt32LE(4 * (index + 1))]));
    const parsed = header.safeParse(fields);
    if (!parsed.success) throw new Error('it is a ggml file, but not of a whisper model');
    return parsed.data;
  } finally {
    await file.close();
  }
}

/** The catalogue's model of the same build. Its figures stand for files that the catalogue does not know. */
function relativeOf({ audioState, textLayers }: Header): string {
  if (audioState <= 384) return 'tiny';
  if (audioState <= 512) return 'base';
  if (audioState <= 768) return 'small';
  if (audioState <= 1024) return 'medium';
  return textLayers <= 4 ? 'large-v3-turbo' : 'large-v3';
}

export function traitsOf(header: Header, bytes: number): Traits {
  const relative = CATALOGUE.get(relativeOf(header));
  const multilingual = header.vocabulary >= 51_865;
  return {
    rank: relative?.rank ?? 0,
    // Everything but the weights depends on the dimensions alone.
    memoryMb: Math.round((relative?.memoryMb ?? 0) + (bytes - (relative?.bytes ?? 0)) / 1e6),
    multilingual,
    // Decoders that were cut down (turbo, distilled) were trained to transcribe only.
    translates: multilingual && header.textLayers >= header.audioLayers,
    // The engine's own rule: it takes such a file for an early distilled model and forces timestamps off.
    timestamps: !(header.textLayers === 2 && header.vocabulary !== 51_866),
  };
}
