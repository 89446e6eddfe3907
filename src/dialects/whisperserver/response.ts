// The canonical transcript → the body of a WhisperServer. Pure.
import { type Transcript, transcriptText } from '../../transcript/transcript.ts';
import type { TextBody } from './schema.ts';

export function writeResponse(transcript: Transcript): TextBody {
  return { text: transcriptText(transcript) };
}
