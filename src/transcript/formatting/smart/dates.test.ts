import { it } from 'vitest';
import { expectWritten } from '../said.cases.ts';
import { dates } from './dates.ts';

it.each([
  ['May third', 'May 3rd'],
  ['june third', 'june 3rd'],
  ['May third, twenty twenty four.', 'May 3rd, 2024.'],
  ['May third twenty twenty four', 'May 3rd, 2024'],
  ['May 3rd 2024', 'May 3rd, 2024'],
  ['May 3, 2024', 'May 3, 2024'],
  ['May the third', 'May the 3rd'],
  ['June twenty second', 'June 22nd'],
  ['July four', 'July 4'],
  ['December thirty first nineteen ninety nine', 'December 31st, 1999'],
  ['in May twenty twenty four', 'in May 2024'],
  ['May 2024', 'May 2024'],
  ['the third of May', 'the 3rd of May'],
  ['on the first of April, two thousand five.', 'on the 1st of April, 2005.'],
  ['the third of them', 'the third of them'],
  // The verb, the walk, and other numbers.
  ['you may first try', 'you may first try'],
  ['they march two by two', 'they march two by two'],
  ['March second in command', 'March second in command'],
  ['March second in Paris', 'March 2nd in Paris'],
  ['June third quarter results', 'June third quarter results'],
  ['In June first time buyers', 'In June first time buyers'],
  ['May third party vendors apply?', 'May third party vendors apply?'],
  ['June third, party on', 'June 3rd, party on'],
  ['June the third class', 'June the 3rd class'],
  ['In May. Third parties', 'In May. Third parties'],
  ['May forty people', 'May forty people'],
  ['June 3. 2024 was', 'June 3. 2024 was'],
  ['May', 'May'],
  ['May the', 'May the'],
  ['', ''],
])('%s → %s', (before, after) => expectWritten(dates, before, after));
