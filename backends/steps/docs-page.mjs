// The script behind /docs: one file of a package whose whole tree would be 270 packages.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buildFolder, downloadStep } from './context.mjs';

const SCRIPT = {
  bytes: 4_353_277,
  sha256: 'bf091006bdc3af6067af77c2f534812e3e633e94a94e87138069f570f33b762c',
  sources: [{ npmPackage: '@scalar/api-reference@1.72.1', member: 'package/dist/browser/standalone.js' }],
};

/** The page is no reason not to start: without its script it says what is missing. @param {import('./context.mjs').Context} context */
export async function ensureDocsPage(context) {
  const target = join(buildFolder(context), 'docs', 'scalar.js');
  const present = await stat(target).catch(() => undefined);
  try {
    if (present?.size !== SCRIPT.bytes) await downloadStep(context, 'docs page', { target, ...SCRIPT });
    context.terminal.done('docs page');
  } catch (error) {
    context.terminal.warn(`/docs stays without its page: ${error instanceof Error ? error.message : error}`);
  }
}
