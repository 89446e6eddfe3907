// `jane at example dot com` → `jane@example.com`; `example dot com slash help` → `example.com/help`. Pure.
import domains from '../data/top-level-domains.json' with { type: 'json' };
import { endsPhrase, type FormattedWord, joined, rewrite } from '../words.ts';

interface Address {
  count: number;
  text: string;
}

const TOP_LEVEL_DOMAINS = new Set(domains);
const LABEL = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** `dot` may be said this often, in a host as in what stands before the @. */
const LABELS_MAX = 5;
const JOINTS = new Map([
  ['dot', '.'],
  ['underscore', '_'],
  ['dash', '-'],
  ['hyphen', '-'],
]);
/** `look at example dot com` is no mail address: something nearby must speak of mail, and someone must be named. */
const MAIL_CUES = new Set(['email', 'e-mail', 'emails', 'mail', 'gmail', 'address', 'write', 'contact', 'reach']);
const MAIL_CUE_WORDS_MAX = 6;
const NOBODY = new Set([
  'me',
  'us',
  'him',
  'her',
  'it',
  'them',
  'you',
  'is',
  'look',
  'are',
  'available',
  'mail',
  'email',
]);

export function webAddresses(words: FormattedWord[]): FormattedWord[] {
  return rewrite(words, (all, at) => {
    const address = readMailAddress(all, at) ?? readSite(all, at);
    return address && { count: address.count, words: [joined(all.slice(at, at + address.count), address.text)] };
  });
}

function readMailAddress(words: FormattedWord[], at: number): Address | null {
  const isSpokenOf = words.slice(Math.max(0, at - MAIL_CUE_WORDS_MAX), at).some(({ word }) => MAIL_CUES.has(word));
  if (!isSpokenOf || NOBODY.has(words[at]?.word ?? '')) return null;
  const mailbox = readJoined(words, at, JOINTS);
  if (!mailbox || words[at + mailbox.count]?.word !== 'at' || pausesWithin(words, at, mailbox.count + 1)) return null;
  const host = readHost(words, at + mailbox.count + 1) ?? readWrittenHost(words[at + mailbox.count + 1]);
  return host && { count: mailbox.count + 1 + host.count, text: `${mailbox.text}@${host.text}` };
}

function readSite(words: FormattedWord[], at: number): Address | null {
  const host = readHost(words, at);
  if (!host) return null;
  let { count, text } = host;
  for (let labels = 0; labels < LABELS_MAX; labels++) {
    const slash = words[at + count]?.word === 'forward' ? 2 : 1;
    const label = words[at + count + slash];
    const isPath = words[at + count + slash - 1]?.word === 'slash' && !pausesWithin(words, at, count + slash);
    if (!isPath || !label || !LABEL.test(label.word)) break;
    text += `/${label.word}`;
    count += slash + 1;
  }
  return { count, text };
}

/** Labels with a spoken dot between them, the last of which is a domain there is. */
function readHost(words: FormattedWord[], at: number): Address | null {
  const host = readJoined(words, at, new Map([['dot', '.']]));
  if (!host || host.count < 3 || !TOP_LEVEL_DOMAINS.has(host.text.slice(host.text.lastIndexOf('.') + 1))) return null;
  return pausesWithin(words, at, host.count) ? null : host;
}

/** `example.com`, as the engine often writes it by itself. */
function readWrittenHost(word: FormattedWord | undefined): Address | null {
  const labels = word?.word.split('.', LABELS_MAX + 1) ?? [];
  const isHost = labels.length > 1 && labels.length <= LABELS_MAX && labels.every((label) => LABEL.test(label));
  return word && isHost && TOP_LEVEL_DOMAINS.has(labels.at(-1) ?? '') ? { count: 1, text: word.word } : null;
}

function readJoined(words: FormattedWord[], at: number, joints: Map<string, string>): Address | null {
  let text = words[at]?.word ?? '';
  if (!LABEL.test(text)) return null;
  let count = 1;
  for (let labels = 1; labels < LABELS_MAX; labels++) {
    const joint = joints.get(words[at + count]?.word ?? '');
    const label = words[at + count + 1]?.word ?? '';
    if (!joint || !LABEL.test(label)) break;
    text += joint + label;
    count += 2;
  }
  return { count, text };
}

function pausesWithin(words: FormattedWord[], at: number, count: number): boolean {
  return words.slice(at, at + count - 1).some(endsPhrase);
}
