// What only the benches need: the gateway they compare ours with, what makes their load, and the models they measure.
import { join } from 'node:path';
import { ensureDependencies } from './dependencies.mjs';
import { ensureModelsWherePossible } from './models.mjs';

/** Beside those of the tests. On a GPU the published figures are of these. */
const MODELS = { cpu: ['base.en'], gpu: ['base.en', 'base', 'large-v3-turbo', 'large-v3'] };

/** @param {import('./context.mjs').Context} context */
export async function ensureBenchTools(context) {
  await ensureDependencies({ ...context, root: join(context.root, 'bench') }, "benches' tools");
}

/**
 * @param {import('./context.mjs').Context} context
 * @param {'gpu' | 'cpu'} device
 */
export async function ensureBenchModels(context, device) {
  await ensureModelsWherePossible(context, MODELS[device]);
}
