// What a caller is told of a model: the part of the store that others see.
import { createHash } from 'node:crypto';
import { LANGUAGE_NAME_BY_CODE } from '../transcript/languages.ts';
import { CATALOGUE } from './catalogue.ts';
import type { InstalledModel } from './installed.ts';

/** One model a caller may name. */
export interface ModelListing {
  id: string;
  /** False for a known model whose weights are not on disk. */
  installed: boolean;
  /** When its file was written; 0 where there is none. */
  createdAtMs: number;
  /** The model an alias stands for; the id itself otherwise. */
  servedBy: string;
  /**
   * Made of the name and size of the file that serves, so the same on every machine, at every start, and before the file is
   * fetched. A file of the same name and size in its place, a model trained further, has the same.
   */
  uuid: string;
  /** Whisper codes. */
  languages: string[];
  /** False when it cannot say when what was said. */
  timestamps: boolean;
}

export function listing(id: string, servedBy: string, model: InstalledModel | undefined): ModelListing {
  const published = CATALOGUE.get(servedBy);
  return {
    id,
    installed: model !== undefined,
    createdAtMs: Math.round(model?.modifiedAtMs ?? 0),
    servedBy,
    timestamps: (model ?? published)?.timestamps ?? true,
    // Few who ask for a model want to know these, and every request asks.
    get uuid() {
      return nameUuid(`${servedBy} ${model?.bytes ?? published?.bytes ?? 0}`);
    },
    get languages() {
      return languagesOf(servedBy, (model ?? published)?.multilingual ?? false);
    },
  };
}

/** Cantonese came with the third large model. */
const KNOWS_CANTONESE = /large-v3/;

function languagesOf(name: string, multilingual: boolean): string[] {
  if (!multilingual) return ['en'];
  return [...LANGUAGE_NAME_BY_CODE.keys()].filter((code) => code !== 'yue' || KNOWS_CANTONESE.test(name));
}

/** Any fixed UUID makes ours differ from those that others derive from the same names. */
const NAMESPACE = Buffer.from('6f1f3c5e2b0d4a3c9a0e7c1d5b8f2e64', 'hex');

/** RFC 9562, version 5. */
function nameUuid(name: string): string {
  const bytes = createHash('sha1').update(NAMESPACE).update(name).digest().subarray(0, 16);
  bytes[6] = (bytes.readUInt8(6) & 0x0f) | 0x50;
  bytes[8] = (bytes.readUInt8(8) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
