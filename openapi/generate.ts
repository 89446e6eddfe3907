// Writes openapi/gateway.json from the routes; with --check it fails when the file is not what the routes say.
import { readFile, writeFile } from 'node:fs/promises';
import { describeApi } from '../src/admin/docs.ts';
import { createApp } from '../src/app.ts';
import { silentLog } from '../src/lib/log.ts';

const DOCUMENT = new URL('gateway.json', import.meta.url);

const unused = () => {
  throw new Error('The routes are described, not called.');
};
const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
const app = createApp({
  log: silentLog,
  version,
  settings: { STRICT_MODEL_READY: false },
  readiness: unused,
  serving: unused,
  callbacks: unused,
  dialects: {
    transcriber: {
      receive: unused,
      fetch: unused,
      transcribe: unused,
      transcribeChannels: unused,
      models: { list: unused, find: unused },
    },
    keys: { isEmpty: true, check: unused },
    tokens: { mint: unused, check: unused },
    jobs: {
      checkWebhook: unused,
      accept: unused,
      find: unused,
      list: unused,
      transcripts: unused,
      cancel: unused,
      remove: unused,
      watch: unused,
      counts: unused,
      serve: () => {},
    },
    measureGpu: unused,
    lifecycle: { status: unused, load: unused, unload: unused, events: unused },
    writers: {
      json: unused,
      text: unused,
      srt: unused,
      vtt: unused,
      verbose_json: unused,
      deepgram: unused,
    },
    readiness: unused,
    enabledModels: unused,
    log: silentLog,
    limits: { uploadBytesMax: 0, uploadIdleMs: 0 },
  },
});
const described = `${JSON.stringify(describeApi(app, version), null, 2)}\n`;

if (process.argv.includes('--check')) {
  if ((await readFile(DOCUMENT, 'utf8').catch(() => '')) !== described) {
    console.error('openapi/gateway.json is out of step with the routes. Run: npm run openapi');
    process.exit(1);
  }
} else {
  await writeFile(DOCUMENT, described);
}
