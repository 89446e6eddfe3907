import { z } from 'zod';
import { env } from '../lib/env.ts';

export const modelsSettings = z.object({
  MODELS_DIR: env.text('models').describe('Folder of the `ggml-<name>.bin` files; any such file put there is served.'),
  DEFAULT_MODEL: env
    .text()
    .describe(
      'Model behind `whisper-1` and every other vendor name. Unset: the best installed one at a usable speed on this machine.',
    ),
  MODEL_DOWNLOAD: env
    .flag(true)
    .describe('Whether a request for a known model that is not installed starts its download.'),
  MODEL_RANKS: env
    .list()
    .transform((pairs, context) => {
      const ranks = new Map<string, number>();
      for (const pair of pairs) {
        const [, name, rank] = /^(.+)=(\d{1,3})$/.exec(pair) ?? [];
        if (name && rank) ranks.set(name.trim(), Number(rank));
        else context.addIssue(`'${pair}' is not of the form model=rank, such as medium=1.`);
      }
      return ranks;
    })
    .describe('Places in the queue that differ from the built-in ones (tiny 0 … large 4): `medium=1,my-model=0`.'),
  MODELS_DATABASE_URL: env
    .text()
    .refine((url) => url === undefined || /^postgres(ql)?:\/\//.test(url), 'must begin with postgres://')
    .describe(
      'PostgreSQL (`postgres://…`) whose tables `whisper_models` and `model_settings` say which models the whisper-cuda API serves. Unset: all.',
    ),
});

export type ModelsSettings = z.infer<typeof modelsSettings>;
