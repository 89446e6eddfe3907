// "Can a transcription be served now, and if not, why not": one sentence from what the parts say of themselves.

export interface Readiness {
  ready: boolean;
  /** `starting` becomes ready by itself; `error` may need somebody to look at it. */
  state: 'starting' | 'ready' | 'error';
  /** One sentence: which model serves, or why none can. */
  reason: string;
  model: string | null;
}

/** The parts' own status, as much of it as matters here. */
export interface ServingStatus {
  /** The default model, when it is on disk. */
  model: string | null;
  downloads: {
    model: string;
    state: 'queued' | 'running' | 'failed';
    reason: string | null;
    receivedBytes: number;
    totalBytes: number | null;
  }[];
  /** Memory that one engine with the default model needs; null without one. */
  neededMb: number | null;
  schedule: {
    accepting: boolean;
    devices: {
      id: string;
      memoryTotalMb: number;
      backends: { model: string; state: 'starting' | 'idle' | 'busy' | 'stopping' }[];
      troubles: { model: string; reason: string }[];
    }[];
  };
}

// 1. On its way out. 2. No weights. 3. An engine holds the model. 4. One is loading it. 5. It cannot be loaded.
// 6. Nothing is loaded: the first request will load it.
export function describeReadiness({ model, neededMb, downloads, schedule }: ServingStatus): Readiness {
  const answer = (state: Readiness['state'], reason: string): Readiness => ({
    ready: state === 'ready',
    state,
    reason,
    model,
  });
  if (!schedule.accepting) return answer('error', 'The server is shutting down.');
  if (model === null) {
    const download = downloads[0];
    if (!download) return answer('error', 'No model is installed. Run: npm start');
    if (download.state === 'failed') {
      return answer('error', `The model '${download.model}' could not be downloaded: ${download.reason}`);
    }
    const share = download.totalBytes ? ` (${Math.floor((100 * download.receivedBytes) / download.totalBytes)} %)` : '';
    return answer('starting', `The model '${download.model}' is being downloaded${share}.`);
  }
  const states = schedule.devices.flatMap((device) =>
    device.backends.filter((backend) => backend.model === model).map((backend) => backend.state),
  );
  if (states.includes('idle') || states.includes('busy')) return answer('ready', `The model '${model}' is loaded.`);
  if (states.includes('starting')) return answer('starting', `The model '${model}' is being loaded.`);
  const large = schedule.devices.filter((device) => device.memoryTotalMb >= (neededMb ?? 0));
  if (large.length === 0)
    return answer('error', `The model '${model}' needs ${neededMb} MB, more than any device has.`);
  const troubles = large.map((device) => device.troubles.find((trouble) => trouble.model === model));
  if (troubles.every((trouble) => trouble !== undefined)) {
    return answer('error', `The model '${model}' cannot be loaded: ${troubles[0]?.reason}`);
  }
  return answer('ready', `The model '${model}' will be loaded for the next request.`);
}
