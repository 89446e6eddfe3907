// What callers say to guide the decoding, as several APIs spell it → decoding options. Pure.
import { GatewayError } from '../errors.ts';
import { languageCode } from './languages.ts';

export interface Hints {
  language?: string | undefined;
  languages?: string[] | undefined;
  keywords?: string[] | undefined;
  prompt?: string | undefined;
}

/** One language pins the engine to it; among several it must find out. Throws `field-invalid`. */
export function hintedLanguage({ language, languages = [] }: Hints): string | null {
  if (language !== undefined && languages.length > 0) {
    throw new GatewayError('field-invalid', "'language' and 'languages' cannot be used together.", {
      field: 'languages',
    });
  }
  const field = language === undefined ? 'languages' : 'language';
  const codes = (language === undefined ? languages : [language]).map((input) => {
    const code = languageCode(input);
    if (code !== undefined) return code;
    throw new GatewayError(
      'field-invalid',
      `Invalid language '${input}'. Language parameter must be specified in ISO-639-1 format.`,
      { field },
    );
  });
  return codes.length === 1 ? (codes[0] ?? null) : null;
}

export function hintedPrompt({ keywords, prompt }: Hints): string | null {
  return [keywords?.join(', '), prompt].filter(Boolean).join('. ') || null;
}
