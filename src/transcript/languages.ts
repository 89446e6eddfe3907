// Whisper's languages by code and English name. Pure.

export const LANGUAGE_NAME_BY_CODE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    en: 'english',
    zh: 'chinese',
    de: 'german',
    es: 'spanish',
    ru: 'russian',
    ko: 'korean',
    fr: 'french',
    ja: 'japanese',
    pt: 'portuguese',
    tr: 'turkish',
    pl: 'polish',
    ca: 'catalan',
    nl: 'dutch',
    ar: 'arabic',
    sv: 'swedish',
    it: 'italian',
    id: 'indonesian',
    hi: 'hindi',
    fi: 'finnish',
    vi: 'vietnamese',
    he: 'hebrew',
    uk: 'ukrainian',
    el: 'greek',
    ms: 'malay',
    cs: 'czech',
    ro: 'romanian',
    da: 'danish',
    hu: 'hungarian',
    ta: 'tamil',
    no: 'norwegian',
    th: 'thai',
    ur: 'urdu',
    hr: 'croatian',
    bg: 'bulgarian',
    lt: 'lithuanian',
    la: 'latin',
    mi: 'maori',
    ml: 'malayalam',
    cy: 'welsh',
    sk: 'slovak',
    te: 'telugu',
    fa: 'persian',
    lv: 'latvian',
    bn: 'bengali',
    sr: 'serbian',
    az: 'azerbaijani',
    sl: 'slovenian',
    kn: 'kannada',
    et: 'estonian',
    mk: 'macedonian',
    br: 'breton',
    eu: 'basque',
    is: 'icelandic',
    hy: 'armenian',
    ne: 'nepali',
    mn: 'mongolian',
    bs: 'bosnian',
    kk: 'kazakh',
    sq: 'albanian',
    sw: 'swahili',
    gl: 'galician',
    mr: 'marathi',
    pa: 'punjabi',
    si: 'sinhala',
    km: 'khmer',
    sn: 'shona',
    yo: 'yoruba',
    so: 'somali',
    af: 'afrikaans',
    oc: 'occitan',
    ka: 'georgian',
    be: 'belarusian',
    tg: 'tajik',
    sd: 'sindhi',
    gu: 'gujarati',
    am: 'amharic',
    yi: 'yiddish',
    lo: 'lao',
    uz: 'uzbek',
    fo: 'faroese',
    ht: 'haitian creole',
    ps: 'pashto',
    tk: 'turkmen',
    nn: 'nynorsk',
    mt: 'maltese',
    sa: 'sanskrit',
    lb: 'luxembourgish',
    my: 'myanmar',
    bo: 'tibetan',
    tl: 'tagalog',
    mg: 'malagasy',
    as: 'assamese',
    tt: 'tatar',
    haw: 'hawaiian',
    ln: 'lingala',
    ha: 'hausa',
    ba: 'bashkir',
    jw: 'javanese',
    su: 'sundanese',
    yue: 'cantonese',
  }),
);

const CODE_BY_NAME: ReadonlyMap<string, string> = new Map([
  ...[...LANGUAGE_NAME_BY_CODE].map(([code, name]) => [name, code] as const),
  // Other names that openai-whisper accepts.
  ['burmese', 'my'],
  ['valencian', 'ca'],
  ['flemish', 'nl'],
  ['haitian', 'ht'],
  ['letzeburgesch', 'lb'],
  ['pushto', 'ps'],
  ['panjabi', 'pa'],
  ['moldavian', 'ro'],
  ['moldovan', 'ro'],
  ['sinhalese', 'si'],
  ['castilian', 'es'],
  ['mandarin', 'zh'],
]);

/** Today's BCP 47 codes of languages that whisper knows by another code. */
const CODE_BY_SUBTAG = new Map([
  ['jv', 'jw'],
  ['fil', 'tl'],
  ['nb', 'no'],
  ['cmn', 'zh'],
]);
const CANTONESE_REGIONS = new Set(['HK', 'MO']);

/**
 * Whisper's code for a code (`en`), an English name (`English`) or a BCP 47 tag (`en-US`, `zh-HK`, `pt_BR`, `eng`);
 * null where the caller leaves the language open (`auto` or nothing); undefined for a language whisper does not know.
 */
export function languageCode(input: string): string | null | undefined {
  const text = input.trim().toLowerCase();
  if (text === '' || text === 'auto') return null;
  if (LANGUAGE_NAME_BY_CODE.has(text)) return text;
  return CODE_BY_NAME.get(text) ?? codeOfTag(text.replaceAll('_', '-'));
}

/** Whisper's lowercase English name (`english`); a code that is none of whisper's comes back as it is. */
export function languageName(code: string): string {
  return LANGUAGE_NAME_BY_CODE.get(code) ?? code;
}

function codeOfTag(tag: string): string | undefined {
  const [first = '', second] = tag.split('-');
  if (first === 'zh' && second === 'yue') return 'yue';
  let locale: Intl.Locale;
  try {
    // Resolves what has been renamed or has several codes: `eng`, `iw`, `tl`.
    locale = new Intl.Locale(tag);
  } catch {
    return undefined;
  }
  if (locale.language === 'zh' && locale.region && CANTONESE_REGIONS.has(locale.region)) return 'yue';
  return [locale.language, CODE_BY_SUBTAG.get(locale.language), first].find(
    (code) => code && LANGUAGE_NAME_BY_CODE.has(code),
  );
}
