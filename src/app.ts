// Builds and wires every part, and lists every route mount. Decides nothing else.
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import { OpenAPIHono } from '@hono/zod-openapi';
import { Hono } from 'hono';
import { download } from '../backends/download.mjs';
import { type CallbacksStatus, createCallbackRoutes, describeCallbacks } from './admin/callbacks.ts';
import { mountDocs } from './admin/docs.ts';
import { createHealthRoutes, type Serving } from './admin/health.ts';
import { describeReadiness, type Readiness } from './admin/readiness.ts';
import { openCache } from './cache/cache.ts';
import { InFlight } from './cache/in-flight.ts';
import type { Config } from './config.ts';
import { renderError as renderDeepgramError } from './dialects/deepgram/errors.ts';
import { writeResult as writeDeepgramResult } from './dialects/deepgram/result.ts';
import { createDeepgramDialect } from './dialects/deepgram/routes.ts';
import type { DialectServices, ResultWriters } from './dialects/dialect.ts';
import { modelNews } from './dialects/jobs/model-news.ts';
import { createJobsDialect } from './dialects/jobs/routes.ts';
import type { JobsApiSettings } from './dialects/jobs/settings.ts';
import { createModelRoutes, type Dialects, renderFailure } from './dialects/models.ts';
import { writeResult as writeOpenAIResult } from './dialects/openai/response.ts';
import { createOpenAIDialect } from './dialects/openai/routes.ts';
import { createRunpodDialect } from './dialects/runpod/routes.ts';
import type { RunpodSettings } from './dialects/runpod/settings.ts';
import { createWhisperCudaDialect } from './dialects/whisper-cuda/routes.ts';
import { createWhisperDiarizationDialect } from './dialects/whisper-diarization/routes.ts';
import { createWhisperServerDialect } from './dialects/whisperserver/routes.ts';
import { GatewayError } from './errors.ts';
import { accessLog } from './http/access-log.ts';
import { createKeyRing } from './http/auth.ts';
import { answerBadHeads } from './http/bad-head.ts';
import { crossOrigin } from './http/cross-origin.ts';
import type { HttpEnvironment } from './http/environment.ts';
import { keptSecret } from './http/kept-secret.ts';
import { requestId } from './http/request-id.ts';
import { createTemporaryTokens } from './http/temporary-token.ts';
import { createIngest } from './ingest/ingest.ts';
import { createJobs } from './jobs/jobs.ts';
import { systemClock } from './lib/clock.ts';
import { lockDirectory } from './lib/directory-lock.ts';
import { Gate } from './lib/gate.ts';
import { createLog, type Log } from './lib/log.ts';
import { CATALOGUE } from './models/catalogue.ts';
import { createEnabledModels } from './models/enabled-models.ts';
import { createModelStore } from './models/store.ts';
import { GpuMeter } from './pool/gpu-usage.ts';
import { queryGpus } from './pool/nvidia-smi.ts';
import { createPool } from './pool/pool.ts';
import { createLifecycle } from './schedule/lifecycle.ts';
import { Scheduler } from './schedule/scheduler.ts';
import { createTranscriber, type Transcriber } from './transcribe/recorded.ts';
import type { TranscriptEvent } from './transcript/event.ts';
import { broadcast } from './webhooks/broadcast.ts';
import { createOutbox } from './webhooks/outbox.ts';

/** Connections kept open longer than any client's own keep-alive, so that it is never us who close under a request. */
const KEEP_ALIVE_MS = 75_000;

/** Request line and headers together. Deepgram's options travel in the URL: lists of terms take more than Node's 16 KiB. */
const HEAD_BYTES_MAX = 64 * 1024;

export interface Gateway {
  url: string;
  /** Takes no new work, lets running work finish within SHUTDOWN_SECONDS, ends the engines. */
  stop(): Promise<void>;
}

export async function startGateway({ settings, environment }: Config): Promise<Gateway> {
  const log = createLog(settings.LOG_LEVEL);
  const unlock = await lockDirectory(settings.DATA_DIR);
  const parts = await buildParts({ settings, environment }, log);
  const { gate, pool, models, scheduler, jobs } = parts;
  const app = createApp(wireServices(parts, settings, await readVersion(), log));
  jobs.resume();
  const endModelNews = sendModelNews(parts, log);
  const { server, url } = await listen(app, settings.HOST, settings.PORT);

  const model = await models.defaultInstalled();
  log.info(
    { url, docs: `${url}/docs`, model: model?.name, devices: pool.devices.map((device) => device.name) },
    'listening',
  );
  jobs.start();
  void warmUp(parts, log);

  return {
    url,
    async stop() {
      log.info('stopping');
      const closed = new Promise((resolve) => server.close(resolve));
      await jobs.stop();
      // First the work goes on to its end with everything it needs; only what is late is then ended.
      await gate.close(settings.SHUTDOWN_SECONDS * 1000, systemClock);
      await scheduler.shutdown(0);
      await endModelNews();
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), 1000);
      await closed;
      clearTimeout(cut);
      await Promise.all([pool.stopAll(), parts.ingest.close(), models.close(), parts.enabledModels.close()]);
      await Promise.all([parts.cache.close(), parts.outbox.close(), parts.newsOutbox.close()]);
      jobs.close();
      await unlock();
      log.info('stopped');
    },
  };
}

/** So that the first request need not wait for the model. Whatever fails here, that request is told of. */
async function warmUp({ models, scheduler }: Parts, log: Log): Promise<void> {
  try {
    const model = await models.defaultModel();
    if (model) scheduler.load(model);
  } catch (error) {
    log.warn({ err: error }, 'the default model was not loaded ahead of the first request');
  }
}

/** Whoever wants to hear of a job hears of models, too. What has happened by the time of the answered call is still sent. */
function sendModelNews({ lifecycle, jobs, newsOutbox: outbox }: Parts, log: Log): () => Promise<void> {
  const ending = new AbortController();
  const urls = () => jobs.webhookUrls('jobs');
  const sent = broadcast(modelNews(lifecycle.events(ending.signal)), { urls, outbox, log });
  return () => {
    ending.abort();
    return sent;
  };
}

type Parts = Awaited<ReturnType<typeof buildParts>>;

async function buildParts({ settings, environment }: Config, log: Log) {
  const clock = systemClock;
  const folder = (name: string) => join(settings.DATA_DIR, name);
  const pool = await createPool({ settings, environment, runDirectory: folder('run'), log, clock });
  const gpus = pool.devices.filter((device) => device.kind === 'cuda');
  const usable = gpus.length > 0 ? gpus : pool.devices;
  const models = await createModelStore({
    settings,
    log,
    download,
    machine: gpus.length > 0 ? 'gpu' : 'cpu',
    deviceMemoryMb: Math.max(...usable.map((device) => device.memoryTotalMb)),
  });
  const enabledModels = createEnabledModels(settings, clock, log);
  const scheduler = new Scheduler({ devices: pool.devices, effects: pool, settings, clock, log });
  const lifecycle = createLifecycle({ scheduler, models, pool, clock });
  const gpuMeter = new GpuMeter({ devices: pool.devices, look: () => queryGpus(environment), clock });
  const cache = await openCache({ settings, directory: folder('cache'), log, clock });
  const ingest = await createIngest({ settings, directory: folder('spool'), log, clock });
  const outbox = await createOutbox({ settings, directory: folder('webhooks'), log, clock });
  // News go to many at once, whose servers may be gone by now: no result may have to wait behind them.
  const newsOutbox = await createOutbox({ settings, directory: folder('news'), log, clock });
  const gate = new Gate();
  const inFlight = new InFlight<TranscriptEvent>();
  const transcriber = createTranscriber({ gate, ingest, models, cache, inFlight, scheduler, engine: pool.engine });
  const jobs = createJobs({
    ...{ settings, directory: folder('jobs'), transcriber, outbox, log, clock },
    agingMs: settings.SCHEDULE_AGING_SECONDS * 1000,
    rankOf: async (name) => {
      const { servedBy } = (await models.find(name)) ?? {};
      return servedBy === undefined ? 0 : (settings.MODEL_RANKS.get(servedBy) ?? CATALOGUE.get(servedBy)?.rank ?? 0);
    },
  });
  const tokens = createTemporaryTokens(settings.API_KEYS, await keptSecret(join(settings.DATA_DIR, 'token-secret')));
  return {
    gate,
    pool,
    models,
    enabledModels,
    scheduler,
    lifecycle,
    gpuMeter,
    cache,
    ingest,
    outbox,
    newsOutbox,
    transcriber,
    jobs,
    tokens,
  };
}

function wireServices(parts: Parts, settings: Config['settings'], version: string, log: Log): AppServices {
  const { models, scheduler, lifecycle, gpuMeter, outbox, transcriber, jobs, tokens } = parts;
  const readiness = async () => {
    const model = await models.defaultInstalled();
    return describeReadiness({
      model: model?.name ?? null,
      neededMb: model?.memoryMb ?? null,
      downloads: models.downloads(),
      schedule: scheduler.status(),
    });
  };
  const serving = async (): Promise<Serving> => {
    const model = await models.defaultInstalled();
    const place = model && scheduler.modelPlace(model.name, model.memoryMb);
    return {
      model: model && place && { name: model.name, state: place.state },
      gpu: place?.device?.kind === 'cuda' ? place.device : undefined,
      queueDepth: jobs.counts('jobs').queued,
    };
  };
  return {
    log,
    version,
    settings,
    readiness,
    serving,
    callbacks: () => describeCallbacks(jobs.webhookStatus(), { ...outbox.status(), failures: outbox.failed() }),
    dialects: {
      transcriber,
      keys: createKeyRing(settings.API_KEYS),
      tokens,
      jobs,
      lifecycle,
      writers: createWriters(transcriber),
      measureGpu: () => gpuMeter.measure(),
      limits: { uploadBytesMax: settings.UPLOAD_BYTES_MAX, uploadIdleMs: settings.UPLOAD_IDLE_SECONDS * 1000 },
      readiness,
      enabledModels: parts.enabledModels.names,
      log,
    },
  };
}

function createWriters({ models }: Transcriber): ResultWriters {
  return {
    json: async (transcript) => writeOpenAIResult(transcript, 'json'),
    text: async (transcript) => writeOpenAIResult(transcript, 'text'),
    srt: async (transcript) => writeOpenAIResult(transcript, 'srt'),
    vtt: async (transcript) => writeOpenAIResult(transcript, 'vtt'),
    verbose_json: async (transcript) => writeOpenAIResult(transcript, 'verbose_json'),
    deepgram: (transcript, details) => writeDeepgramResult(transcript, details, models),
  };
}

export interface AppServices {
  log: Log;
  version: string;
  settings: JobsApiSettings & RunpodSettings;
  readiness(): Promise<Readiness>;
  serving(): Promise<Serving>;
  callbacks(): CallbacksStatus;
  dialects: DialectServices;
}

/** Every route of the gateway. Starts nothing, so the API's description can be generated from it. */
export function createApp(services: AppServices): OpenAPIHono<HttpEnvironment> {
  const { log, version, settings, callbacks, dialects } = services;
  const app = new OpenAPIHono<HttpEnvironment>({ strict: false });
  const openai = createOpenAIDialect(dialects);
  const deepgram = createDeepgramDialect(dialects);
  const jobs = createJobsDialect(dialects, settings);
  const whisperCuda = createWhisperCudaDialect(dialects);
  const whisperServer = createWhisperServerDialect(dialects);
  const whisperDiarization = createWhisperDiarizationDialect(dialects);
  const runpod = createRunpodDialect(dialects, settings);
  // Those that have paths to themselves come before those that know their clients by a header.
  const all: Dialects = [openai, whisperCuda, whisperServer, whisperDiarization, runpod, deepgram, jobs];
  app.use(requestId, accessLog(log), crossOrigin(deepgram.claims));

  app.route('/', createHealthRoutes(services));
  app.route('/', createCallbackRoutes({ keys: dialects.keys, callbacks }));
  const modelRoutes = createModelRoutes(all, dialects.transcriber.models);
  app.route('/v1', modelRoutes);
  app.route('/v1', openai.routes);
  app.route('/', deepgram.routes);
  app.route('/', jobs.routes);
  app.route('/compat/whisper-cuda', whisperCuda.routes);
  app.route('/compat/whisperserver', whisperServer.routes);
  app.route('/compat/whisper-diarization', whisperDiarization.routes);
  app.route('/v2', runpod.routes);
  // For clients that were given a base URL without the version; wrapped, so that the API's description lists each route once.
  for (const routes of [modelRoutes, openai.routes]) app.route('/', new Hono<HttpEnvironment>().route('/', routes));
  mountDocs(app, version);

  app.notFound((context) => {
    const error = new GatewayError('route-unknown', `Unknown request URL: ${context.req.method} ${context.req.path}.`);
    return renderFailure(error, context, all);
  });
  app.onError((thrown, context) => renderFailure(thrown, context, all));
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
        serverOptions: { requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS, maxHeaderSize: HEAD_BYTES_MAX },
      },
      (address) => {
        const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
        resolve({ server, url: `http://${name}:${address.port}` });
      },
    ) as Server;
    answerBadHeads(server, HEAD_BYTES_MAX, renderHeadError);
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new GatewayError('setup-incomplete', `Port ${port} is in use. Set PORT to another one: PORT=8081 npm start`)
          : error,
      );
    });
  });
}

/** There is no request to tell the vendor by, but only Deepgram's clients write so much into the URL. */
function renderHeadError(error: GatewayError, requestId: string) {
  return renderDeepgramError(error, new Request('http://gateway/v1/listen'), requestId);
}

async function readVersion(): Promise<string> {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
  return manifest.version;
}
