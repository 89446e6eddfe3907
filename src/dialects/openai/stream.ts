// Events of a run → the records of OpenAI's stream. Deltas are sent as segments are decoded and join to exactly the final
// text, so a draft that the final text does not begin with ends the stream with an error.
import { GatewayError } from '../../errors.ts';
import type { TranscriptEvent } from '../../transcript/event.ts';
import { transcriptText } from '../../transcript/transcript.ts';
import type { OpenAIRequest } from './request.ts';
import { tokenUsage, transcriptExtras } from './response.ts';
import type { StreamRecord } from './schema.ts';

/** The record after the last, for clients that do not watch the connection. */
const END = '[DONE]';

export async function* streamRecords(
  events: AsyncIterable<TranscriptEvent>,
  request: Pick<OpenAIRequest, 'transcription' | 'logprobs'>,
): AsyncGenerator<string> {
  let drafted = '';
  let sent = '';
  for await (const event of events) {
    if (event.type === 'segment-draft') {
      drafted += event.text;
      // Space at the end is held back until more text follows: the final text is trimmed.
      const text = drafted.trim();
      if (text.length > sent.length) yield delta(text.slice(sent.length));
      sent = text;
    } else if (event.type === 'transcript-final') {
      const { transcript } = event;
      const text = transcriptText(transcript);
      if (!text.startsWith(sent)) {
        throw new GatewayError('engine-failed', 'The transcript changed while it was being sent. Please retry.');
      }
      if (text.length > sent.length) yield delta(text.slice(sent.length));
      yield record({
        type: 'transcript.text.done',
        text,
        ...transcriptExtras(transcript, request),
        usage: tokenUsage(transcript),
      });
      yield END;
      return;
    }
  }
  throw new GatewayError('engine-failed', 'The transcription ended without a result.');
}

function delta(text: string): string {
  return record({ type: 'transcript.text.delta', delta: text });
}

function record(content: StreamRecord): string {
  return JSON.stringify(content);
}
