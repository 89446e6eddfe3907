import { expect, test } from 'vitest';
import { CATALOGUE } from './catalogue.ts';
import type { InstalledModel } from './installed.ts';
import { listing } from './listing.ts';

const file = (bytes: number, rest: Partial<InstalledModel> = {}) =>
  ({ name: 'mine', bytes, multilingual: true, modifiedAtMs: 1.5, ...rest }) as InstalledModel;
const uuidOf = (...of: Parameters<typeof listing>) => listing(...of).uuid;

// From Python: uuid.uuid5(UUID('6f1f3c5e2b0d4a3c9a0e7c1d5b8f2e64'), 'mine 10').
test('the uuid is one of version 5, and the same at every start', () => {
  expect(uuidOf('mine', 'mine', file(10))).toBe('932bbbba-e1fc-542e-b024-bc9e35f781f3');
});

test('the uuid is that of a name and size: its aliases share it, a file of another size has another', () => {
  const uuid = uuidOf('mine', 'mine', file(10));
  expect(uuidOf('whisper-1', 'mine', file(10))).toBe(uuid);
  expect(uuidOf('mine', 'mine', file(11))).not.toBe(uuid);
  expect(uuidOf('yours', 'yours', file(10))).not.toBe(uuid);
});

test('a published model has its uuid before it is fetched', () => {
  const bytes = CATALOGUE.get('base')?.bytes ?? 0;
  expect(uuidOf('base', 'base', undefined)).toBe(uuidOf('base', 'base', file(bytes)));
});

test('languages are those the model knows', () => {
  expect(listing('base.en', 'base.en', undefined).languages).toEqual(['en']);
  expect(listing('mine', 'mine', file(1, { multilingual: false })).languages).toEqual(['en']);
  expect(listing('base', 'base', undefined).languages).toHaveLength(99);
  expect(listing('base', 'base', undefined).languages).not.toContain('yue');
  expect(listing('large-v3-turbo', 'large-v3-turbo', undefined).languages).toContain('yue');
});
