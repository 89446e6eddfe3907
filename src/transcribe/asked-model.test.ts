import { expect, test } from 'vitest';
import { checkModel } from './asked-model.ts';
import type { ModelListing } from './recorded.ts';

const english: ModelListing = {
  ...{ id: 'whisper-1', servedBy: 'tiny.en', uuid: '', installed: true, createdAtMs: 0 },
  ...{ languages: ['en'], timestamps: true },
};
const models = {
  list: async () => [english],
  find: async (name: string) => (name === 'whisper-1' ? english : undefined),
};
const check = (name: string, language: string | null) => checkModel(models, { name, field: 'whisper_model', language });

test.each([null, 'en'])('a model that knows %s', async (language) => {
  expect(await check('whisper-1', language)).toBe(english);
});

test('a model nobody knows, by the name that the request has for the field', async () => {
  await expect(check('huge', 'en')).rejects.toMatchObject({
    ...{ code: 'model-unknown', field: 'whisper_model', message: "The model 'huge' is unknown." },
  });
});

test('a language that the model does not know', async () => {
  await expect(check('whisper-1', 'de')).rejects.toMatchObject({
    ...{ code: 'option-unsupported', field: 'language', message: "The model 'tiny.en' does not know 'de'." },
  });
});
