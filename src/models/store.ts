// Owns the models folder and the answer to "which model serves this name": what is installed, what a vendor's name
// stands for, what is fetched. Does not run models, and does not decide where or when they run.
import assert from 'node:assert';
import { mkdir } from 'node:fs/promises';
import { GatewayError } from '../errors.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Task } from '../transcript/request.ts';
import { ALIASES, CATALOGUE, DEFAULT, DEFAULTS, meaningOf } from './catalogue.ts';
import { Digests } from './digests.ts';
import { type Download, type DownloadProgress, Downloads } from './downloads.ts';
import { type InstalledModel, InstalledModels } from './installed.ts';
import { listing, type ModelListing } from './listing.ts';
import type { Model } from './model.ts';
import type { ModelsSettings } from './settings.ts';

export interface ModelStoreParts {
  settings: ModelsSettings;
  log: Log;
  download: Download;
  /** Decides which default models are fast enough. */
  machine?: keyof typeof DEFAULTS;
  clock?: Clock;
}

export async function createModelStore(parts: ModelStoreParts): Promise<ModelStore> {
  const { settings, log, clock = systemClock, machine = 'cpu' } = parts;
  const directory = settings.MODELS_DIR;
  await mkdir(directory, { recursive: true });
  const digests = await Digests.open(directory, log);
  const installed = new InstalledModels({ directory, ranks: settings.MODEL_RANKS, digests, clock, log });
  const downloads = new Downloads({
    directory,
    download: parts.download,
    log,
    clock,
    async onFinished(name, sha256) {
      const model = await installed.find(name);
      if (model) digests.remember(model, sha256);
    },
  });
  const store = new ModelStore({ settings, machine, installed, digests, downloads });
  await store.checkDefault(log);
  return store;
}

interface StoreState {
  settings: ModelsSettings;
  machine: keyof typeof DEFAULTS;
  installed: InstalledModels;
  digests: Digests;
  downloads: Downloads;
}

export class ModelStore {
  readonly #state: StoreState;
  /** What DEFAULT_MODEL says; undefined when the machine decides. */
  readonly #chosen: string | undefined;

  constructor(state: StoreState) {
    this.#state = state;
    const chosen = meaningOf(state.settings.DEFAULT_MODEL ?? DEFAULT);
    this.#chosen = chosen === DEFAULT ? undefined : chosen;
  }

  /**
   * The model that serves this name, ready to run. Rejects with `model-unknown`, with `option-unsupported` when it
   * cannot do the task, and with `model-not-ready` when its download was set off or is under way.
   */
  async resolve(asked: string, task: Task): Promise<Model> {
    const meaning = meaningOf(asked);
    // 1. A model that is there.
    const model = await this.#installedAs(asked, meaning);
    if (model) {
      if (task === 'translate' && !model.translates) throw await this.#cannotTranslate(model.name);
      return this.#state.installed.identify(model);
    }
    // 2. A vendor's name: whatever serves best here.
    if (meaning === DEFAULT) return this.#resolveDefault(task);
    // 3. A model that could be fetched.
    const known = CATALOGUE.get(meaning);
    if (!known) {
      throw new GatewayError('model-unknown', `The model '${shorten(asked)}' does not exist.`, { field: 'model' });
    }
    if (task === 'translate' && !known.translates) throw await this.#cannotTranslate(meaning);
    throw this.#fetch(meaning);
  }

  /** Installed models best first, then vendors' names, then what could be fetched. */
  async list(): Promise<ModelListing[]> {
    const models = await this.#state.installed.all();
    const byName = new Map(models.map((model) => [model.name, model]));
    const defaultName = await this.#defaultName();
    const aliases = [...ALIASES].filter(([id]) => !byName.has(id));
    const absent = [...CATALOGUE.keys()].filter((name) => !byName.has(name));
    return [
      ...models.map((model) => listing(model.name, model.name, model)),
      ...aliases.map(([id, meaning]) => {
        const servedBy = meaning === DEFAULT ? defaultName : meaning;
        return listing(id, servedBy, byName.get(servedBy));
      }),
      ...absent.map((name) => listing(name, name, undefined)),
    ];
  }

  async find(id: string): Promise<ModelListing | undefined> {
    const meaning = meaningOf(id);
    const model = (await this.#installedAs(id, meaning)) ?? (meaning === DEFAULT && (await this.#installedDefault()));
    if (model) return listing(id, model.name, model);
    const servedBy = meaning === DEFAULT ? this.#defaultToFetch('transcribe') : meaning;
    return CATALOGUE.has(servedBy) ? listing(id, servedBy, undefined) : undefined;
  }

  /** What vendors' names stand for now; undefined when nothing is installed. */
  async defaultModel(): Promise<Model | undefined> {
    const model = await this.#installedDefault();
    return model && this.#state.installed.identify(model);
  }

  downloads(): DownloadProgress[] {
    return this.#state.downloads.rows();
  }

  async close(): Promise<void> {
    await this.#state.downloads.close();
    await this.#state.digests.saved();
  }

  /** A DEFAULT_MODEL that is no model at all is an error; one that is not there yet is said out loud. */
  async checkDefault(log: Log): Promise<void> {
    const chosen = this.#chosen;
    if (!chosen || (await this.#state.installed.find(chosen))) return;
    if (!CATALOGUE.has(chosen)) {
      const { DEFAULT_MODEL, MODELS_DIR } = this.#state.settings;
      throw new GatewayError(
        'setup-incomplete',
        `DEFAULT_MODEL=${DEFAULT_MODEL} is no known model, and there is no ggml-${chosen}.bin in ${MODELS_DIR}.`,
      );
    }
    const standIn = await this.#installedDefault();
    log.warn({ model: chosen, standIn: standIn?.name ?? null }, 'DEFAULT_MODEL is not installed');
  }

  async #resolveDefault(task: Task): Promise<Model> {
    const { installed, settings } = this.#state;
    const model = await this.#installedDefault();
    if (!model) throw this.#fetch(this.#defaultToFetch(task));
    if (task === 'transcribe' || model.translates) return installed.identify(model);
    const translator = (await installed.all()).find((candidate) => candidate.translates);
    if (translator) return installed.identify(translator);
    const example = this.#defaultToFetch(task);
    const how = settings.MODEL_DOWNLOAD ? `ask for '${example}' by name to have it fetched` : `install '${example}'`;
    throw new GatewayError('option-unsupported', `No installed model can translate; ${how}.`, { field: 'model' });
  }

  /** A file's own name wins over any meaning it may have elsewhere. */
  async #installedAs(asked: string, meaning: string): Promise<InstalledModel | undefined> {
    const models = await this.#state.installed.all();
    const own = models.find((model) => model.name === asked);
    return own ?? (meaning === DEFAULT ? undefined : this.#state.installed.find(meaning));
  }

  async #installedDefault(): Promise<InstalledModel | undefined> {
    const models = await this.#state.installed.all();
    for (const name of [this.#chosen, ...DEFAULTS[this.#state.machine]]) {
      const model = models.find((candidate) => candidate.name === name);
      if (model) return model;
    }
    return models[0];
  }

  async #defaultName(): Promise<string> {
    return (await this.#installedDefault())?.name ?? this.#defaultToFetch('transcribe');
  }

  #defaultToFetch(task: Task): string {
    const names = [this.#chosen, ...DEFAULTS[this.#state.machine]].filter((name) => name !== undefined);
    const able = names.find((name) => {
      const known = CATALOGUE.get(name);
      return known && (task === 'transcribe' || known.translates);
    });
    assert(able, 'a default model can do every task');
    return able;
  }

  /** Sets the download off, or finds out how it stands, and says so. */
  #fetch(name: string): GatewayError {
    if (!this.#state.settings.MODEL_DOWNLOAD) {
      return new GatewayError('model-unknown', `The model '${name}' is not installed on this server.`, {
        field: 'model',
      });
    }
    const { state, receivedBytes, totalBytes, retryAfterSeconds } = this.#state.downloads.begin(name);
    const percent = totalBytes ? ` (${Math.min(99, Math.floor((100 * receivedBytes) / totalBytes))} %)` : '';
    const message = {
      queued: `The model '${name}' is not installed yet; its download waits for others to finish.`,
      running: `The model '${name}' is not installed yet; it is being downloaded${percent}.`,
      failed: `The model '${name}' is not installed, and its download failed; the server's log says why.`,
    }[state];
    return new GatewayError('model-not-ready', `${message} Try again in ${retryAfterSeconds} s.`, {
      retryAfterSeconds,
    });
  }

  async #cannotTranslate(name: string): Promise<GatewayError> {
    const translator = (await this.#state.installed.all()).find((candidate) => candidate.translates);
    const instead = translator?.name ?? this.#defaultToFetch('translate');
    return new GatewayError('option-unsupported', `The model '${name}' cannot translate; '${instead}' can.`, {
      field: 'model',
    });
  }
}

const NAME_LENGTH_SHOWN = 100;

function shorten(name: string): string {
  return name.length > NAME_LENGTH_SHOWN ? `${name.slice(0, NAME_LENGTH_SHOWN)}…` : name;
}
