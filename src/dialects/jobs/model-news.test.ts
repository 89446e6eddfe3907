import { expect, test } from 'vitest';
import type { ModelEvent } from '../dialect.ts';
import { modelNews } from './model-news.ts';

test('tells when a model can be used and when it is gone, and nothing between', async () => {
  const atMs = Date.UTC(2026, 0, 2, 3, 4, 5);
  const at = '2026-01-02T03:04:05.000Z';
  async function* events(): AsyncGenerator<ModelEvent> {
    for (const type of ['model_loading', 'model_waiting_for_gpu', 'model_ready', 'model_unloaded'] as const)
      yield { type, model: 'base', atMs };
  }
  const told: unknown[] = [];
  for await (const text of modelNews(events())) told.push(JSON.parse(text));
  expect(told).toEqual([
    { type: 'model_ready', model: 'base', at, loaded_at: at },
    { type: 'model_unloaded', model: 'base', at },
  ]);
});
