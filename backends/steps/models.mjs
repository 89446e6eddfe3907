// Model weights: those the tests need, or the best default that this machine can hold and its sources can deliver.
import { existsSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { sizeOf } from '../download/file.mjs';
import { meaningOf } from '../model-names.mjs';
import { downloadStep } from './context.mjs';
import { gpuMemoryMb } from './graphics.mjs';
import { systemMemoryMb } from './memory.mjs';
import { megabytes, SetupError } from './terminal.mjs';
import { readUnavailable, rememberUnavailable } from './unavailable.mjs';

/** Every ggml file begins with this. */
const GGML_MAGIC = 'lmgg';

/**
 * @typedef {import('./context.mjs').Context} Context
 * @typedef {{ bytes: number, sha256?: string, sha1?: string, memoryMb: number, sources: import('../download.mjs').Source[] }} CatalogueModel
 * @typedef {object} Catalogue
 * @property {Record<string, CatalogueModel>} models
 * @property {{ gpu: string[], cpu: string[] }} defaults
 * @property {string[]} tests
 * @property {Record<string, string>} aliases
 */

/** @param {Context} context */
export async function ensureTestModels(context) {
  const catalogue = await readCatalogue(context);
  for (const name of catalogue.tests) {
    await obtain(context, catalogue, name).catch((error) => {
      throw new SetupError(`The tests need the model '${name}'. ${sentence(error)} Try again: npm test`);
    });
  }
  context.terminal.done(`models: ${catalogue.tests.join(', ')}`);
}

/**
 * Those of them that can be had; says which cannot.
 * @param {Context} context
 * @param {readonly string[]} names
 */
export async function ensureModelsWherePossible(context, names) {
  const catalogue = await readCatalogue(context);
  /** @type {string[]} */
  const present = [];
  for (const name of names) {
    await obtain(context, catalogue, name).then(
      () => present.push(name),
      (error) => context.terminal.warn(`the model '${name}' cannot be had and is left out. ${sentence(error)}`),
    );
  }
  context.terminal.done(`models: ${present.join(', ')}`);
}

/**
 * @param {Context} context
 * @param {'gpu' | 'cpu'} device
 */
export async function ensureDefaultModel(context, device) {
  const catalogue = await readCatalogue(context);
  const asked = context.environment.DEFAULT_MODEL?.trim();
  const name = asked ? meaningOf(asked, catalogue, (file) => existsSync(modelPath(context, file))) : null;
  if (name === null) await ensureBestModel(context, catalogue, device);
  else await ensureNamedModel(context, catalogue, name);
}

/**
 * @param {Context} context
 * @param {Catalogue} catalogue
 * @param {string} name
 */
async function ensureNamedModel(context, catalogue, name) {
  const asked = context.environment.DEFAULT_MODEL;
  const path = modelPath(context, name);
  if (Object.hasOwn(catalogue.models, name)) {
    await obtain(context, catalogue, name).catch((error) => {
      throw new SetupError(
        `DEFAULT_MODEL=${asked} cannot be had. ${sentence(error)} Put the file at ${path}, or let one be chosen: env -u DEFAULT_MODEL npm start`,
      );
    });
  } else if ((await sizeOf(path)) === 0) {
    const known = Object.keys(catalogue.models).join(', ');
    throw new SetupError(`DEFAULT_MODEL=${asked} is not a known model, and ${path} does not exist. Known: ${known}.`);
  }
  context.terminal.done(`model: ${name}`);
}

/**
 * @param {Context} context
 * @param {Catalogue} catalogue
 * @param {'gpu' | 'cpu'} device
 */
async function ensureBestModel(context, catalogue, device) {
  const names = await fittingModels(context, catalogue, device);
  const present = await Promise.all(names.map((name) => isPresent(context, catalogue, name)));
  const unavailable = present.includes(true) ? await readUnavailable(unavailablePath(context)) : {};
  /** @type {Map<string, unknown>} */
  const failures = new Map();
  for (const [index, name] of names.entries()) {
    if (unavailable[name] && !present[index]) continue;
    try {
      await obtain(context, catalogue, name);
    } catch (error) {
      failures.set(name, error);
      continue;
    }
    await rememberUnavailable(unavailablePath(context), failures.keys());
    return report(context, names, name, failures);
  }
  const reasons = [...failures.values()].map(sentence);
  throw new SetupError(
    `No model could be had. ${reasons[0] ?? ''} Try again: npm start; or put a ggml model into ${modelsFolder(context)} and name it: DEFAULT_MODEL=<name> npm start`,
  );
}

/**
 * @param {Context} context
 * @param {readonly string[]} names
 * @param {string} chosen
 * @param {Map<string, unknown>} failures
 */
function report({ terminal }, names, chosen, failures) {
  const best = names[0];
  if (chosen === best) return terminal.done(`model: ${chosen}`);
  if (failures.has(best ?? '')) {
    terminal.warn(`the model '${best}' cannot be had. ${sentence(failures.get(best ?? ''))}`);
    terminal.warn(`using '${chosen}', which understands less. To try '${best}' again: DEFAULT_MODEL=${best} npm start`);
  }
  terminal.done(`model: ${chosen} (instead of ${best}; DEFAULT_MODEL=${best} npm start tries that again)`);
}

/**
 * @param {Context} context
 * @param {Catalogue} catalogue
 * @param {'gpu' | 'cpu'} device
 */
async function fittingModels({ environment }, catalogue, device) {
  const gpusMb = device === 'gpu' ? await gpuMemoryMb(environment) : [];
  const [kind, owner, memoryMb] =
    gpusMb.length > 0
      ? /** @type {const} */ (['gpu', 'the largest GPU', Math.max(...gpusMb)])
      : /** @type {const} */ (['cpu', 'this machine', systemMemoryMb()]);
  const needMb = (/** @type {string} */ name) => catalogue.models[name]?.memoryMb ?? 0;
  const names = catalogue.defaults[kind];
  const fitting = names.filter((name) => needMb(name) <= memoryMb);
  if (fitting.length === 0) {
    const leastMb = Math.min(...names.map(needMb));
    throw new SetupError(
      `The smallest default model needs ${leastMb} MB of memory, and ${owner} has ${memoryMb} MB.${kind === 'gpu' ? ' Leave it out: DEVICES=cpu npm start' : ''}`,
    );
  }
  return fitting;
}

/**
 * @param {Context} context
 * @param {Catalogue} catalogue
 * @param {string} name
 */
async function obtain(context, catalogue, name) {
  const model = catalogue.models[name];
  if (!model) throw new Error(`The catalogue does not know '${name}'.`);
  if (await isPresent(context, catalogue, name)) return;
  const target = modelPath(context, name);
  const presentBytes = await sizeOf(target);
  if (presentBytes > 0) {
    context.terminal.note(`${target} has ${presentBytes} bytes instead of ${model.bytes}: fetching it again`);
  }
  const { bytes, sha256, sha1, sources } = model;
  const label = `model ${name} (${megabytes(bytes)})`;
  await downloadStep(context, label, { target, bytes, sha256, sha1, sources, verify: verifyHeader });
}

/** A file of the right size was verified when it came; hashing it at each start would take seconds. @param {Context} context @param {Catalogue} catalogue @param {string} name */
async function isPresent(context, catalogue, name) {
  return (await sizeOf(modelPath(context, name))) === catalogue.models[name]?.bytes;
}

/** @param {string} path */
async function verifyHeader(path) {
  const file = await open(path, 'r');
  try {
    const { buffer } = await file.read(Buffer.alloc(GGML_MAGIC.length), 0, GGML_MAGIC.length, 0);
    if (buffer.toString('latin1') !== GGML_MAGIC) throw new Error('it is no ggml file');
  } finally {
    await file.close();
  }
}

/** @param {Context} context @returns {Promise<Catalogue>} */
async function readCatalogue({ root }) {
  return JSON.parse(await readFile(join(root, 'src', 'models', 'catalogue.json'), 'utf8'));
}

/** @param {Context} context */
const modelsFolder = ({ root, environment }) => resolve(root, environment.MODELS_DIR || 'models');
/** @param {Context} context @param {string} name */
const modelPath = (context, name) => join(modelsFolder(context), `ggml-${name}.bin`);
/** @param {Context} context */
const unavailablePath = (context) => join(modelsFolder(context), '.unavailable.json');

/** @param {unknown} error */
function sentence(error) {
  const text = error instanceof Error ? error.message : String(error);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
