import { expect, it } from 'vitest';
import { confidenceOf } from './confidence.ts';
import { said } from './said.cases.ts';

it.each<[number[], number]>([
  [[], 0],
  [[0.3], 0.3],
  [[0.9, 0.1], 0.9],
  [[0.9, 0.1, 0.5], 0.5],
  [[0.4, 0.3, 0.2, 0.1], 0.3],
])('of %j is %d', (confidences, expected) => {
  expect(confidenceOf(confidences.flatMap((confidence) => said('word', confidence)))).toBe(expected);
});
