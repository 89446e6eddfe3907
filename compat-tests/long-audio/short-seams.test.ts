// A long recording is cut, transcribed in pieces and put together again: it must read as if it had been heard in one go. Two short
// ones, whose language nobody tells; seams.test.ts measures it on more and longer speech.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectSpeech, SPEECH_SECONDS } from '../audio.ts';
import { compare, riseBeyondChance } from './figures.ts';
import { useChunks } from './in-chunks.ts';
import { RECORDED_TEXT } from './known-text.ts';
import { missingVoice, missingVoiceModel } from './missing.ts';
import { mixed, music, recordedSentence, recordingFrom, recordingOf, roomTone } from './recording.ts';
import { SinglePass } from './single-pass.ts';
import { type TimedWord, wordsOf } from './word-alignment.ts';

/** In points. A word is 0.3 of them. */
const RISE_MAX = 0.2;
/** Single words near cuts that either reading has right by chance. */
const CHANCE_WORDS_MAX = 3;
/** When a word was said is known to the reading's letter count only. */
const FROM_SAID_SECONDS_MAX = 0.25;

const missing = missingVoice() ?? missingVoiceModel();

describe.skipIf(missing !== undefined)('two and a half minutes read as if they had been heard in one go', () => {
  const hearInChunks = useChunks();
  let single: SinglePass;
  beforeAll(async () => {
    single = await SinglePass.start();
  });
  afterAll(() => single.stop());

  test.for([
    ['en', 'english'],
    ['de', 'german'],
  ] as const)('%s', { timeout: 600_000 }, async ([language, name]) => {
    const recording = recordingOf(language);
    const onePass = await single.hear(recording.wav);
    const { chunks, ...chunked } = await hearInChunks(recording);
    const figures = compare(recording, onePass, chunked, chunks);
    console.log(language, JSON.stringify(figures));

    expect([onePass.language, chunked.language]).toEqual([name, name]);
    expect(chunks.length).toBeGreaterThan(5);
    const overlaps = chunks.slice(1).filter((chunk, index) => chunk.startSeconds < (chunks[index]?.endSeconds ?? 0));
    expect(overlaps.length, 'the fable is cut where nobody pauses').toBeGreaterThan(0);
    expect([figures.lost, figures.doubled]).toEqual([[], []]);
    const [oneRight, chunkedRight] = figures.besideCuts.right;
    expect(chunkedRight, 'right words beside the cuts').toBeGreaterThanOrEqual(oneRight - CHANCE_WORDS_MAX);
    expect(riseBeyondChance([figures])).toBeLessThanOrEqual(RISE_MAX);
    expect(figures.secondsFromSaid[1]).toBeLessThanOrEqual(FROM_SAID_SECONDS_MAX);
    expectRisingTimes(chunked.words);
  });
});

describe.skipIf(missingVoiceModel() !== undefined)('one sentence, recorded', () => {
  const hearInChunks = useChunks();

  test('is heard over a band that plays on and on, and the band is not sent to an engine', async () => {
    const speech = recordedSentence();
    const sound = [music(12), mixed(speech, music(SPEECH_SECONDS)), music(12)];
    const { chunks, text } = await hearInChunks(recordingFrom(sound), 'en');
    expectSpeech(text);
    expect(chunks).toHaveLength(1);
    expect(chunks[0]?.startSeconds).toBeGreaterThan(11);
    expect(chunks[0]?.endSeconds).toBeLessThan(25);
  });

  test('is heard three times with pauses of two and three seconds, each time at its time', async () => {
    const speech = recordedSentence();
    const sound = [roomTone(1), speech, roomTone(2), speech, roomTone(3), speech, roomTone(2.5)];
    const { words } = await hearInChunks(recordingFrom(sound), 'en');
    const said = wordsOf(RECORDED_TEXT, 'en');
    const heard = words.flatMap(({ text }) => wordsOf(text, 'en'));
    expect(heard).toEqual([...said, ...said, ...said]);
    for (const [index, startSeconds] of [1, 3 + SPEECH_SECONDS, 6 + 2 * SPEECH_SECONDS].entries()) {
      const own = words.slice(index * said.length, (index + 1) * said.length);
      expect(own[0]?.startSeconds).toBeGreaterThan(startSeconds - 0.5);
      expect(own.at(-1)?.endSeconds).toBeLessThan(startSeconds + SPEECH_SECONDS + 0.5);
    }
    expectRisingTimes(words);
  });
});

function expectRisingTimes(words: TimedWord[]): void {
  for (const [index, word] of words.entries()) {
    expect(word.endSeconds).toBeGreaterThanOrEqual(word.startSeconds);
    expect(word.startSeconds).toBeGreaterThanOrEqual(words[index - 1]?.endSeconds ?? 0);
  }
}
