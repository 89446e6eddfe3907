import { it } from 'vitest';
import { expectWritten } from '../said.cases.ts';
import { webAddresses } from './web-addresses.ts';

it.each([
  ['my email is jane at example dot com.', 'my email is jane@example.com.'],
  ['write to jane dot doe at mail dot example dot org', 'write to jane.doe@mail.example.org'],
  ['email jane underscore doe at example.com', 'email jane_doe@example.com'],
  ['My email address is jane@example.com', 'My email address is jane@example.com'],
  ['go to example dot com', 'go to example.com'],
  ['visit www dot example dot co dot uk.', 'visit www.example.co.uk.'],
  ['example dot com slash help forward slash me', 'example.com/help/me'],
  ['Example dot com, slash', 'example.com, slash'],
  ['w w w dot example dot com', 'www.example.com'],
  ['mail dot example dot me and example dot me slash jane', 'mail.example.me and example.me/jane'],
  ['Send it to john dot smith at gmail dot com.', 'Send it to john.smith@gmail.com.'],
  ['it was john dot smith at example dot org', 'it was john.smith@example.org'],
  ['ask john at gmail dot com', 'ask john@gmail.com'],
  ['reach me at j dot doe one two three at gmail dot com', 'reach me at j.doe123@gmail.com'],
  ['my email is jane twenty two at example dot com', 'my email is jane22@example.com'],
  // Not addresses.
  ['on the dot in ten minutes', 'on the dot in ten minutes'],
  ['the dot com bubble', 'the dot com bubble'],
  ['connect the dot at the top', 'connect the dot at the top'],
  ['Is the dot me or you?', 'Is the dot me or you?'],
  ['five dot com companies', 'five dot com companies'],
  ['every dot in the picture', 'every dot in the picture'],
  ['the polka dot at home', 'the polka dot at home'],
  ['w w dot', 'w w dot'],
  ['write to me at the dot com office', 'write to me at the dot com office'],
  ['look at example dot com', 'look at example.com'],
  ['email me at example dot com', 'email me at example.com'],
  ['we met jane at example.com', 'we met jane at example.com'],
  ['a dot on the line', 'a dot on the line'],
  ['dot com', 'dot com'],
  ['connect the dot. com', 'connect the dot. com'],
  ['my email, jane at home', 'my email, jane at home'],
  ['', ''],
])('%s → %s', (before, after) => expectWritten(webAddresses, before, after));
