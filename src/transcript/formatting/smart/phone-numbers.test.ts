import { it } from 'vitest';
import { expectWritten } from '../said.cases.ts';
import { phoneNumbers } from './phone-numbers.ts';

it.each([
  ['five five five one two three four five six seven', '555-123-4567'],
  ['five five five, one two three, four five six seven.', '555-123-4567.'],
  ['call 5-5-5-1-2-3-4-5-6-7.', 'call 555-123-4567.'],
  ['555 123 4567', '555-123-4567'],
  ['555, 123, 4567', '555-123-4567'],
  ['(555) 123-4567,', '555-123-4567,'],
  ['555-123-4567', '555-123-4567'],
  ['555.123.4567', '555.123.4567'],
  ['+1-555-123-4567', '+1-555-123-4567'],
  ['1 555 123 4567', '1-555-123-4567'],
  ['one eight hundred five five five one two one two', '1-800-555-1212'],
  ['eight oh five five five five one two one two', '805-555-1212'],
  ['five five five one two three forty five sixty seven', '555-123-4567'],
  // Not phone numbers.
  ['2010, 2011, 12', '2010, 2011, 12'],
  ['1 2 3 4 5 6 7 8 9 10', '1 2 3 4 5 6 7 8 9 10'],
  ['5 5 5. 1 2 3. 4 5 6 7', '5 5 5. 1 2 3. 4 5 6 7'],
  ['5 5 5 1 2 3 4 5 6 7 8 9', '5 5 5 1 2 3 4 5 6 7 8 9'],
  ['5551234567', '5551234567'],
  ['five five five', 'five five five'],
  ['123-45-6789', '123-45-6789'],
  [
    'three point two one four one five nine two six five three',
    'three point two one four one five nine two six five three',
  ],
  ['', ''],
])('%s → %s', (before, after) => expectWritten(phoneNumbers, before, after));
