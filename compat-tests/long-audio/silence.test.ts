// Where nobody speaks there is no text, and no engine is asked: this one crashes whenever it is.
import { describe, expect, test } from 'vitest';
import { clip, ffmpeg } from '../audio.ts';
import { paced, useGateway } from '../gateway.ts';
import { formOf, transcribe } from '../requests.ts';
import { missingVoiceModel } from './missing.ts';
import { music, tones, wavOf } from './recording.ts';

const gateway = useGateway(paced({ crashOn: 1 }));

const generated = (source: string, ...options: string[]) =>
  ffmpeg(['-f', 'lavfi', '-i', source, '-ac', '1', '-ar', '16000', ...options], 'flac');

const SOUNDS: [name: string, make: () => Buffer<ArrayBuffer>][] = [
  ['digital silence', () => generated('anullsrc=r=16000:cl=mono', '-t', '60')],
  ['white noise', () => generated('anoisesrc=r=16000:c=white:a=0.3:d=60:seed=1')],
  ['plucked chords', () => wavOf(tones(60))],
  ['a band with drums', () => wavOf(music(60))],
  ['a held chord that trembles', () => generated(heldChord(60))],
  ['half an hour of room tone', () => generated('anoisesrc=r=16000:c=brown:a=0.004:d=1800:seed=2')],
];

function heldChord(seconds: number): string {
  const voices = [220, 277, 330, 440].map((frequency) => `0.08*sin(2*PI*${frequency}*t)`).join('+');
  return `aevalsrc=(${voices})*(1+0.3*sin(2*PI*5*t)):s=16000:d=${seconds}`;
}

describe.skipIf(missingVoiceModel() !== undefined).each(SOUNDS)('%s', (_name, make) => {
  test('is an empty transcript in every form, and no engine is asked', { timeout: 120_000 }, async () => {
    const bytes = make();
    const ask = (format: string) =>
      transcribe(
        gateway().url,
        formOf(
          [
            ['model', 'whisper-1'],
            ['response_format', format],
          ],
          { bytes },
        ),
      );
    const verbose = await ask('verbose_json');
    expect(verbose.status).toBe(200);
    expect(JSON.parse(verbose.text)).toMatchObject({ text: '', segments: [] });
    const json = await ask('json');
    expect([json.status, JSON.parse(json.text).text]).toEqual([200, '']);
    await gateway().expectEmptySpool();
  });
});

// Without it the cases above would pass with an engine that never crashes.
test('the engine of these cases does crash when it is asked', async () => {
  const answer = await transcribe(gateway().url, formOf([['model', 'whisper-1']], { bytes: clip(2) }));
  expect(answer.status).toBe(500);
});
