// Whether a request that is answered later can be served at all: judged when it comes, so that its caller hears at once.
import { GatewayError } from '../errors.ts';
import type { ModelListing, Transcriber } from './recorded.ts';

export interface AskedModel {
  name: string;
  /** What the request calls the field. */
  field: string;
  /** Null is any. */
  language: string | null;
}

/** Throws `model-unknown`, or `option-unsupported` where the model does not know the language. */
export async function checkModel(
  models: Transcriber['models'],
  { name, field, language }: AskedModel,
): Promise<ModelListing> {
  const listing = await models.find(name);
  if (!listing) throw new GatewayError('model-unknown', `The model '${name}' is unknown.`, { field });
  if (language === null || listing.languages.includes(language)) return listing;
  throw new GatewayError('option-unsupported', `The model '${listing.servedBy}' does not know '${language}'.`, {
    field: 'language',
  });
}
