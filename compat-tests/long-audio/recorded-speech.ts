// Real speech with known text: the prompts of a telephone exchange, read by one professional speaker for each language, and
// sentences of a novel read by volunteers. Debian packages both; they are unpacked under build/ on the first run.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { ffmpeg } from '../audio.ts';
import { ROOT } from '../gateway.ts';

const run = promisify(execFile);
const PARENT = join(ROOT, 'build/test-audio');
const FOLDER = join(PARENT, 'debian');
const PROMPTS: Record<RecordedLanguage, string> = {
  en: 'en_US_f_Allison',
  es: 'es_MX_f_Allison',
  fr: 'fr_CA_f_June',
};
const PACKAGES = [
  'pocketsphinx-testdata',
  ...Object.keys(PROMPTS).flatMap((language) => [
    `asterisk-core-sounds-${language}`,
    `asterisk-core-sounds-${language}-g722`,
  ]),
];
const NOVEL = 'usr/share/pocketsphinx/test/data/librivox';
/** Shorter ones are single words, numbers and letters: no speech that goes on. */
const WORDS_MIN = 5;
/** What is written otherwise than it is said, and descriptions of sounds. */
const UNREADABLE = /[\d[\]<>*]/;

export type RecordedLanguage = 'en' | 'es' | 'fr';

/** Undefined, or the reason why this machine has none. */
export async function missingRecordedSpeech(): Promise<string | undefined> {
  if (existsSync(FOLDER)) return undefined;
  await mkdir(PARENT, { recursive: true });
  const folder = await mkdtemp(join(PARENT, 'debian-'));
  try {
    await run('apt-get', ['download', ...PACKAGES], { cwd: folder });
    for (const name of await readdir(folder)) await run('dpkg', ['-x', join(folder, name), join(folder, 'unpacked')]);
    await rename(join(folder, 'unpacked'), FOLDER);
    return undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim().split('\n').at(-1) : error;
    return `recorded speech cannot be had here from Debian's packages ${PACKAGES.join(' ')} (${reason})`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** In the order of their names; samples are decoded when asked for. */
export function recordedSpeech(language: RecordedLanguage): { text: string; samples: () => Buffer }[] {
  const prompts = linesOf(
    gunzipSync(
      readFileSync(join(FOLDER, `usr/share/doc/asterisk-core-sounds-${language}/core-sounds-${language}.txt.gz`)),
    ),
  ).flatMap((line) => {
    const [, name = '', text = ''] = /^([^:;]+):\s*(.+)$/.exec(line) ?? [];
    const path = join(FOLDER, 'usr/share/asterisk/sounds', PROMPTS[language], `${name}.g722`);
    const isSpeech = text.split(/\s+/).length >= WORDS_MIN && !UNREADABLE.test(text);
    return isSpeech && existsSync(path) ? [{ text, samples: () => decoded('-f', 'g722', '-i', path) }] : [];
  });
  return language === 'en' ? [...novel(), ...prompts] : prompts;
}

function novel(): { text: string; samples: () => Buffer }[] {
  return linesOf(readFileSync(join(FOLDER, NOVEL, 'transcription'))).flatMap((line) => {
    const [, text, name] = /^<s> (.+) <\/s> \((.+)\)$/.exec(line.trim()) ?? [];
    return text && name ? [{ text, samples: () => decoded('-i', join(FOLDER, NOVEL, `${name}.wav`)) }] : [];
  });
}

function linesOf(text: Buffer): string[] {
  return text.toString('utf8').split('\n');
}

function decoded(...input: string[]): Buffer {
  return ffmpeg([...input, '-f', 's16le', '-ac', '1', '-ar', '16000'], 'pcm');
}
