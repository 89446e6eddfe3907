import { expect, test } from 'vitest';
import { describeReadiness, type ServingStatus } from './readiness.ts';

const device = (overrides: Partial<ServingStatus['schedule']['devices'][number]> = {}) => ({
  id: 'cpu',
  memoryTotalMb: 1000,
  backends: [],
  troubles: [],
  ...overrides,
});
const backend = (state: 'starting' | 'idle' | 'busy' | 'stopping', model = 'base') =>
  device({ backends: [{ model, state }] });
const trouble = device({ troubles: [{ model: 'base', reason: 'out of memory' }] });
const download = { model: 'base', state: 'running' as const, reason: null, receivedBytes: 50, totalBytes: 200 };

interface Given extends Partial<ServingStatus> {
  accepting?: boolean;
  devices: ServingStatus['schedule']['devices'];
}

test.each([
  ['loaded and free', { devices: [backend('idle')] }, true, 'is loaded'],
  ['loaded and busy: honest while busy', { devices: [backend('busy')] }, true, 'is loaded'],
  ['still loading', { devices: [backend('starting')] }, false, 'being loaded'],
  ['another model is loaded', { devices: [backend('idle', 'tiny')] }, true, 'next request'],
  ['nothing is loaded', { devices: [device()] }, true, 'next request'],
  ['cannot be loaded anywhere', { devices: [trouble] }, false, 'out of memory'],
  ['one device is left that can load it', { devices: [trouble, device()] }, true, 'next request'],
  ['shutting down', { accepting: false, devices: [backend('idle')] }, false, 'shutting down'],
  ['no weights', { model: null, devices: [device()] }, false, 'npm start'],
  ['weights on their way', { model: null, downloads: [download], devices: [device()] }, false, '25 %'],
  [
    'weights of unknown size on their way',
    { model: null, downloads: [{ ...download, totalBytes: null }], devices: [device()] },
    false,
    'downloaded.',
  ],
  [
    'weights that did not come',
    { model: null, downloads: [{ ...download, state: 'failed', reason: 'no route' }], devices: [device()] },
    false,
    'no route',
  ],
  ['no device is large enough', { neededMb: 2000, devices: [device()] }, false, '2000 MB'],
  [
    'the only device that is large enough cannot load it',
    { neededMb: 1000, devices: [device({ memoryTotalMb: 999 }), trouble] },
    false,
    'out of memory',
  ],
] satisfies [string, Given, boolean, string][])('%s', (_, given: Given, ready, words) => {
  const { model = 'base', neededMb = 500, downloads = [], accepting = true, devices } = given;
  const readiness = describeReadiness({ model, neededMb, downloads, schedule: { accepting, devices } });
  expect(readiness.ready).toBe(ready);
  expect(readiness.reason).toContain(words);
});
