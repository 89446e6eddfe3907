// Deepgram's model names → names that this gateway's models go by. All of its own models are served by the default model,
// since ours are none of them; `whisper-SIZE` is served by the nearest that is installed.
import { GatewayError } from '../../errors.ts';
import type { ModelListing, Transcriber } from '../../transcribe/recorded.ts';

const DEFAULT = 'default';

/** Deepgram's families and what each is trained for, as its documentation lists them (2026-07). */
const FAMILIES: Record<string, string[]> = {
  'nova-3': ['general', 'medical', 'pharma'],
  'nova-2': [
    ...['general', 'meeting', 'phonecall', 'finance', 'conversationalai', 'voicemail', 'video'],
    ...['medical', 'drivethru', 'automotive', 'atc', 'ea'],
  ],
  nova: ['general', 'phonecall', 'medical', 'ea'],
  enhanced: ['general', 'meeting', 'phonecall', 'finance', 'ea'],
  base: ['general', 'meeting', 'phonecall', 'finance', 'conversationalai', 'voicemail', 'video'],
};
const NAMES = new Set([
  ...Object.entries(FAMILIES).flatMap(([family, uses]) => [family, ...uses.map((use) => `${family}-${use}`)]),
  ...['general', 'meeting', 'phonecall', 'finance', 'conversationalai', 'voicemail', 'video'],
  ...['latest', '2-general', '2-ea'],
]);

/** Smallest first. */
const SIZES = ['tiny', 'base', 'small', 'medium', 'large'];
const WHISPER_NAME = new RegExp(`^whisper(?:-(${SIZES.join('|')}))?$`);
/** What Deepgram serves under the bare name. */
const WHISPER_SIZE = 'medium';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The listing that serves `asked`, or nothing but `model-unknown`. */
export async function findModel(asked: string | undefined, models: Transcriber['models']): Promise<ModelListing> {
  const listing = await models.find(await translate(asked, models));
  if (listing) return listing;
  throw new GatewayError('model-unknown', 'Project does not have access to the requested model.', { field: 'model' });
}

// 1. A name of Deepgram's, `base` among them: whoever means the file of that name says `whisper-base`.
// 2. Deepgram's whisper. 3. A file, by its UUID. 4. Whatever else this gateway knows.
async function translate(asked: string | undefined, models: Transcriber['models']): Promise<string> {
  const name = asked?.toLowerCase() ?? DEFAULT;
  if (NAMES.has(name)) return DEFAULT;
  const whisper = WHISPER_NAME.exec(name);
  if (whisper) return nearest(whisper[1] ?? WHISPER_SIZE, await models.list());
  if (UUID.test(name)) return (await models.list()).find((listing) => listing.uuid === name)?.id ?? name;
  return asked ?? DEFAULT;
}

/** Of two that are as near, the larger; nothing installed leaves it to the default. */
function nearest(size: string, listings: ModelListing[]): string {
  const wanted = SIZES.indexOf(size);
  const candidates = listings
    .filter((listing) => listing.installed && listing.id === listing.servedBy)
    .map(({ id }) => ({ id, size: SIZES.findIndex((name) => id.startsWith(name)) }))
    .filter((candidate) => candidate.size >= 0)
    .sort((one, other) => distance(one.size) - distance(other.size) || other.size - one.size);
  return candidates[0]?.id ?? DEFAULT;

  function distance(at: number): number {
    return Math.abs(at - wanted);
  }
}
