import { expect, test } from 'vitest';
import { describeReadiness, type Readiness, type ServingStatus } from './readiness.ts';

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
  ['loaded and free', { devices: [backend('idle')] }, 'ready', 'is loaded'],
  ['loaded and busy: honest while busy', { devices: [backend('busy')] }, 'ready', 'is loaded'],
  ['still loading', { devices: [backend('starting')] }, 'starting', 'being loaded'],
  ['another model is loaded', { devices: [backend('idle', 'tiny')] }, 'ready', 'next request'],
  ['nothing is loaded', { devices: [device()] }, 'ready', 'next request'],
  ['cannot be loaded anywhere', { devices: [trouble] }, 'error', 'out of memory'],
  ['one device is left that can load it', { devices: [trouble, device()] }, 'ready', 'next request'],
  ['shutting down', { accepting: false, devices: [backend('idle')] }, 'error', 'shutting down'],
  ['no weights', { model: null, devices: [device()] }, 'error', 'npm start'],
  ['weights on their way', { model: null, downloads: [download], devices: [device()] }, 'starting', '25 %'],
  [
    'weights of unknown size on their way',
    { model: null, downloads: [{ ...download, totalBytes: null }], devices: [device()] },
    'starting',
    'downloaded.',
  ],
  [
    'weights that did not come',
    { model: null, downloads: [{ ...download, state: 'failed', reason: 'no route' }], devices: [device()] },
    'error',
    'no route',
  ],
  ['no device is large enough', { neededMb: 2000, devices: [device()] }, 'error', '2000 MB'],
  [
    'the only device that is large enough cannot load it',
    { neededMb: 1000, devices: [device({ memoryTotalMb: 999 }), trouble] },
    'error',
    'out of memory',
  ],
] satisfies [string, Given, Readiness['state'], string][])('%s', (_, given: Given, state, words) => {
  const { model = 'base', neededMb = 500, downloads = [], accepting = true, devices } = given;
  const readiness = describeReadiness({ model, neededMb, downloads, schedule: { accepting, devices } });
  expect(readiness).toMatchObject({ state, ready: state === 'ready' });
  expect(readiness.reason).toContain(words);
});
