import { it } from 'vitest';
import { expectWritten } from '../said.cases.ts';
import { times } from './times.ts';

it.each([
  ['three thirty p.m.', '3:30 PM.'],
  ['three thirty p.m. on Friday', '3:30 PM on Friday'],
  ['three thirty p.m. Then', '3:30 PM. Then'],
  ['three thirty pm, and', '3:30 PM, and'],
  ['three p.m. today', '3 PM today'],
  ['3 p.m. today', '3 PM today'],
  ['3:30 p.m. today', '3:30 PM today'],
  ['$3.30 PM today', '3:30 PM today'],
  ['3.30 am', '3:30 AM'],
  ['eight oh five a.m. sharp', '8:05 AM sharp'],
  ['ten forty five am', '10:45 AM'],
  ['at three thirty', 'at 3:30'],
  ['at three thirty, we', 'at 3:30, we'],
  ['by ten oh five.', 'by 10:05.'],
  ["at three o'clock", "at three o'clock"],
  ['at 3:30', 'at 3:30'],
  ['it is 3:30.', 'it is 3:30.'],
  // Not times.
  ['I am three', 'I am three'],
  ['three thirty', 'three thirty'],
  ['at three thirty dollars', 'at three thirty dollars'],
  ['at three thirty five six', 'at three thirty five six'],
  ['at three people', 'at three people'],
  ['thirteen p.m. is', 'thirteen p.m. is'],
  ['at three, thirty came', 'at three, thirty came'],
  ['$3.30 each', '$3.30 each'],
  ['', ''],
])('%s → %s', (before, after) => expectWritten(times, before, after));
