// What was left out of a transcript, in a sentence for whoever asked for it.
import type { Diagnostic, Transcript } from './transcript.ts';

const REASONS: Record<Diagnostic['rule'], string> = {
  'repetition-loop': 'the engine repeated itself',
  'text-in-silence': 'nobody speaks there',
  'text-too-dense': 'nobody speaks that fast',
  'text-after-end': 'it lies after the end of the audio',
  'text-without-duration': 'it was given no time',
  'subtitle-credit': 'it is a subtitle credit where nobody speaks',
  'nothing-heard': 'somebody speaks there and nothing was written',
};

/** One sentence for each stretch of text that is not in the transcript. What was only tried again is in it. */
export function omissions({ diagnostics }: Transcript): string[] {
  return diagnostics
    .filter(({ action }) => action === 'dropped')
    .map(
      ({ rule, startMs, endMs }) =>
        `Text from ${seconds(startMs)} to ${seconds(endMs)} s was left out: ${REASONS[rule]}.`,
    );
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
