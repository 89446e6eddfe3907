import { expect, test } from 'vitest';
import { LoudnessDetector } from './loudness.ts';

const decibels = (value: number) => 10 ** (value / 20);
/** Which of these levels, in dB of full scale and frames of 32 ms, have voice. */
function hear(...levels: number[]): boolean[] {
  const detector = new LoudnessDetector();
  return levels.map((level) => detector.hasVoice(decibels(level)));
}
const steady = (level: number, count: number) => Array<number>(count).fill(level);

test('digital silence, room tone and hum have no voice, from the first frame on', () => {
  for (const level of [Number.NEGATIVE_INFINITY, -80, -60, -50, -45]) {
    expect(hear(...steady(level, 1_000)).filter(Boolean)).toEqual([]);
  }
});

test('speech over a room tone is heard, loud or low, and its pauses are', () => {
  for (const [speech, room] of [
    [-20, -60],
    [-38, -60],
    [-50, -75],
    [-25, -45],
    [-20, Number.NEGATIVE_INFINITY],
  ] as const) {
    const told = hear(...steady(room, 100), ...steady(speech, 30), ...steady(room, 10), ...steady(speech, 30));
    expect(told).toEqual([...steady(0, 100), ...steady(1, 30), ...steady(0, 10), ...steady(1, 30)].map(Boolean));
  }
});

test('noise that sets in is told from voice within seconds', () => {
  const told = hear(...steady(-80, 100), ...steady(-44, 400));
  expect(told.slice(-150).filter(Boolean)).toEqual([]);
});

test('whoever speaks for minutes without a pause is heard to the end', () => {
  expect(hear(...steady(-30, 10_000)).filter((hasVoice) => !hasVoice)).toEqual([]);
});
