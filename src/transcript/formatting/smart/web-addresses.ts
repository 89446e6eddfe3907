// `jane at example dot com` → `jane@example.com`; `example dot com slash help` → `example.com/help`. Pure.
import domains from '../data/top-level-domains.json' with { type: 'json' };
import { readNumber } from '../spoken-number.ts';
import { endsPhrase, type FormattedWord, joined, rewrite } from '../words.ts';

interface Address {
  count: number;
  text: string;
}

const TOP_LEVEL_DOMAINS = new Set(domains);
/** Domains that are words of every sentence: `the polka dot at home` */
const DOMAINS_ALSO_WORDS = new Set(['at', 'co', 'in', 'it', 'me', 'no', 'us']);
const LABEL = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** `dot` may be said this often, in a host as in what stands before the @. */
const LABELS_MAX = 5;
const JOINTS = new Map([
  ['dot', '.'],
  ['underscore', '_'],
  ['dash', '-'],
  ['hyphen', '-'],
]);
const DOTS = new Map([['dot', '.']]);
/** `the dot com bubble`, `on the dot in time`: what nothing and nobody is called. */
const NO_NAME = new Set(
  (
    'a an the this that these those each every any some another no one my your his her its our their and or but ' +
    'at by for from in into of off on onto to up with dot is are was were be it me us you him them who where'
  ).split(' '),
);
/** `look at example dot com` is no mail address: something must speak of mail, and someone must be named. */
const MAIL_CUES = new Set('email e-mail emails mail gmail address write contact reach send'.split(' '));
const MAIL_CUE_WORDS_MAX = 6;
const NO_MAILBOX = new Set(
  'look looking available mail email e-mail message note letter form page team out today now anytime online here directly'.split(
    ' ',
  ),
);
/** `john_smith`, `j.doe`, as the engine often writes it by itself; never `p.m.` or `3.5`. */
const MAILBOX = /^[a-z](?:[a-z0-9._+-]{0,62}[a-z0-9])?$/;
/** `jane one two three at …` */
const MAILBOX_NUMBERS_MAX = 6;

export function webAddresses(words: FormattedWord[]): FormattedWord[] {
  return rewrite(words, (all, at) => {
    if (!isName(all, at)) return null;
    const address = readMailAddress(all, at) ?? readSite(all, at);
    return address && { count: address.count, words: [joined(all.slice(at, at + address.count), address.text)] };
  });
}

function isName(words: FormattedWord[], at: number): boolean {
  return !NO_NAME.has(words[at]?.word ?? '') && !isSpelledNumber(words, at);
}

function isSpelledNumber(words: FormattedWord[], at: number): boolean {
  return readNumber(words, at)?.isWritten === false;
}

function readMailAddress(words: FormattedWord[], at: number): Address | null {
  if (NO_MAILBOX.has(words[at]?.word ?? '')) return null;
  const mailbox = readMailbox(words, at);
  if (!mailbox || words[at + mailbox.count]?.word !== 'at' || pausesWithin(words, at, mailbox.count + 1)) return null;
  const hostAt = at + mailbox.count + 1;
  const host = readHost(words, hostAt) ?? readWrittenHost(words[hostAt]);
  if (!host) return null;
  // Who has a dot in the name can be nothing but a mailbox.
  const isSpokenOf = words.slice(Math.max(0, at - MAIL_CUE_WORDS_MAX), at).some(({ word }) => MAIL_CUES.has(word));
  const isJoined = /[._]/.test(mailbox.text);
  const isOfSomeone = !/^(?:a|an|the)$/.test(words[at - 1]?.word ?? '') && !isAlsoWords(host.text);
  if (!isJoined && !(isSpokenOf && isOfSomeone)) return null;
  return { count: mailbox.count + 1 + host.count, text: `${mailbox.text}@${host.text}` };
}

/** Joined names, and the numbers that distinguish them. */
function readMailbox(words: FormattedWord[], at: number): Address | null {
  const mailbox = readJoined(words, at, JOINTS, MAILBOX);
  if (!mailbox) return null;
  let { count, text } = mailbox;
  for (let numbers = 0; numbers < MAILBOX_NUMBERS_MAX; numbers++) {
    const number = readNumber(words, at + count);
    if (!number || !/^\d+$/.test(number.digits)) break;
    text += number.digits;
    count += number.count;
  }
  return { count, text };
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
  return text === host.text && isAlsoWords(host.text) ? null : { count, text };
}

function isAlsoWords(host: string): boolean {
  const labels = host.split('.');
  return labels.length === 2 && DOMAINS_ALSO_WORDS.has(labels[1] ?? '');
}

/** Labels with a spoken dot between them, the last of which is a domain there is. */
function readHost(words: FormattedWord[], at: number): Address | null {
  const spelled = words.slice(at, at + 3).every(({ word }) => word === 'w') ? 2 : 0;
  const host = readJoined(words, at + spelled, DOTS);
  if (!host || host.count < 3 || !TOP_LEVEL_DOMAINS.has(host.text.slice(host.text.lastIndexOf('.') + 1))) return null;
  const count = spelled + host.count;
  return pausesWithin(words, at, count) ? null : { count, text: spelled ? `ww${host.text}` : host.text };
}

/** `example.com`, as the engine often writes it by itself. */
function readWrittenHost(word: FormattedWord | undefined): Address | null {
  const labels = word?.word.split('.', LABELS_MAX + 1) ?? [];
  const isHost = labels.length > 1 && labels.length <= LABELS_MAX && labels.every((label) => LABEL.test(label));
  return word && isHost && TOP_LEVEL_DOMAINS.has(labels.at(-1) ?? '') ? { count: 1, text: word.word } : null;
}

function readJoined(words: FormattedWord[], at: number, joints: Map<string, string>, start = LABEL): Address | null {
  let text = words[at]?.word ?? '';
  if (!start.test(text)) return null;
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
