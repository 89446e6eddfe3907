// Which model a name stands for. Setup and the gateway ask here, so both mean the same file.

/** What the aliases of vendors' names say: whatever serves best on this machine. */
const DEFAULT = 'default';

/**
 * What others wrap around the same names: `Systran/faster-whisper-small`, `ggml-base.en.bin`, `distil-whisper-large-v3-en`.
 * @type {[RegExp, string][]}
 */
const WRAPPINGS = [
  [/^.*[\\/]/, ''],
  [/^ggml-/i, ''],
  [/\.bin$/i, ''],
  [/^(?:faster-)?(distil-)?whisper-/i, '$1'],
  [/-(?:ct2|ggml|mlx)$/i, ''],
  [/^(distil-.+)-en$/i, '$1'],
];

/** Vendors date the versions of a model: `gpt-4o-transcribe-2025-03-20`. */
const SNAPSHOT = /-\d{4}-\d{2}-\d{2}$/;

/**
 * @typedef {{ models: Record<string, unknown>, aliases: Record<string, string> }} Names
 *
 * @param {string} asked
 * @param {Names} names the catalogue's
 * @param {(name: string) => boolean} isFile whether there is a file of that very name, which wins over any other meaning
 * @returns {string | null} a file's name, one of the catalogue, or what remains of a name that nobody knows; null for the default
 */
export function meaningOf(asked, { models, aliases }, isFile) {
  let name = asked;
  for (name of unwrap(asked)) {
    if (isFile(name)) return name;
    const alias = aliasOf(name, aliases);
    if (alias !== undefined) return alias === DEFAULT ? null : alias;
  }
  const known = name.toLowerCase();
  return Object.hasOwn(models, known) ? known : name;
}

/** The whole name first, then what is left as each wrapping comes off. @param {string} asked */
function* unwrap(asked) {
  yield asked;
  let name = asked.trim();
  yield name;
  for (const [pattern, kept] of WRAPPINGS) {
    name = name.replace(pattern, kept);
    yield name;
  }
}

/**
 * @param {string} name
 * @param {Record<string, string>} aliases
 */
function aliasOf(name, aliases) {
  const own = name.toLowerCase();
  if (Object.hasOwn(aliases, own)) return aliases[own];
  const undated = own.replace(SNAPSHOT, '');
  return Object.hasOwn(aliases, undated) && aliases[undated] === DEFAULT ? DEFAULT : undefined;
}
