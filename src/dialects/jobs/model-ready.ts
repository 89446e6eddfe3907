// The strict mode: no job is taken before its model is in memory, and asking for one begins to load it.
import { GatewayError } from '../../errors.ts';
import type { ModelLifecycle } from '../dialect.ts';

/** A load takes seconds to a minute; whoever finds it under way comes back sooner. */
const UNLOADED_SECONDS = 30;
const LOADING_SECONDS = 10;

/** Throws `model-not-ready`. */
export async function requireReady(
  model: string | null,
  lifecycle: Pick<ModelLifecycle, 'status' | 'load'>,
): Promise<void> {
  const { model: name, state, retryInSeconds } = await lifecycle.status(model);
  if (state === 'ready') return;
  const waits = {
    unloaded: UNLOADED_SECONDS,
    loading: LOADING_SECONDS,
    waiting_for_gpu: retryInSeconds ?? LOADING_SECONDS,
  };
  const retryAfterSeconds = await load(model, lifecycle, waits[state]);
  throw new GatewayError('model-not-ready', `The model '${name}' is not in memory: ${state}.`, {
    retryAfterSeconds,
    modelState: state,
  });
}

/** How long until it is worth another look: what is not on disk yet knows better how long it takes. */
async function load(model: string | null, lifecycle: Pick<ModelLifecycle, 'load'>, seconds: number): Promise<number> {
  try {
    await lifecycle.load(model);
    return seconds;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'model-not-ready') return error.retryAfterSeconds ?? seconds;
    throw error;
  }
}
