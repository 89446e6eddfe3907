// The API's own description: the document and the page that shows it. Nothing on the page comes from another host.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { Scalar } from '@scalar/hono-api-reference';
import type { HttpEnvironment } from '../http/environment.ts';

/** Put there by set-up. */
const PAGE_SCRIPT = new URL('../../build/docs/scalar.js', import.meta.url);

/** In the order in which they are shown. */
const GROUPS = [
  ...['OpenAI', 'Deepgram', 'Models', 'Jobs', 'RunPod', 'whisper-diarization', 'whisper-cuda', 'WhisperServer'],
  'Server',
];

export function mountDocs(app: OpenAPIHono<HttpEnvironment>, version: string): void {
  app.get('/openapi.json', (context) => context.json(describeApi(app, version)));
  app.get(
    '/docs',
    Scalar({
      url: '/openapi.json',
      cdn: '/docs/scalar.js',
      pageTitle: 'Whispergate',
      // There is a group of routes called Models.
      modelsSectionLabel: 'Schemas',
      // The rest of what the page could offer would call its makers' hosts.
      withDefaultFonts: false,
      telemetry: false,
      showDeveloperTools: 'never',
      hideClientButton: true,
      agent: { disabled: true },
      mcp: { disabled: true },
    }),
  );
  app.get('/docs/scalar.js', async (context) => {
    const file = await stat(PAGE_SCRIPT).catch(() => undefined);
    if (!file) return context.text('The page script is missing. Run: node backends/setup.mjs start', 404);
    context.header('content-type', 'text/javascript; charset=utf-8');
    context.header('content-length', String(file.size));
    context.header('cache-control', 'public, max-age=86400');
    // Nobody would read, and so close, the file.
    if (context.req.method === 'HEAD') return context.body(null);
    return context.body(Readable.toWeb(createReadStream(PAGE_SCRIPT)) as ReadableStream);
  });
}

export function describeApi(app: OpenAPIHono<HttpEnvironment>, version: string) {
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Whispergate',
      version,
      description:
        "Self-hosted speech-to-text behind OpenAI's and Deepgram's APIs and those of several services: change the base URL, keep the program. Long recordings are jobs, which are answered later.",
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    tags: GROUPS.map((name) => ({ name })),
    servers: [{ url: '/', description: 'This server' }],
  });
}
