// A transcript in Deepgram's shape that nobody asked Deepgram's API for: other APIs offer it by name.
import type { Transcriber } from '../../transcribe/recorded.ts';
import type { Transcript } from '../../transcript/transcript.ts';
import type { ResultDetails, WrittenResult } from '../dialect.ts';
import { findModel } from './model-names.ts';
import { readQuery } from './query.ts';
import { readRequest } from './request.ts';
import { writeResponse } from './response.ts';

/** Besides the vendor's defaults: what the words alone cannot be turned into afterwards. */
const OPTIONS = 'punctuate=true&utterances=true';

export async function writeResult(
  transcript: Transcript,
  details: ResultDetails,
  models: Transcriber['models'],
): Promise<WrittenResult> {
  const request = await readRequest(readQuery(new URLSearchParams(OPTIONS)), 'use', models);
  // Its file may have been renamed since.
  const model = (await models.find(transcript.model)) ?? (await findModel(undefined, models));
  return { contentType: 'application/json', body: writeResponse([transcript], request, { ...details, model }) };
}
