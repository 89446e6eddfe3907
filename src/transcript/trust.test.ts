import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ChunkFinal } from './event.ts';
import type { Segment } from './transcript.ts';
import { type ChunkSound, judgeChunk, retryOptions, settleRetry } from './trust.ts';
import { vote } from './vote.ts';

interface Recorded {
  durationMs: number;
  voice: ChunkSound['voice'];
  language: string;
  segments: Segment[];
}

const FOLDER = new URL('fixtures/trust/', import.meta.url);

function recorded(name: string): { final: ChunkFinal; sound: ChunkSound } {
  const { durationMs, voice, language, segments } = JSON.parse(
    readFileSync(new URL(`${name}.json`, FOLDER), 'utf8'),
  ) as Recorded;
  return { final: { type: 'chunk-final', language, segments }, sound: { startMs: 0, durationMs, voice } };
}

function judge(name: string) {
  const { final, sound } = recorded(name);
  return judgeChunk(final, sound);
}

const textOf = (final: ChunkFinal) =>
  final.segments
    .map((segment) => segment.text)
    .join('')
    .trim();

const JFK =
  /^And so,? my fellow Americans,? ask not what your country can do for you,? ask what you can do for your country\.$/;

interface TimedWord {
  start: number;
  end: number;
}

function segmentOf(text: string, startMs: number, endMs: number, other: Partial<Segment> = {}): Segment {
  const words = text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => ({ text: word, startMs, endMs, probability: 0.9 }));
  const measured = { temperature: 0, avgLogprob: -0.2, noSpeechProbability: 0.1 };
  return { startMs, endMs, text, tokenIds: [], pieces: [], words, ...measured, ...other };
}

describe('what the engine really gets wrong', () => {
  it.each([
    ['noise-loop', 'text-in-silence', 14],
    ['noise-same', 'text-in-silence', 1],
    ['pink-noise', 'text-in-silence', 1],
    ['silence', 'text-in-silence', 1],
    ['silence-blank', 'text-in-silence', 1],
    ['music-plucked', 'text-in-silence', 1],
    ['music-melody', 'text-in-silence', 1],
    ['music-chord', 'text-in-silence', 1],
    ['speech-then-noise-thanks', 'subtitle-credit', 1],
    ['speech-then-noise-echo', 'text-too-dense', 1],
    ['no-loop', 'repetition-loop', 1],
    ['chant', 'repetition-loop', 1],
    ['digits-loop', 'text-too-dense', 1],
    ['chinese-loop', 'text-too-dense', 1],
    ['chinese-loop-again', 'text-too-dense', 1],
    ['japanese-loop', 'text-too-dense', 1],
    ['german-as-japanese', 'text-too-dense', 1],
    ['fast-as-thai', 'repetition-loop', 1],
    ['half-characters', 'repetition-loop', 1],
  ])('%s is caught as %s', (name, rule, count) => {
    const { verdict, findings } = judge(name);
    expect(verdict).toBe('retry');
    expect(findings.map((finding) => finding.rule)).toEqual(new Array(count).fill(rule));
    expect(findings.every((finding) => finding.action === 'retried')).toBe(true);
  });

  it('says which text, and where', () => {
    expect(judge('speech-then-noise-thanks').findings).toEqual([
      { rule: 'subtitle-credit', action: 'retried', startMs: 10_600, endMs: 28_000, text: ' Thank you.' },
    ]);
  });
});

describe('what it gets right', () => {
  it.each([
    'jfk-then-silence',
    'silence-then-jfk',
    'jfk-quiet',
    'counting',
    'refrain',
    'thanks',
    'fast',
    'german',
    'french',
    'many-sentences',
    'no-loop-again',
    'speech-then-noise-thanks-again',
    'speech-then-noise-echo-again',
    'japanese-loop-again',
  ])('%s is left alone', (name) => {
    expect(judge(name)).toEqual({ verdict: 'keep', findings: [] });
  });

  it.each(['english', 'japanese', 'numbers', 'russian', 'spanish'])('the speech of %s.json is left alone', (name) => {
    const { language, segments } = JSON.parse(
      readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8'),
    ) as { language: string; segments: { text: string; words: TimedWord[] }[] };
    const timed = segments.map(({ text, words }) => {
      const startMs = (words[0]?.start ?? 0) * 1000;
      return segmentOf(text, startMs, (words.at(-1)?.end ?? 0) * 1000);
    });
    const durationMs = timed.at(-1)?.endMs ?? 0;
    const sound = { startMs: 0, durationMs, voice: [{ startMs: 0, endMs: durationMs }] };
    expect(judgeChunk({ type: 'chunk-final', language, segments: timed }, sound).findings).toEqual([]);
  });

  it('every recording is judged by this file', () => {
    const source = readFileSync(new URL('trust.test.ts', import.meta.url), 'utf8');
    const unused = readdirSync(FOLDER).filter((file) => !source.includes(`'${file.replace(/(-again)?[.]json$/, '')}`));
    expect(unused).toEqual([]);
  });
});

describe('the second try', () => {
  function settle(name: string) {
    const { final, sound } = recorded(name);
    return settleRetry(final, recorded(`${name}-again`).final, sound);
  }

  it('is what counts when it is free of the loop', () => {
    const { final, diagnostics } = settle('no-loop');
    expect(textOf(final)).toBe("No, no, no, no, no, no. I can't know. No, no, no.");
    expect(diagnostics.map(({ rule, action }) => [rule, action])).toEqual([['repetition-loop', 'retried']]);
  });

  it('rescues Japanese', () => {
    const { final, diagnostics } = settle('japanese-loop');
    expect(final).toEqual(recorded('japanese-loop-again').final);
    expect(diagnostics.map(({ rule, action }) => [rule, action])).toEqual([['text-too-dense', 'retried']]);
  });

  it.each(['speech-then-noise-thanks', 'speech-then-noise-echo'])('leaves the speech of %s', (name) => {
    const { final, diagnostics } = settle(name);
    expect(textOf(final)).toMatch(JFK);
    expect(diagnostics[0]?.action).toBe('retried');
  });

  it.each(['noise-loop', 'chinese-loop', 'digits-loop'])('leaves nothing of %s, and says so', (name) => {
    const { final, diagnostics } = settle(name);
    expect(final.segments).toEqual([]);
    expect(new Set(diagnostics.map(({ action }) => action))).toEqual(new Set(['retried', 'dropped']));
    expect(diagnostics.filter(({ action }) => action === 'dropped')).toHaveLength(recorded(name).final.segments.length);
  });

  it('takes the vote from noise, which the engine was sure to be Nynorsk', () => {
    const noise = [recorded('noise-loop').final, recorded('noise-loop').final];
    const speech = recorded('jfk-then-silence').final;
    expect(vote([...noise, speech]).language).toBe('nn');
    expect(vote([settle('noise-loop').final, settle('noise-loop').final, speech]).language).toBe('en');
  });

  it('confirms a chant: what two tries wrote alike, where somebody speaks, was said', () => {
    const { final, diagnostics } = settle('chant');
    expect(textOf(final)).toMatch(/^(we won thread[,.] ?){13}$/i);
    // Of the two the one whose last words are not piled up at the end of the sound.
    expect(final).toEqual(recorded('chant-again').final);
    expect(diagnostics.map(({ rule, action }) => [rule, action])).toEqual([['repetition-loop', 'retried']]);
  });

  it('is without prompt and a little warmer, never too warm', () => {
    const options = { task: 'transcribe' as const, language: 'de', prompt: 'Wien', temperature: 0 };
    expect(retryOptions(options)).toEqual({ ...options, prompt: null, temperature: 0.2 });
    expect(retryOptions({ ...options, temperature: 0.9 }).temperature).toBe(1);
  });
});

describe('each rule at its bound', () => {
  const sound: ChunkSound = {
    startMs: 60_000,
    durationMs: 20_000,
    voice: [
      { startMs: 60_000, endMs: 63_000 },
      { startMs: 69_800, endMs: 70_300 },
      { startMs: 78_500, endMs: 80_000 },
    ],
  };
  const talkative = { ...sound, voice: [{ startMs: 60_000, endMs: 80_000 }] };

  const segment = (text: string, startMs = 60_000, endMs = 80_000, other: Partial<Segment> = {}) =>
    segmentOf(text, startMs, endMs, other);

  const rules = (segments: Segment[], of: ChunkSound = sound) =>
    judgeChunk({ type: 'chunk-final', language: 'en', segments }, of).findings.map((finding) => finding.rule);

  it('loops run across segments; three times the same is not one', () => {
    const lines = (count: number) =>
      Array.from({ length: count }, (_, index) =>
        segment(' We shall overcome some day.', 60_000 + index * 5000, 65_000 + index * 5000),
      );
    expect(rules(lines(3), { ...sound, voice: [{ startMs: 60_000, endMs: 75_000 }] })).toEqual([]);
    expect(rules(lines(4), talkative)).toEqual(new Array(4).fill('repetition-loop'));
  });

  it('ten times no is a speaker, not a loop', () => {
    expect(rules([segment(' No no no no no no no no no no I will not.')])).toEqual([]);
  });

  it('a loop in one segment leaves the others alone', () => {
    const loop = segment(' again and again and again and again and again and again', 70_000, 80_000);
    const good = segment(' The meeting begins at nine and ends at ten.', 60_000, 70_000);
    expect(rules([good, loop])).toEqual(['repetition-loop']);
  });

  it('no_speech_prob counts only together with a low logprob', () => {
    const text = ' The meeting begins at nine.';
    expect(rules([segment(text, 60_000, 80_000, { noSpeechProbability: 0.9 })])).toEqual([]);
    expect(rules([segment(text, 60_000, 80_000, { avgLogprob: -1.2 })])).toEqual([]);
    expect(rules([segment(text, 60_000, 80_000, { noSpeechProbability: 0.9, avgLogprob: -1.2 })])).toEqual([
      'text-in-silence',
    ]);
  });

  it('a text stamped beside its voice is not made up while nobody else claims that voice', () => {
    const late = { ...sound, voice: [{ startMs: 75_000, endMs: 77_500 }] };
    const early = segment(' The meeting begins at nine.', 60_000, 65_000);
    expect(rules([early], late)).toEqual([]);
    expect(rules([early, segment(' It ends at ten.', 75_000, 78_000)], late)).toEqual(['text-in-silence']);
  });

  it('people do thank', () => {
    const voice = [{ startMs: 70_000, endMs: 70_700 }];
    expect(rules([segment(' Thank you.')], { ...sound, voice })).toEqual([]);
    expect(rules([segment(' Thank you.')], { ...sound, voice: [{ startMs: 70_000, endMs: 70_200 }] })).toEqual([
      'subtitle-credit',
    ]);
    expect(rules([segment(' Okay then.')], { ...sound, voice: [{ startMs: 70_000, endMs: 70_200 }] })).toEqual([]);
  });

  it.each([
    [' The quick brown fox jumps over the lazy dog again.', 800, []],
    [' The quick brown fox jumps over the lazy dog again and again and then some more.', 300, ['text-too-dense']],
    ['会议九点钟开始我们先讨论预算', 800, []],
    ['会议九点钟开始我们先讨论预算然后休息', 300, ['text-too-dense']],
  ])('%j in %i ms', (text, voicedMs, expected) => {
    const voice = [{ startMs: 60_000, endMs: 60_000 + voicedMs }];
    expect(rules([segment(text)], { ...sound, voice })).toEqual(expected);
  });

  it('words piled up where the sound ends were written after it; a few are only stamped badly', () => {
    const piled = (count: number) => {
      const one = segment(' The meeting begins at nine and ends at ten, and that is that.');
      const words = one.words.map((word, index) => ({
        ...word,
        startMs: index < one.words.length - count ? 60_000 + index * 1000 : 80_000,
      }));
      return { ...one, words };
    };
    expect(rules([piled(4)])).toEqual([]);
    expect(rules([piled(5)])).toEqual(['text-after-end']);
  });

  // Recorded with model tiny at a cut between "of this test is" and "to give you"; both tries shortened to their ends.
  it('a sentence that an engine finished after the end does not outweigh a try that stopped there', () => {
    const wordsAt = (text: string, startMs: number, endMs: number) => segmentOf(text, startMs, endMs).words;
    const begin = wordsAt('The purpose', 78_000, 79_500);
    const [finished, stopped] = [
      [...begin, ...wordsAt('of this test is to be able to do this.', 80_000, 80_000)],
      [...begin, ...wordsAt('of this test', 79_500, 79_980)],
    ].map((words) => ({
      type: 'chunk-final' as const,
      language: 'en',
      segments: [segment(words.map(({ text }) => ` ${text}`).join(''), 78_000, 80_000, { words })],
    })) as [ChunkFinal, ChunkFinal];
    expect(settleRetry(finished, stopped, sound).final).toEqual(stopped);
    expect(settleRetry(stopped, finished, sound).final).toEqual(stopped);
  });

  it('a segment at or after the end, or without duration, is tried again, and dropped only where nobody is heard', () => {
    const good = segment(' The meeting begins at nine.', 60_000, 79_000);
    const end = segment(' Country.', 80_000, 80_000);
    const middle = segment(' Well.', 70_000, 70_000);
    expect(rules([good, middle, end])).toEqual(['text-without-duration', 'text-after-end']);
    const final = { type: 'chunk-final' as const, language: 'en', segments: [good, end] };
    expect(settleRetry(final, final, sound).final.segments).toEqual([good, end]);
    const quietEnd = { ...sound, voice: [{ startMs: 60_000, endMs: 79_000 }] };
    expect(settleRetry(final, final, quietEnd).final.segments).toEqual([good]);
  });

  it('no words under a second of voice are tried again, and stay none', () => {
    const final = { type: 'chunk-final' as const, language: 'en', segments: [] };
    expect(rules([])).toEqual(['nothing-heard']);
    expect(rules([], { ...sound, voice: [{ startMs: 60_000, endMs: 60_900 }] })).toEqual([]);
    expect(settleRetry(final, final, sound)).toEqual({
      final,
      diagnostics: [{ rule: 'nothing-heard', action: 'retried', startMs: 60_000, endMs: 80_000, text: '' }],
    });
  });

  // Recorded with model base.en: the end of a sentence, stamped over the two that followed.
  it('a text far too short for the voice it is stamped with is tried again', () => {
    const text = ' how much there might be prudently in his power to do for them.';
    const voiced = (ms: number) => ({ ...sound, voice: [{ startMs: 62_000, endMs: 62_000 + ms }] });
    expect(rules([segment(text, 61_000, 73_000)], voiced(10_000))).toEqual(['nothing-heard']);
    expect(rules([segment(text, 61_000, 73_000)], voiced(9_000))).toEqual([]);
    // One that says the same in numbers and another script is not too short.
    expect(rules([segment(' 4 5 6 7 8 9 10', 61_000, 73_000)], voiced(9_000))).toEqual([]);
    expect(rules([segment('请检查号码然后再拨一次电话谢谢您的来电', 61_000, 73_000)], voiced(9_000))).toEqual([]);
  });

  it('a tail left out is tried again, and the try that heard it counts', () => {
    const begun = segment(' The meeting begins', 60_000, 63_000);
    const whole = segment(' The meeting begins at nine and ends at ten.', 60_000, 80_000);
    expect(rules([begun], talkative)).toEqual(['nothing-heard']);
    const wordy =
      ' The meeting begins at nine, when all of us are there, and it ends at ten, or whenever nobody has anything more to add to what was said of the plan before.';
    expect(rules([segment(wordy, 60_000, 77_000)], talkative)).toEqual([]);
    const finals = [begun, whole].map((one) => ({ type: 'chunk-final' as const, language: 'en', segments: [one] }));
    const [first, second] = finals as [ChunkFinal, ChunkFinal];
    expect(textOf(settleRetry(first, second, talkative).final)).toBe('The meeting begins at nine and ends at ten.');
    // A second try that heard less never costs words of the first.
    expect(textOf(settleRetry(second, first, talkative).final)).toBe('The meeting begins at nine and ends at ten.');
  });
});
