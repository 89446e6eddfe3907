// The shapes on the wire of the WhisperServer service. Rendered into the API's own description.
import { z } from '@hono/zod-openapi';

/** In the URL, or as fields of the form. */
export const transcribeQuery = z.object({
  model: z.string().default('default').openapi({
    description: 'A model of this server; its default when absent. Small ones have their turn first.',
    example: 'base',
  }),
  language: z.string().optional().openapi({
    description: 'Language of the audio (`en`, `english`); detected when absent.',
    example: 'en',
  }),
});

export const transcribeForm = z
  .object({ file: z.file().openapi({ type: 'string', format: 'binary', description: 'Audio, or video with sound.' }) })
  .openapi('WhisperServerForm');

export const textBody = z.object({ text: z.string() }).openapi('WhisperServerText');
export const errorBody = z.object({ error: z.string() }).openapi('WhisperServerError');

export type TranscribeQuery = z.infer<typeof transcribeQuery>;
export type TextBody = z.infer<typeof textBody>;
