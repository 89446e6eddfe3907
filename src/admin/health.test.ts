import { expect, test } from 'vitest';
import { createHealthRoutes, type Serving } from './health.ts';

const healthOf = async (serving: () => Promise<Serving>) => {
  const routes = createHealthRoutes({
    version: '1.2.3',
    readiness: async () => ({ ready: true, state: 'ready', reason: '', model: 'base' }),
    serving,
  });
  const response = await routes.request('/health');
  expect(response.status).toBe(200);
  return await response.json();
};

test('says what serves, and how many wait for it', async () => {
  const gpu = { name: 'NVIDIA L4', memoryTotalMb: 23_034 };
  expect(await healthOf(async () => ({ model: { name: 'base', state: 'loading' }, gpu, queueDepth: 3 }))).toEqual({
    ...{ status: 'ok', version: '1.2.3', gpu_name: 'NVIDIA L4', vram_total_mb: 23_034 },
    ...{ model: 'base', model_state: 'loading', queue_depth: 3 },
  });
});

test('leaves out what is unknown', async () => {
  expect(await healthOf(async () => ({ model: undefined, gpu: undefined, queueDepth: 0 }))).toEqual({
    ...{ status: 'ok', version: '1.2.3', queue_depth: 0 },
  });
});

test('is alive whatever fails', async () => {
  const serving = () => Promise.reject(new Error('disk I/O error'));
  expect(await healthOf(serving)).toEqual({ status: 'ok', version: '1.2.3' });
});
