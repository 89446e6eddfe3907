// The shape of the house, as a test: what no type and no linter can say.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { settingsSchema } from './config.ts';

const root = join(import.meta.dirname, '..');
const files = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));

const BANNED_NAMES = /(^|[-.])(utils?|helpers?|common|manager|service|misc|index)([-.]|$)/;
const DIALECT_FILES = ['errors.ts', 'request.ts', 'response.ts', 'routes.ts', 'schema.ts'];
/** Functions above this need a reason; those that have one are listed, and the list may only shrink. */
const FUNCTION_LINES_MAX = 70;
const LONG_FUNCTIONS: string[] = [];

test('every dialect has the same files', () => {
  const dialects = readdirSync(join(root, 'src/dialects'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  expect(dialects.length).toBeGreaterThan(0);
  for (const dialect of dialects) {
    expect(readdirSync(join(root, 'src/dialects', dialect.name)), dialect.name).toEqual(
      expect.arrayContaining([...DIALECT_FILES, 'fixtures']),
    );
  }
});

test("the README's settings table equals the schema", () => {
  const expected = Object.entries(settingsSchema.shape).map(([name, setting]) => {
    const { default: fallback } = z.toJSONSchema(setting, { io: 'input', unrepresentable: 'any' });
    const shown = fallback === undefined || (Array.isArray(fallback) && fallback.length === 0) ? '' : `\`${fallback}\``;
    return `| \`${name}\` | ${shown} | ${setting.description} |`;
  });
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const rows = readme.split('\n').filter((line) => /^\| `[A-Z_]+` \|/.test(line));
  expect(rows).toEqual(expected);
});

test('no file has a name that says nothing, and none was forgotten', () => {
  const all = ['src', 'backends', 'bench', 'compat-tests', 'openapi', 'docker'].flatMap(files);
  expect(all.filter((file) => BANNED_NAMES.test(basename(file).replace(/[.](ts|mjs|json|md)$/, '')))).toEqual([]);
  expect(all.filter((file) => /[.](orig|rej|bak|tmp|log)$|~$|[.]only[.]/.test(file))).toEqual([]);
});

test('no test is skipped for good or left alone in the run', () => {
  const offenders = files('src')
    .filter((file) => /[.](test|cases)[.]ts$/.test(file) && !file.endsWith('tidy.test.ts'))
    .filter((file) => /\b(test|it|describe)[.](skip|only|todo)\(/.test(readFileSync(join(root, file), 'utf8')));
  expect(offenders).toEqual([]);
});

test(`no function grows past ${FUNCTION_LINES_MAX} lines`, () => {
  const long = files('src')
    .filter((file) => /[.]ts$/.test(file) && !/[.](test|cases)[.]ts$/.test(file))
    .flatMap((file) =>
      functionLengths(readFileSync(join(root, file), 'utf8'))
        .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
        .map(({ name }) => `${file}: ${name}`),
    );
  expect(long).toEqual(LONG_FUNCTIONS);
});

/** Functions and methods by the formatter's layout: an opening line at some indent, a closing brace at the same one. */
function functionLengths(source: string): { name: string; lines: number }[] {
  const lines = source.split('\n');
  return lines.flatMap((line, start) => {
    const opening =
      /^(\s*)(?:export )?(?:static |async |get |override )*(?:function\*? )?[*#]?([A-Za-z]\w*)(?:<[^(]*>)?\(.*[^;]$|^(\s*)(?:export )?const (\w+) = .*=> \{$/.exec(
        line,
      );
    if (!opening || /^\s*(if|for|while|switch|return|await|expect|test|describe)\b/.test(line)) return [];
    const indent = opening[1] ?? opening[3] ?? '';
    const end = lines.findIndex((other, at) => at > start && other.startsWith(`${indent}}`));
    return end < 0 ? [] : [{ name: opening[2] ?? opening[4] ?? '', lines: end - start + 1 }];
  });
}
