import { expect, it } from 'vitest';
import { measurements } from './measurements.ts';
import { expectWritten, said } from './said.cases.ts';

it.each([
  ['five milligrams twice a day', 'five mg twice a day'],
  ['5 milligrams, twice', '5 mg, twice'],
  ['one milligram', 'one mg'],
  ['nine hundred kilometers.', 'nine hundred km.'],
  ['2.5 kilograms', '2.5 kg'],
  ['sixty miles per hour', 'sixty mph'],
  ['60 miles, per hour', '60 mi, per hour'],
  ['5 square feet', '5 sq ft'],
  ['thirty degrees celsius', 'thirty °C'],
  ['thirty degrees', 'thirty degrees'],
  ['3-4 inches', '3-4 in'],
  ['5mm and 3km', '5mm and 3km'],
  ['It weighs two hundred pounds', 'It weighs two hundred lb'],
  ['It costs two hundred pounds', 'It costs two hundred pounds'],
  ['she paid about 20 pounds for five pounds of it', 'she paid about 20 pounds for five lb of it'],
  ['half a kilogram', 'half a kilogram'],
  ['two and a half liters', 'two and a half L'],
  ['2.5 liters', '2.5 L'],
  ['a few inches', 'a few inches'],
  ['my feet hurt', 'my feet hurt'],
  ['on the fifth. Feet hurt', 'on the fifth. Feet hurt'],
  ['There were five. Grams are small', 'There were five. Grams are small'],
  ['five', 'five'],
  ['', ''],
])('%s → %s', (before, after) => expectWritten(measurements, before, after));

it('keeps the case of a symbol in the bare word', () => {
  expect(measurements(said('five megawatts'))[1]).toMatchObject({ word: 'MW', punctuated: 'MW' });
});
