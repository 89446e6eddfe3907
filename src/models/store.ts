// Owns the models folder and the answer to "which model serves this name": what is installed, what a vendor's name
// stands for, what is fetched. Does not run models, and does not decide where or when they run.
import assert from 'node:assert';
import { mkdir } from 'node:fs/promises';
import { GatewayError } from '../errors.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Task } from '../transcript/request.ts';
import { ALIASES, CATALOGUE, DEFAULTS, published } from './catalogue.ts';
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
  /** What the largest device has: a default model must fit. */
  deviceMemoryMb?: number;
  clock?: Clock;
}

export async function createModelStore(parts: ModelStoreParts): Promise<ModelStore> {
  const { settings, log, clock = systemClock, machine = 'cpu', deviceMemoryMb = Number.POSITIVE_INFINITY } = parts;
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
      const { model } = await installed.lookUp(name);
      if (model) digests.remember(model, sha256);
    },
  });
  const store = new ModelStore({ settings, machine, deviceMemoryMb, installed, digests, downloads });
  await store.checkDefault(log);
  return store;
}

interface StoreState {
  settings: ModelsSettings;
  machine: keyof typeof DEFAULTS;
  deviceMemoryMb: number;
  installed: InstalledModels;
  digests: Digests;
  downloads: Downloads;
}

export class ModelStore {
  readonly #state: StoreState;

  constructor(state: StoreState) {
    this.#state = state;
  }

  /**
   * The model that serves this name, ready to run. Rejects with `model-unknown`, with `option-unsupported` when it
   * cannot do the task, and with `model-not-ready` when its download was set off or is under way.
   */
  async resolve(asked: string, task: Task): Promise<Model> {
    const { name, model } = await this.#state.installed.lookUp(asked);
    // 1. A model that is there.
    if (model) {
      if (task === 'translate' && !model.translates) throw await this.#cannotTranslate(asked);
      return this.#state.installed.identify(model);
    }
    // 2. A vendor's name: whatever serves best here.
    if (name === null) return this.#resolveDefault(asked, task);
    // 3. A model that could be fetched.
    const known = CATALOGUE.get(name);
    if (!known) {
      throw new GatewayError('model-unknown', `The model '${shorten(asked)}' does not exist.`, { field: 'model' });
    }
    if (task === 'translate' && !known.translates) throw await this.#cannotTranslate(asked);
    throw this.#fetch(name, asked);
  }

  /**
   * What this name stands for, as the folder and the catalogue have it: quick, and sets no download off. Undefined where
   * `resolve` would reject with `model-unknown`.
   */
  async lookUp(asked: string): Promise<{ name: string; memoryMb: number } | undefined> {
    const { name, model } = await this.#state.installed.lookUp(asked);
    const serving = model ?? (name === null ? await this.#installedDefault() : undefined);
    if (serving) return serving;
    const fetched = name ?? (await this.#defaultToFetch('transcribe'));
    return this.#isFetched(fetched) ? { name: fetched, memoryMb: published(fetched).memoryMb } : undefined;
  }

  /** Installed models best first, then vendors' names, then what could be fetched: every name that `find` finds as it is. */
  async list(): Promise<ModelListing[]> {
    const models = await this.#state.installed.all();
    const names = new Set([...models.map((model) => model.name), ...ALIASES.keys(), ...CATALOGUE.keys()]);
    const rows = await Promise.all([...names].map((name) => this.find(name)));
    return rows.filter((row) => row !== undefined);
  }

  /** Undefined where `resolve` would reject with `model-unknown`. */
  async find(id: string): Promise<ModelListing | undefined> {
    const { name, model } = await this.#state.installed.lookUp(id);
    const serving = model ?? (name === null ? await this.#installedDefault() : undefined);
    if (serving) return listing(id, serving.name, serving);
    const fetched = name ?? (await this.#defaultToFetch('transcribe'));
    return this.#isFetched(fetched) ? listing(id, fetched, undefined) : undefined;
  }

  /** What vendors' names stand for now, ready to run; undefined when nothing is installed. Rejects as `resolve` does. */
  async defaultModel(): Promise<Model | undefined> {
    const model = await this.#installedDefault();
    return model && this.#state.installed.identify(model);
  }

  /** The same as the folder shows it: reads no weights, so it is quick and a file that is being copied is no failure. */
  async defaultInstalled(): Promise<Omit<Model, 'digest'> | undefined> {
    return this.#installedDefault();
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
    const { name, model } = await this.#chosen();
    if (name === null || model) return;
    if (!CATALOGUE.has(name)) {
      const { DEFAULT_MODEL, MODELS_DIR } = this.#state.settings;
      throw new GatewayError(
        'setup-incomplete',
        `DEFAULT_MODEL=${DEFAULT_MODEL} is no known model, and there is no ggml-${name}.bin in ${MODELS_DIR}.`,
      );
    }
    const standIn = await this.#installedDefault();
    log.warn({ model: name, standIn: standIn?.name ?? null }, 'DEFAULT_MODEL is not installed');
  }

  async #resolveDefault(asked: string, task: Task): Promise<Model> {
    const { installed, settings } = this.#state;
    const model = await this.#installedDefault();
    if (!model) throw this.#fetch(await this.#defaultToFetch(task), asked);
    if (task === 'transcribe' || model.translates) return installed.identify(model);
    const translator = await this.#installedTranslator();
    if (translator) return installed.identify(translator);
    const example = await this.#defaultToFetch(task);
    const how = settings.MODEL_DOWNLOAD ? `ask for '${example}' by name to have it fetched` : `install '${example}'`;
    throw new GatewayError('option-unsupported', `No installed model can translate; ${how}.`, { field: 'model' });
  }

  /** What DEFAULT_MODEL says; a null name when the machine decides. */
  async #chosen(): Promise<{ name: string | null; model: InstalledModel | undefined }> {
    const { DEFAULT_MODEL } = this.#state.settings;
    return DEFAULT_MODEL === undefined ? { name: null, model: undefined } : this.#state.installed.lookUp(DEFAULT_MODEL);
  }

  /** What was chosen; else the best at a usable speed; else the best. Only what was chosen may be too large for every device. */
  async #installedDefault(): Promise<InstalledModel | undefined> {
    const { model: chosen } = await this.#chosen();
    if (chosen) return chosen;
    const models = await this.#fittingModels();
    const quick = DEFAULTS[this.#state.machine].map((name) => models.find((model) => model.name === name));
    return quick.find((model) => model !== undefined) ?? models[0];
  }

  async #installedTranslator(): Promise<InstalledModel | undefined> {
    return (await this.#fittingModels()).find((model) => model.translates);
  }

  async #fittingModels(): Promise<InstalledModel[]> {
    return (await this.#state.installed.all()).filter((model) => this.#fits(model));
  }

  #fits({ memoryMb }: { memoryMb: number }): boolean {
    return memoryMb <= this.#state.deviceMemoryMb;
  }

  /** Where none fits, the smallest: its refusal says what is missing. */
  async #defaultToFetch(task: Task): Promise<string> {
    const able = (name: string) => {
      const known = CATALOGUE.get(name);
      return known !== undefined && (task === 'transcribe' || known.translates);
    };
    const { name: chosen } = await this.#chosen();
    if (chosen !== null && able(chosen)) return chosen;
    const names = DEFAULTS[this.#state.machine].filter(able);
    const name = names.find((each) => this.#fits(published(each))) ?? names.at(-1);
    assert(name, 'a default model can do every task');
    return name;
  }

  #isFetched(name: string): boolean {
    return this.#state.settings.MODEL_DOWNLOAD && CATALOGUE.has(name);
  }

  /** Sets the download off, or finds out how it stands, and says so. */
  #fetch(name: string, asked: string): GatewayError {
    if (!this.#isFetched(name)) {
      const message = `The model '${shorten(asked)}' is not installed on this server.`;
      return new GatewayError('model-unknown', message, { field: 'model' });
    }
    const { state, receivedBytes, totalBytes, retryAfterSeconds } = this.#state.downloads.begin(name);
    const percent = totalBytes ? ` (${Math.min(99, Math.floor((100 * receivedBytes) / totalBytes))} %)` : '';
    const model = name === asked ? `The model '${name}'` : `The model '${name}', which serves '${shorten(asked)}',`;
    const message = {
      queued: `${model} is not installed yet; its download waits for others to finish.`,
      running: `${model} is not installed yet; it is being downloaded${percent}.`,
      failed: `${model} is not installed, and its download failed; the server's log says why.`,
    }[state];
    return new GatewayError('model-not-ready', `${message} Try again in ${retryAfterSeconds} s.`, {
      retryAfterSeconds,
    });
  }

  async #cannotTranslate(asked: string): Promise<GatewayError> {
    const fetched = await this.#defaultToFetch('translate');
    const instead = (await this.#installedTranslator())?.name ?? (this.#isFetched(fetched) ? fetched : undefined);
    const message = `The model '${shorten(asked)}' cannot translate; ${instead ? `'${instead}'` : 'no installed one'} can.`;
    return new GatewayError('option-unsupported', message, { field: 'model' });
  }
}

const NAME_LENGTH_SHOWN = 100;

function shorten(name: string): string {
  return name.length > NAME_LENGTH_SHOWN ? `${name.slice(0, NAME_LENGTH_SHOWN)}…` : name;
}
