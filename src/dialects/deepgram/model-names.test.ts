import { describe, expect, test } from 'vitest';
import type { ModelListing } from '../../transcribe/recorded.ts';
import { listingOf } from '../dialect.cases.ts';
import { findModel } from './model-names.ts';

const modelsOf = (...listings: ModelListing[]) => ({
  list: async () => listings,
  find: async (id: string) => listings.find((listing) => listing.id === id),
});
const base = listingOf('base');
const models = modelsOf(listingOf('default', 'base'), base, listingOf('large-v3-turbo', 'large-v3-turbo'));
const idOf = async (asked: string | undefined, of = models) => (await findModel(asked, of)).id;

test.each([
  undefined,
  ...['nova-3', 'nova-3-general', 'nova-3-medical', 'Nova-3', 'nova-2', 'nova-2-phonecall', 'nova-2-atc', 'nova'],
  ...['nova-general', 'nova-medical', 'enhanced', 'enhanced-finance', 'base', 'base-general', 'general', 'meeting'],
  ...['phonecall', 'finance', 'conversationalai', 'voicemail', 'video', 'latest', '2-general', '2-ea'],
])('%s is served by the default model', async (name) => {
  expect(await idOf(name)).toBe('default');
});

describe('whisper', () => {
  const installed = (...names: string[]) =>
    modelsOf(listingOf('default', 'x'), ...names.map((name) => listingOf(name)));
  test.each([
    ['whisper-large', ['tiny', 'large-v2', 'small'], 'large-v2'],
    ['whisper', ['tiny', 'medium-q5_0', 'large-v3'], 'medium-q5_0'],
    ['whisper', ['tiny', 'base'], 'base'],
    ['whisper-tiny', ['base', 'large-v3'], 'base'],
    ['whisper-small', ['base', 'medium'], 'medium'],
    ['Whisper-Medium', ['medium.en'], 'medium.en'],
    ['whisper-tiny', ['mine'], 'default'],
    ['whisper-tiny', [], 'default'],
  ])('%s is the nearest of %j: %s', async (asked, names, id) => {
    expect(await idOf(asked, installed(...names))).toBe(id);
  });
  test('is no model that would have to be fetched first, and no mere name', async () => {
    const absent = listingOf('tiny', 'tiny', { installed: false });
    expect(await idOf('whisper-tiny', modelsOf(absent, listingOf('tiny-name', 'base'), base))).toBe('base');
  });
});

test('a model of this server is found by its own name and its UUID', async () => {
  expect(await idOf('large-v3-turbo')).toBe('large-v3-turbo');
  expect(await idOf(base.uuid.toUpperCase())).not.toBeUndefined();
  expect((await findModel(base.uuid, models)).servedBy).toBe('base');
});

test.each([
  'nova-99',
  'nova-3-klingon',
  'whisper-huge',
  '00000000-0000-4000-8000-ffffffffffff',
  '__proto__',
  'x'.repeat(60_000),
])('%s is nobody', async (name) => {
  await expect(idOf(name)).rejects.toMatchObject({ code: 'model-unknown' });
});
