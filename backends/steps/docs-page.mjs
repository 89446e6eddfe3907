// The script behind /docs: one file of a package whose whole tree would be 270 packages.
import { ensureOptionalFile } from './optional-file.mjs';

/** @param {import('./context.mjs').Context} context */
export async function ensureDocsPage(context) {
  await ensureOptionalFile(context, {
    label: 'docs page',
    path: 'docs/scalar.js',
    bytes: 4_353_277,
    sha256: 'bf091006bdc3af6067af77c2f534812e3e633e94a94e87138069f570f33b762c',
    sources: [{ npmPackage: '@scalar/api-reference@1.72.1', member: 'package/dist/browser/standalone.js' }],
    without: '/docs stays without its page',
  });
}
