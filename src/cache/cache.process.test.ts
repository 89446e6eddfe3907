import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cache-process-test-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

// The shell's limit on the size of a file makes writes fail as a full disk does, and only in this child.
const FILE_BLOCKS_MAX = 200;
const child = `
import { openCache } from ${JSON.stringify(new URL('./cache.ts', import.meta.url).href)};
import { cacheSettings } from ${JSON.stringify(new URL('./settings.ts', import.meta.url).href)};
import { FakeClock } from ${JSON.stringify(new URL('../lib/clock.ts', import.meta.url).href)};
const warnings = [];
const log = { warn: (fields, message) => warnings.push([fields.err?.code, message]) };
const settings = cacheSettings.parse({});
const directory = process.argv[1];
const transcript = (model) =>
  ({ task: 'transcribe', model, language: 'en', durationMs: 1, segments: [], diagnostics: [] });
const first = await openCache({ settings, directory, log, clock: new FakeClock() });
await first.remember('before', transcript('before'));
let recalled = 0;
for (let index = 0; index < 50; index++) {
  await first.remember('large ' + index, transcript('x'.repeat(20_000)));
  if (await first.recall('large ' + index)) recalled++;
}
await first.close();
const second = await openCache({ settings, directory, log, clock: new FakeClock() });
const kept = (await second.recall('before')) !== undefined;
await second.close();
console.log(JSON.stringify({ recalled, kept, warnings }));
`;

test('a full disk: every request is served, one warning a minute, and what was written stays', async () => {
  const { stdout } = await promisify(execFile)('sh', [
    '-c',
    `ulimit -f ${FILE_BLOCKS_MAX} && exec "$0" "$@"`,
    process.execPath,
    '--input-type=module',
    '--eval',
    child,
    directory,
  ]);
  expect(JSON.parse(stdout)).toEqual({
    recalled: 50,
    kept: true,
    warnings: [[expect.stringMatching(/SQLITE_(FULL|IOERR)/), expect.stringContaining('cannot be used at the moment')]],
  });
});
