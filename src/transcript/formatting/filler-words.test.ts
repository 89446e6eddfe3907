import { it } from 'vitest';
import { withoutFillerWords } from './filler-words.ts';
import { expectWritten } from './said.cases.ts';

it.each([
  ['Um, I think, uh, we should leave.', 'I think we should leave.'],
  ['Uh we go', 'We go'],
  ['we go, um.', 'we go.'],
  ['um uh um', ''],
  ['umbrella', 'umbrella'],
  // Answers, not hesitation.
  ['Uh-huh. Mhmm. Uh-uh. Nuh-uh. Mm-mm.', 'Uh-huh. Mhmm. Uh-uh. Nuh-uh. Mm-mm.'],
  ['', ''],
])('%s → %s', (before, after) => expectWritten(withoutFillerWords, before, after));
