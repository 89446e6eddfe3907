// Words the caller expects → the prompt, which is how whisper is told what it may hear. Pure.

export interface BiasTerm {
  text: string;
  /** Higher is kept first; 0 and below asks for less of a word, which a prompt cannot say. */
  boost?: number;
}

export interface BiasedPrompt {
  prompt: string | null;
  /** What found no room, or cannot be said. */
  dropped: string[];
}

/** Whisper reads 223 tokens of prompt and does worse with much over 150. */
const PROMPT_TOKENS_MAX = 150;
/** Terms looked at; beyond them there is no room in any case. */
const TERMS_MAX = 1000;
const BOOST_DEFAULT = 1;
/** The comma or full stop after a term. */
const SEPARATOR_TOKENS = 1;

/** The caller's own prompt comes first and whole; the terms follow it as a list, for as long as there is room. */
export function biasPrompt(prompt: string | null, terms: BiasTerm[]): BiasedPrompt {
  const asked = terms.map(({ text, boost = BOOST_DEFAULT }, index) => ({ text: inOneLine(text), boost, index }));
  const ranked = asked.slice(0, TERMS_MAX).sort((first, second) => second.boost - first.boost);
  let tokensLeft = PROMPT_TOKENS_MAX - tokensAtMost(prompt ?? '');
  const kept: typeof ranked = [];
  const seen = new Set<string>();
  for (const term of ranked) {
    const key = term.text.toLowerCase();
    const tokens = tokensAtMost(term.text) + SEPARATOR_TOKENS;
    if (key === '' || seen.has(key) || !(term.boost > 0) || tokens > tokensLeft) continue;
    seen.add(key);
    kept.push(term);
    tokensLeft -= tokens;
  }
  const dropped = asked.map(({ text }) => text).filter((text) => text !== '' && !seen.has(text.toLowerCase()));
  if (kept.length === 0) return { prompt, dropped };
  const list = kept.sort((first, second) => first.index - second.index).map(({ text }) => text);
  return { prompt: `${prompt ? `${prompt.trimEnd()} ` : ''}${list.join(', ')}.`, dropped };
}

/**
 * No fewer than whisper's tokenizer makes of it: a token holds at least one byte, and in names and terms of Latin letters
 * more than two, which is all that is counted on.
 */
function tokensAtMost(text: string): number {
  const ascii = text.replace(/[^\x20-\x7e]/g, '');
  return Math.ceil(ascii.length / 2) + Buffer.byteLength(text) - ascii.length;
}

function inOneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
