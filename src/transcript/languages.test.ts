import { describe, expect, it } from 'vitest';
import { LANGUAGE_NAME_BY_CODE, languageCode, languageName } from './languages.ts';

describe('languageCode', () => {
  it('knows every whisper language by code and by name', () => {
    expect(LANGUAGE_NAME_BY_CODE.size).toBe(100);
    for (const [code, name] of LANGUAGE_NAME_BY_CODE) {
      expect(languageCode(code)).toBe(code);
      expect(languageCode(name)).toBe(code);
    }
  });

  it.each([
    ['EN', 'en'],
    [' English ', 'en'],
    ['Haitian Creole', 'ht'],
    ['castilian', 'es'],
    ['en-US', 'en'],
    ['en_GB', 'en'],
    ['pt-BR', 'pt'],
    ['es-419', 'es'],
    ['zh-TW', 'zh'],
    ['zh-Hans-CN', 'zh'],
    ['cmn-Hans-CN', 'zh'],
    ['zh-HK', 'yue'],
    ['zh-Hant-MO', 'yue'],
    ['zh-yue', 'yue'],
    ['eng', 'en'],
    ['iw', 'he'],
    ['nb-NO', 'no'],
    ['fil-PH', 'tl'],
    ['tl-PH', 'tl'],
    ['jv', 'jw'],
    ['jw-ID', 'jw'],
  ])('reads %s as %s', (input, code) => {
    expect(languageCode(input)).toBe(code);
  });

  it.each(['', '  ', 'auto', 'AUTO'])('leaves %j open', (input) => {
    expect(languageCode(input)).toBeNull();
  });

  it.each(['xx', 'klingon', 'en US', 'tlh-US', '-', '日本語', 'constructor', '__proto__', 'e'.repeat(1000)])(
    'does not know %j',
    (input) => {
      expect(languageCode(input)).toBeUndefined();
    },
  );
});

describe('languageName', () => {
  it('is the lowercase English name', () => {
    expect(languageName('en')).toBe('english');
    expect(languageName('yue')).toBe('cantonese');
    expect(languageName('xx')).toBe('xx');
    expect(languageName('constructor')).toBe('constructor');
  });
});
