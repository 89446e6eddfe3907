// The gateway and what it is compared with, all before the same engine, which takes no time.
import { Gateway } from './gateway.ts';
import type { LoadTask } from './load.ts';
import {
  INSTANT_ENGINE,
  type Load,
  portkeyHeaders,
  processorMs,
  startFloor,
  startInstantEngine,
  startPortkey,
} from './programs.ts';

export const PATH = '/v1/audio/transcriptions';

export interface Side {
  name: string;
  url: string;
  headers?: Record<string, string>;
  /** Whose processor time is its own. */
  pid: number;
}

export interface Sides {
  direct: Side;
  floor: Side;
  portkey: Side;
  gateway: Side;
  /** The gateway where the voice activity model could not be had: what is left of its cost without that model's. */
  byLoudness: Side;
  end(): Promise<void>;
}

export async function startSides(settings: Record<string, string> = {}): Promise<Sides> {
  const started: { end(): Promise<void> }[] = [];
  const end = async () => void (await Promise.all(started.map((one) => one.end())));
  const keep = async <Started extends { end(): Promise<void> }>(starting: Promise<Started>) => {
    const one = await starting;
    started.push(one);
    return one;
  };
  try {
    const engine = await keep(startInstantEngine());
    const floor = await keep(startFloor('proxy', `${engine.url}${PATH}`));
    const portkey = await keep(startPortkey());
    const options = { devices: 1, engine: INSTANT_ENGINE, settings };
    const gateway = await keep(Gateway.start(options));
    const byLoudness = await keep(Gateway.start({ ...options, withoutVoiceModel: true }));
    return {
      direct: { name: 'engine direct', url: engine.url, pid: engine.pid },
      floor: { name: 'floor: pipe and hash', url: floor.url, pid: floor.pid },
      portkey: { name: 'Portkey', url: portkey.url, headers: portkeyHeaders(engine), pid: portkey.pid },
      gateway: { name: 'gateway', url: gateway.url, pid: gateway.pid },
      byLoudness: { name: 'gateway, by loudness alone', url: byLoudness.url, pid: byLoudness.pid },
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

export interface Measured {
  ms: number[];
  /** Requests in a second, of each round. */
  rates: number[];
  /** Processor time a request. */
  processorMs: number;
}

/** The same task for each side, in turn, round after round; the rounds that warm up are not counted. */
export async function measureInTurn(
  load: Load,
  sides: Side[],
  { rounds, warmUps = 1 }: { rounds: number; warmUps?: number },
  task: Omit<LoadTask, 'url' | 'headers' | 'fields'>,
): Promise<Map<string, Measured>> {
  const measured = new Map(sides.map(({ name }): [string, Measured] => [name, { ms: [], rates: [], processorMs: 0 }]));
  for (let round = 0; round < warmUps + rounds; round += 1) {
    const order = sides.map((_, index) => sides[(index + round) % sides.length] as Side);
    for (const { name, url, headers, pid } of order) {
      const beforeMs = processorMs(pid);
      const result = await load.run({
        ...task,
        url: `${url}${PATH}`,
        ...(headers && { headers }),
        fields: { model: 'whisper-1' },
      });
      const cache = result.lastHeaders['x-cache'];
      if (cache !== undefined && cache !== 'miss') throw new Error(`${name} answered from its cache.`);
      if (round < warmUps) continue;
      const own = measured.get(name) as Measured;
      own.ms.push(...result.ms);
      own.rates.push(result.ms.length / (result.tookMs / 1000));
      own.processorMs += (processorMs(pid) - beforeMs) / result.ms.length / rounds;
    }
  }
  return measured;
}
