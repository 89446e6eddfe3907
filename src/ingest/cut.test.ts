import { describe, expect, test } from 'vitest';
import { type Cut, Cutter, FRAME_MS, type Frame } from './cut.ts';

const SETTINGS = { CHUNK_SECONDS_MIN: 20, CHUNK_SECONDS_MAX: 28 };
const FRAMES_MAX = Math.floor(28_000 / FRAME_MS);
const PADDING_MS = 224;

/** Stretches of speech (positive) and silence (negative), in milliseconds. */
function sound(...stretchesMs: number[]): Frame[] {
  return stretchesMs.flatMap((ms) =>
    Array<Frame>(Math.round(Math.abs(ms) / FRAME_MS)).fill({ hasVoice: ms > 0, level: ms > 0 ? 0.2 : 0.001 }),
  );
}

interface Told {
  cut: Cut;
  /** How many frames had been heard by then. */
  afterFrames: number;
}

function cutAll(frames: Frame[], settings = SETTINGS): Told[] {
  const cutter = new Cutter(settings);
  const told: Told[] = [];
  for (const [index, frame] of frames.entries()) {
    const cut = cutter.push(frame);
    if (cut) told.push({ cut, afterFrames: index + 1 });
  }
  const last = cutter.end();
  return last ? [...told, { cut: last, afterFrames: frames.length }] : told;
}

/** The chunks' beginnings and ends in milliseconds. */
const times = (frames: Frame[], settings = SETTINGS) =>
  cutAll(frames, settings).map(({ cut }) => [cut.startFrame * FRAME_MS, cut.endFrame * FRAME_MS]);

describe('what is in a chunk', () => {
  test.for<[string, Frame[], [number, number][]]>([
    ['nothing of nothing', [], []],
    ['nothing of silence', sound(-60_000), []],
    ['nothing of a knock', sound(-3_200, 64, -32_000), []],
    ['all of a short recording that begins and ends in speech', sound(3_200), [[0, 3_200]]],
    ['speech and a little silence around it', sound(-3_200, 3_200, -3_200), [[3_200 - PADDING_MS, 6_400 + PADDING_MS]]],
    ['no more silence than there is', sound(-96, 3_200, -64), [[0, 3_360]]],
    ['pauses between sentences', sound(3_200, -3_200, 3_200), [[0, 9_600]]],
    [
      'no long silence',
      sound(3_200, -6_400, 3_200),
      [
        [0, 3_200 + PADDING_MS],
        [9_600 - PADDING_MS, 12_800],
      ],
    ],
    ['a word of a tenth of a second', sound(-9_600, 96, -9_600), [[9_600 - PADDING_MS, 9_696 + PADDING_MS]]],
  ])('%s', ([, frames, expected]) => {
    expect(times(frames)).toEqual(expected);
  });

  test('a recording that fits one chunk is one', () => {
    const frames = sound(...Array.from({ length: 12 }, () => [1_920, -320]).flat()); // 26.9 s
    expect(times(frames)).toEqual([[0, frames.length * FRAME_MS - 320 + PADDING_MS]]);
  });
});

describe('where a long recording is cut', () => {
  test('in the middle of the longest pause of the window', () => {
    const frames = sound(20_800, -320, 1_600, -448, 1_600, -320, 20_000);
    const [first, second] = times(frames);
    const middleMs = 20_800 + 320 + 1_600 + 224;
    expect(first).toEqual([0, middleMs]);
    expect(second?.[0]).toBe(middleMs);
  });

  test('in the later of two equal pauses', () => {
    expect(times(sound(20_800, -320, 1_600, -320, 20_000))[0]).toEqual([0, 20_800 + 320 + 1_600 + 160]);
  });

  test('not in a longer pause outside the window', () => {
    expect(times(sound(9_600, -1_600, 11_200, -320, 20_000))[0]).toEqual([0, 9_600 + 1_600 + 11_200 + 160]);
  });

  test('leaving most of a long pause out', () => {
    const [first, second] = times(sound(22_400, -3_200, 20_000));
    expect(first).toEqual([0, 22_400 + PADDING_MS]);
    expect(second?.[0]).toBe(22_400 + 3_200 - PADDING_MS);
  });

  test('before the window sooner than inside a word', () => {
    expect(times(sound(6_400, -320, 3_200, -320, 24_000))).toEqual([
      [0, 6_400 + 320 + 3_200 + 160],
      [6_400 + 320 + 3_200 + 160, 6_400 + 320 + 3_200 + 320 + 24_000],
    ]);
  });

  test('in a pause that begins with the last frame', () => {
    const [first, second] = times(sound(FRAMES_MAX * FRAME_MS - FRAME_MS, -320, 9_600));
    expect(first).toEqual([0, FRAMES_MAX * FRAME_MS]);
    expect(second?.[0]).toBe(FRAMES_MAX * FRAME_MS - FRAME_MS + 320 - PADDING_MS);
  });

  test('at the quietest place where nobody pauses, and both sides hear it', () => {
    const frames = sound(60_000).map((frame, index) => ({
      ...frame,
      level: Math.abs(index - 800) <= 3 ? 0.05 : index === 780 ? 0.001 : 0.2, // a stop consonant is quieter, and shorter
    }));
    const [first, second] = cutAll(frames).map(({ cut }) => cut);
    expect(first?.overlapFrames).toBe(0);
    const seam = ((first?.endFrame ?? 0) + (second?.startFrame ?? 0)) / 2;
    expect(Math.abs(seam - 800)).toBeLessThanOrEqual(1);
    expect(second?.overlapFrames).toBe((first?.endFrame ?? 0) - (second?.startFrame ?? 0));
    const overlapMs = (second?.overlapFrames ?? 0) * FRAME_MS;
    expect(overlapMs).toBeGreaterThanOrEqual(1_000);
    expect(overlapMs).toBeLessThanOrEqual(2_000);
  });

  test('as soon as nothing better can come', () => {
    expect(cutAll(sound(60_000))[0]?.afterFrames).toBe(FRAMES_MAX);
    expect(cutAll(sound(3_200, -60_000))[0]?.afterFrames).toBe((3_200 + 5_000 + 24) / FRAME_MS);
  });
});

describe('whatever is said', () => {
  const PAUSE_FRAMES = 7;
  /** A generator that always tells the same. */
  const randomly = (seed: number) => () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };

  function conversation(seed: number): Frame[] {
    const random = randomly(seed);
    const between = (low: number, high: number) => Math.floor(low + random() ** 2 * (high - low));
    const frames: Frame[] = [];
    const style = [4, 40, 300, 4_000][seed % 4] ?? 40; // frames of speech between two silences
    while (frames.length < 20_000) {
      for (let count = between(1, style); count > 0; count -= 1)
        frames.push({ hasVoice: true, level: 0.1 + random() / 2 });
      for (let count = between(1, random() < 0.05 ? 400 : 30); count > 0; count -= 1)
        frames.push({ hasVoice: false, level: random() / 100 });
    }
    return frames;
  }

  const seeds = Array.from({ length: 40 }, (_, index) => index + 1);

  test.for(seeds)('the chunks are sound (%i)', (seed) => {
    const frames = conversation(seed);
    const told = cutAll(frames);
    const hearings = new Uint8Array(frames.length);
    for (const [index, { cut, afterFrames }] of told.entries()) {
      // Each is within bounds, and told as soon as it can be.
      expect(cut.endFrame).toBeGreaterThan(cut.startFrame);
      expect(cut.endFrame - cut.startFrame).toBeLessThanOrEqual(FRAMES_MAX);
      expect(cut.endFrame).toBeLessThanOrEqual(afterFrames);
      expect(afterFrames - cut.startFrame).toBeLessThanOrEqual(FRAMES_MAX + PAUSE_FRAMES);
      for (let frame = cut.startFrame; frame < cut.endFrame; frame += 1) hearings[frame] = Number(hearings[frame]) + 1;
      // They follow each other, and overlap exactly where they say so.
      const previous = told[index - 1]?.cut;
      if (!previous) continue;
      expect(Math.max(0, previous.endFrame - cut.startFrame)).toBe(cut.overlapFrames);
      expect(cut.startFrame).toBeGreaterThan(previous.startFrame);
      expect(cut.endFrame).toBeGreaterThan(previous.endFrame);
      if (cut.overlapFrames > 0) {
        // Nobody paused in all the chunk that had to be cut inside speech.
        const heard = frames.slice(previous.startFrame, previous.startFrame + FRAMES_MAX);
        expect(
          pauses(
            heard,
            heard.findIndex(({ hasVoice }) => hasVoice),
          ),
        ).toBe(0);
        expect(cut.overlapFrames * FRAME_MS).toBeLessThanOrEqual(2_000);
      } else {
        // Else there is a pause around the cut.
        let [first, end] = [previous.endFrame, cut.startFrame];
        while (frames[first - 1]?.hasVoice === false) first -= 1;
        while (frames[end]?.hasVoice === false) end += 1;
        expect(end - first).toBeGreaterThanOrEqual(PAUSE_FRAMES);
        expect(frames.slice(first, end).filter(({ hasVoice }) => hasVoice).length).toBeLessThan(3);
      }
    }
    // All speech is in a chunk, and in two only where they overlap; knocks may be in none.
    const overlaps = told.reduce((sum, { cut }) => sum + cut.overlapFrames, 0);
    expect(hearings.filter((count) => count > 1).length).toBe(overlaps);
    let [missed, missedMax] = [0, 0];
    for (const [index, { hasVoice }] of frames.entries()) {
      if (hasVoice) missed = hearings[index] === 0 ? missed + 1 : 0;
      missedMax = Math.max(missedMax, missed);
    }
    expect(missedMax).toBeLessThan(3);
  });

  function pauses(heard: Frame[], from: number): number {
    let [silent, found] = [0, 0];
    for (const { hasVoice } of heard.slice(from)) {
      if (hasVoice && silent >= PAUSE_FRAMES) found += 1;
      silent = hasVoice ? 0 : silent + 1;
    }
    return found;
  }

  test('every kind of cut occurs in these conversations', () => {
    const all = seeds.map((seed) => cutAll(conversation(seed)));
    const overlapping = all.filter((told) => told.some(({ cut }) => cut.overlapFrames > 0)).length;
    expect(overlapping).toBeGreaterThan(5);
    expect(overlapping).toBeLessThan(seeds.length - 5);
  });
});

test('a longest chunk too short to be cut is a mistake', () => {
  expect(() => new Cutter({ CHUNK_SECONDS_MIN: 1, CHUNK_SECONDS_MAX: 5 })).toThrow('too short');
});

test('a least length above the longest is the longest', () => {
  expect(times(sound(12_800, -320, 20_000), { CHUNK_SECONDS_MIN: 30, CHUNK_SECONDS_MAX: 15 })[0]).toEqual([0, 12_960]);
});
