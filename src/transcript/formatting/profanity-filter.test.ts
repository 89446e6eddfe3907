import { expect, it } from 'vitest';
import { maskProfanities } from './profanity-filter.ts';
import { expectWritten, said } from './said.cases.ts';

it.each([
  ['the damn train', 'the **** train'],
  ['Damn, it is late!', '****, it is late!'],
  ['FUCKING hell', '******* hell'],
  ["the bastard's car", 'the ********* car'],
  ['mother-fucker', '*************'],
  ['a half-assed bull-shit', 'a half-assed *********'],
  [
    "We met Dick Cheney. Dick Cheney spoke, with Dick's wife.",
    "We met Dick Cheney. Dick Cheney spoke, with Dick's wife.",
  ],
  ['He is a dick. Dick, he is.', 'He is a ****. ****, he is.'],
  ['He said, "Fuck you"', 'He said, "**** you"'],
  // Innocent words that hold others.
  ['a classic in Scunthorpe, assess the shitake cocktail', 'a classic in Scunthorpe, assess the shitake cocktail'],
  ['', ''],
])('%s → %s', (before, after) => expectWritten(maskProfanities, before, after));

it('masks the bare word too, in its own length', () => {
  expect(maskProfanities(said('"Shit!"'))[0]).toMatchObject({ word: '****', punctuated: '"****!"' });
});
