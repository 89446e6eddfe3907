// Builds and wires every part, and lists every route mount. Decides nothing else.
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import { OpenAPIHono } from '@hono/zod-openapi';
import { Hono } from 'hono';
import { download } from '../backends/download.mjs';
import { mountDocs } from './admin/docs.ts';
import { createHealthRoutes } from './admin/health.ts';
import { describeReadiness, type Readiness } from './admin/readiness.ts';
import { openCache } from './cache/cache.ts';
import { InFlight } from './cache/in-flight.ts';
import type { Config } from './config.ts';
import type { DialectServices } from './dialects/dialect.ts';
import { createOpenAIDialect } from './dialects/openai/routes.ts';
import { GatewayError, toGatewayError } from './errors.ts';
import { accessLog } from './http/access-log.ts';
import { createKeyRing } from './http/auth.ts';
import { crossOrigin } from './http/cross-origin.ts';
import type { HttpEnvironment } from './http/environment.ts';
import { requestId } from './http/request-id.ts';
import { createIngest } from './ingest/ingest.ts';
import { systemClock } from './lib/clock.ts';
import { lockDirectory } from './lib/directory-lock.ts';
import { createLog, type Log } from './lib/log.ts';
import { createModelStore } from './models/store.ts';
import { createPool } from './pool/pool.ts';
import { Scheduler } from './schedule/scheduler.ts';
import { createTranscriber } from './transcribe/recorded.ts';

/** Connections kept open longer than any client's own keep-alive, so that it is never us who close under a request. */
const KEEP_ALIVE_MS = 75_000;

export interface Gateway {
  url: string;
  /** Takes no new work, lets running work finish within SHUTDOWN_SECONDS, ends the engines. */
  stop(): Promise<void>;
}

export async function startGateway({ settings, environment }: Config): Promise<Gateway> {
  const log = createLog(settings.LOG_LEVEL);
  const version = await readVersion();
  const unlock = await lockDirectory(settings.DATA_DIR);
  const clock = systemClock;
  const folder = (name: string) => join(settings.DATA_DIR, name);

  const pool = await createPool({ settings, environment, runDirectory: folder('run'), log, clock });
  const machine = pool.devices.some((device) => device.kind === 'cuda') ? 'gpu' : 'cpu';
  const models = await createModelStore({ settings, log, download, machine });
  const scheduler = new Scheduler({ devices: pool.devices, effects: pool, settings, clock, log });
  const cache = await openCache({ settings, directory: folder('cache'), log, clock });
  const ingest = await createIngest({ settings, directory: folder('spool'), log, clock });
  const transcriber = createTranscriber({
    ingest,
    models,
    cache,
    inFlight: new InFlight(),
    scheduler,
    engine: pool.engine,
  });

  const app = createApp({
    log,
    version,
    readiness: async () =>
      describeReadiness({
        model: (await models.defaultModel())?.name ?? null,
        downloads: models.downloads(),
        schedule: scheduler.status(),
      }),
    dialects: {
      transcriber,
      keys: createKeyRing(settings.API_KEYS),
      log,
      limits: { uploadBytesMax: settings.UPLOAD_BYTES_MAX, uploadIdleMs: settings.UPLOAD_IDLE_SECONDS * 1000 },
    },
  });
  const { server, url } = await listen(app, settings.HOST, settings.PORT);

  const model = await models.defaultModel();
  log.info(
    { url, docs: `${url}/docs`, model: model?.name, devices: pool.devices.map((device) => device.name) },
    'listening',
  );
  if (model) scheduler.warm(model);

  return {
    url,
    async stop() {
      log.info('stopping');
      const closed = new Promise((resolve) => server.close(resolve));
      await scheduler.shutdown(settings.SHUTDOWN_SECONDS * 1000);
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), 1000);
      await closed;
      clearTimeout(cut);
      await Promise.all([pool.stopAll(), ingest.close(), models.close()]);
      await cache.close();
      await unlock();
      log.info('stopped');
    },
  };
}

export interface AppServices {
  log: Log;
  version: string;
  readiness(): Promise<Readiness>;
  dialects: DialectServices;
}

/** Every route of the gateway. Starts nothing, so the API's description can be generated from it. */
export function createApp({ log, version, readiness, dialects }: AppServices): OpenAPIHono<HttpEnvironment> {
  const app = new OpenAPIHono<HttpEnvironment>({ strict: false });
  app.use(requestId, accessLog(log), crossOrigin);

  const openai = createOpenAIDialect(dialects);
  app.route('/', createHealthRoutes({ version, readiness }));
  app.route('/v1', openai.routes);
  // For clients that were given a base URL without the version; wrapped, so that the API's description lists each route once.
  app.route('/', new Hono<HttpEnvironment>().route('/', openai.routes));
  mountDocs(app, version);

  app.notFound((context) => {
    const error = new GatewayError('route-unknown', `Unknown request URL: ${context.req.method} ${context.req.path}.`);
    const { status, headers, body } = openai.renderError(error, context.req.raw);
    return Response.json(body, { status, headers });
  });
  app.onError((thrown, context) => {
    const { status, headers, body } = openai.renderError(toGatewayError(thrown), context.req.raw);
    return Response.json(body, { status, headers });
  });
  return app;
}

async function listen(app: OpenAPIHono<HttpEnvironment>, host: string, port: number) {
  return new Promise<{ server: Server; url: string }>((resolve, reject) => {
    const server = serve(
      {
        fetch: app.fetch,
        hostname: host,
        port,
        // A slow upload may take longer than any fixed time; ingest ends one that stalls.
        serverOptions: { requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS },
      },
      (address) => {
        const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
        resolve({ server, url: `http://${name}:${address.port}` });
      },
    ) as Server;
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new GatewayError('setup-incomplete', `Port ${port} is in use. Set PORT to another one: PORT=8081 npm start`)
          : error,
      );
    });
  });
}

async function readVersion(): Promise<string> {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
  return manifest.version;
}
