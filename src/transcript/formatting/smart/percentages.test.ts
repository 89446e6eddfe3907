import { it } from 'vitest';
import { expectWritten } from '../said.cases.ts';
import { percentages } from './percentages.ts';

it.each([
  ['fifty percent', '50%'],
  ['Fifty percent, then', '50%, then'],
  ['one percent', '1%'],
  ['5 per cent.', '5%.'],
  ['two point five percent', '2.5%'],
  ['67 percent', '67%'],
  ['50%', '50%'],
  ['a percent', 'a percent'],
  ['the fifth percent', 'the fifth percent'],
  ['fifty. Percent', 'fifty. Percent'],
  ['five per person', 'five per person'],
  ['', ''],
])('%s → %s', (before, after) => expectWritten(percentages, before, after));
