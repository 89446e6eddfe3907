// A client of the jobs API as a front end has it, written from the API's table alone: fetch, and EventSource for what
// happens meanwhile. Knows nothing that a program on another machine would not know.
import { EventSource } from 'eventsource';

export type JobStatus = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

export interface Word {
  text: string;
  start: number;
  end: number;
  probability: number;
}

export interface Segment {
  index: number;
  start: number;
  end: number;
  text: string;
  words: Word[];
}

export interface ListedJob {
  id: string;
  status: JobStatus;
  task: 'transcribe' | 'translate';
  language: string | null;
  model: string;
  progress: number;
  duration_secs: number | null;
  error: string | null;
  webhook_url: string | null;
  filename: string | null;
  created_at: string;
  completed_at: string | null;
  position: number | null;
  estimated_wait_secs: number | null;
}
export type Job = ListedJob & { segments: Segment[] | null };

export interface Accepted {
  job_id: string;
  status: JobStatus;
  position: number | null;
  estimated_wait_secs: number | null;
}

export interface JobOptions {
  model?: string;
  language?: string;
  task?: string;
  prompt?: string;
  temperature?: number;
  webhook_url?: string;
}

export interface Progress {
  type: 'progress';
  percent: number;
  chunk: number;
  chunks_total: number | null;
}
export type JobEvent = Progress | { type: 'done'; job: Job } | { type: 'error'; message: string };

export type ModelState = 'unloaded' | 'loading' | 'waiting_for_gpu' | 'ready';
export interface ModelStatus {
  model: string;
  state: ModelState;
  loaded_at?: string;
  vram_needed_mb?: number;
}
export interface ModelEvent {
  type: 'model_loading' | 'model_ready' | 'model_unloaded' | 'model_waiting_for_gpu';
  model: string;
  loaded_at?: string;
}

export type ResultFormat = 'json' | 'text' | 'srt' | 'vtt' | 'verbose_json' | 'deepgram';

export class JobsError extends Error {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;

  constructor(status: number, body: Record<string, unknown>, headers: Headers) {
    super(`${status}: ${body.error}`);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

export class JobsClient {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  /** `Last-Event-ID` of every connection that a stream was opened with, in order. */
  readonly resumedFrom: (string | null)[] = [];

  constructor(url: string, key?: string) {
    this.#url = url;
    this.#headers = key === undefined ? {} : { 'x-api-key': key };
  }

  async submit(
    audio: Blob,
    {
      filename = 'audio.wav',
      idempotencyKey,
      ...options
    }: JobOptions & { filename?: string; idempotencyKey?: string } = {},
  ): Promise<Accepted & { replayed: boolean }> {
    const form = new FormData();
    form.append('audio', audio, filename);
    for (const [name, value] of Object.entries(options)) form.append(name, String(value));
    const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
    return this.#accepted({ body: form, headers });
  }

  async submitUrl(url: string, options: JobOptions = {}): Promise<Accepted & { replayed: boolean }> {
    const body = JSON.stringify({ url, ...options });
    return this.#accepted({ body, headers: { 'content-type': 'application/json' } });
  }

  job(id: string): Promise<Job> {
    return this.#json(`/jobs/${id}`);
  }

  jobs(query = ''): Promise<{ jobs: ListedJob[]; total: number; limit: number; offset: number }> {
    return this.#json(`/jobs${query}`);
  }

  cancel(id: string): Promise<Job> {
    return this.#json(`/jobs/${id}`, { method: 'DELETE' });
  }

  async result(id: string, format?: ResultFormat | string): Promise<{ type: string; text: string }> {
    const response = await this.#ask(`/jobs/${id}/result${format ? `?format=${format}` : ''}`);
    return { type: response.headers.get('content-type') ?? '', text: await response.text() };
  }

  /** Every event, until the job has ended. EventSource comes back by itself when its connection breaks. */
  async *stream(id: string): AsyncGenerator<JobEvent> {
    for await (const event of this.#events<JobEvent>(`/jobs/${id}/stream`)) {
      yield event;
      if (event.type !== 'progress') return;
    }
  }

  async finished(id: string): Promise<Job> {
    for await (const event of this.stream(id)) {
      if (event.type === 'done') return event.job;
      if (event.type === 'error') throw new Error(event.message);
    }
    throw new Error('The stream ended without a last event.');
  }

  modelStatus(model?: string): Promise<ModelStatus> {
    return this.#json(`/model/status${modelQuery(model)}`);
  }

  async load(model?: string): Promise<[status: number, what: string]> {
    const response = await this.#ask(`/model/load${modelQuery(model)}`, { method: 'POST' });
    return [response.status, ((await response.json()) as { status: string }).status];
  }

  async unload(model?: string): Promise<string> {
    return (await this.#json<{ status: string }>(`/model/unload${modelQuery(model)}`, { method: 'POST' })).status;
  }

  /** From now on; resolves once it is open. */
  async modelEvents(): Promise<{ seen: ModelEvent[]; close(): void }> {
    const seen: ModelEvent[] = [];
    const source = this.#open('/model/events');
    source.onmessage = ({ data }) => seen.push(JSON.parse(data));
    await new Promise((resolve) => source.addEventListener('open', resolve, { once: true }));
    return { seen, close: () => source.close() };
  }

  async *#events<Event>(path: string): AsyncGenerator<Event> {
    const source = this.#open(path);
    const pending: Event[] = [];
    let wake = () => {};
    source.onmessage = ({ data }) => {
      pending.push(JSON.parse(data));
      wake();
    };
    try {
      for (;;) {
        const event = pending.shift();
        if (event) yield event;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      source.close();
    }
  }

  #open(path: string): EventSource {
    return new EventSource(`${this.#url}${path}`, {
      fetch: (input, init) => {
        const headers = { ...init.headers, ...this.#headers };
        this.resumedFrom.push(new Headers(headers).get('last-event-id'));
        return fetch(input, { ...init, headers });
      },
    });
  }

  async #accepted(init: RequestInit): Promise<Accepted & { replayed: boolean }> {
    const response = await this.#ask('/jobs', { method: 'POST', ...init });
    const accepted = (await response.json()) as Accepted;
    if (response.status !== 202) throw new Error(`accepted with ${response.status}`);
    if (response.headers.get('location') !== `/jobs/${accepted.job_id}`) throw new Error('The job is somewhere else.');
    return { ...accepted, replayed: response.headers.get('idempotency-replayed') === 'true' };
  }

  async #json<Body>(path: string, init: RequestInit = {}): Promise<Body> {
    return (await (await this.#ask(path, init)).json()) as Body;
  }

  async #ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), ...this.#headers };
    const response = await fetch(`${this.#url}${path}`, { ...init, headers });
    if (response.ok) return response;
    throw new JobsError(response.status, (await response.json()) as Record<string, unknown>, response.headers);
  }
}

function modelQuery(model: string | undefined): string {
  return model === undefined ? '' : `?model=${encodeURIComponent(model)}`;
}
