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
  // Not addresses.
  ['look at example dot com', 'look at example.com'],
  ['email me at example dot com', 'email me at example.com'],
  ['we met jane at example.com', 'we met jane at example.com'],
  ['a dot on the line', 'a dot on the line'],
  ['dot com', 'dot com'],
  ['connect the dot. com', 'connect the dot. com'],
  ['my email, jane at home', 'my email, jane at home'],
  ['', ''],
])('%s → %s', (before, after) => expectWritten(webAddresses, before, after));
